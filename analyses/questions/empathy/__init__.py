"""The question empathy."""
