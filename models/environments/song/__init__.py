"""The environment song."""
