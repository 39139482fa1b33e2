"""The question absent-concept."""
