"""The question address."""
