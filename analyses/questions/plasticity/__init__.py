"""The question plasticity."""
