"""Benchmarks: measurements side by side with peers in the same run, reported as ratios."""
