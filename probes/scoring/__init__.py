"""Scoring: how good attributions, feature dictionaries and disentangled codes are."""
