"""The question birth."""
