"""The section about what nobody asked about."""
