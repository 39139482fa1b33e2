"""Side-by-side measurements against peers, in one run, as ratios."""
