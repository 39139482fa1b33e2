"""Alignment setups: what one holds, how it is validated, and how it is read."""
