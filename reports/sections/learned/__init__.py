"""The section of what was learned from which signal."""
