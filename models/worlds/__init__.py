"""Generators of experience whose ground truth is known; one file each."""
