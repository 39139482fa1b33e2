"""Scores of the instruments' own output: attributions, dictionaries, disentanglement."""
