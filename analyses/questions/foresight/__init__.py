"""The question foresight."""
