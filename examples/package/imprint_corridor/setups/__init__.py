"""Setups of one's own, one YAML file each."""
