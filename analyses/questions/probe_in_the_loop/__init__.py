"""The question probe-in-the-loop."""
