"""The question latch-curve."""
