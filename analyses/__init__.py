"""One question per file; every answer is a row of findings."""
