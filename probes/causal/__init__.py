"""Causal experiments: edit a subject and measure what its value loses."""
