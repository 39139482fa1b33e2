"""Samples: concepts as columns, shuffles, intervals over groups, and leaks between rows."""
