"""The question twins."""
