"""The question belief-reward."""
