"""The question known-results."""
