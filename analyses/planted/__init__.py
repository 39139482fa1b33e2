"""Subjects whose insides are known by construction."""
