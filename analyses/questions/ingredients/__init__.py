"""The question ingredients."""
