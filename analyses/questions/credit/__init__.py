"""The question credit."""
