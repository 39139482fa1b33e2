"""The question emergence."""
