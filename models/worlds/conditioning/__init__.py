"""The world conditioning."""
