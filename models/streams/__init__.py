"""Streams of examples: inputs with what is to be learned from them."""
