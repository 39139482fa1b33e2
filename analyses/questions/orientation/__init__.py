"""The question orientation."""
