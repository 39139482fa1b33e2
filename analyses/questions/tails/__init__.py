"""The question tails."""
