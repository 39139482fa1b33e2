"""The question instruments."""
