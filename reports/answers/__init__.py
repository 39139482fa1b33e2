"""What a verdict means, and the numbers behind it, in words: one file per kind of answer."""
