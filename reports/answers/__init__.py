"""Verdicts in words and numbers, as the top of a page shows them."""
