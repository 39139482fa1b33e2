"""Question: pattern-separation."""
