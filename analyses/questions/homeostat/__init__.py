"""The question homeostat."""
