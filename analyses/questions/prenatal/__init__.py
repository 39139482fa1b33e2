"""The question prenatal."""
