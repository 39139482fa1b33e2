"""The question bird-detector."""
