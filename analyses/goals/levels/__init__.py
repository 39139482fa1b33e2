"""Levels of anybody's Gymnasium environment: made, followed and examined."""
