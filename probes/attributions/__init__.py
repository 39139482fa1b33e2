"""Attributions: which part of the input the value stands on; one file each."""
