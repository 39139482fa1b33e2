"""The question decortication."""
