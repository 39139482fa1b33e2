"""The question simulator."""
