"""Policies that other libraries trained: what they value, what they prefer, and what was done to their observations."""
