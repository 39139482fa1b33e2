"""The question tractable."""
