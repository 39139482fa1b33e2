"""Sweeps: every combination of some settings, judged; what is raised alike is raised once."""
