"""Anybody's policy, followed in many copies of an environment in step."""
