"""Whole pages: of a run, and of a question."""
