"""The question birdsong."""
