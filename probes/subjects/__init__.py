"""Subjects: anything that can be examined, and the sites at which it is read."""
