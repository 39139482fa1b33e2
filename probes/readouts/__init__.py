"""Readouts: supervised probes fitted on activations; one file each."""
