"""Questions: analyses with a card, asked by `imprint analyse NAME`; one file each."""
