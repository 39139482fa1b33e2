"""The question anatomy."""
