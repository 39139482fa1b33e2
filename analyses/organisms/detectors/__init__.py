"""Detectors that ship, and the wrapper for detectors of others."""
