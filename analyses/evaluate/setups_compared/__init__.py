"""Setups side by side: their numbers, and pairs of them that differ in one setting."""
