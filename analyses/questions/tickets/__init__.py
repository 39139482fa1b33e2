"""The question tickets."""
