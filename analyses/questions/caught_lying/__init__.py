"""The question caught-lying."""
