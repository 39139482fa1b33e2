"""The question inner-outer."""
