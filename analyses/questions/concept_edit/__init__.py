"""The question concept-edit."""
