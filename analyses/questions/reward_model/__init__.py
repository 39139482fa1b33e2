"""The question reward-model."""
