"""The question at-birth."""
