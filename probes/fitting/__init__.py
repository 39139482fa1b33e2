"""Fitting: moments of activations, and what is solved from them."""
