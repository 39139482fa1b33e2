"""What `imprint run` does: raise the subjects of a setup, examine them, pool and judge."""
