"""How did it learn that? The ground truth behind a competence, where it comes from, and what prevents learning."""
