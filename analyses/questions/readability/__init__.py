"""The question readability."""
