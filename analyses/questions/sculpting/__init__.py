"""The question sculpting."""
