"""The question credit-alternatives."""
