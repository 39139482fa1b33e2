"""The question critical-period."""
