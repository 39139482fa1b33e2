"""Whether a run or an answer is what it says it is, and how much it counts for."""
