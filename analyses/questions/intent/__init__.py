"""The question intent."""
