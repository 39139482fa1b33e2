"""Subjects that several questions raise."""
