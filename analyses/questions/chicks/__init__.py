"""The question chicks."""
