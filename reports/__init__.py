"""Findings to pages. Knows no torch."""
