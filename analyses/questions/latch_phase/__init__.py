"""The question latch-phase."""
