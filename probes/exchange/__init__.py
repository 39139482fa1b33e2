"""Files that other tools write and read: sparse autoencoders of SAELens, and probes with a card."""
