"""The question uniformity."""
