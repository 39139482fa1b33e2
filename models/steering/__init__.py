"""Hardcoded signals: detectors and rewards that never touch a learned activation; one file each."""
