"""Interventions: change an activation inside a running forward pass; one file each."""
