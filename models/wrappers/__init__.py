"""Environments wrapped: reflexes that act first, and single copies for Gymnasium."""
