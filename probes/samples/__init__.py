"""Samples: concepts as columns, shuffles, resamples, and leaks between rows."""
