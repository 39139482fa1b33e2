"""What each setting of a sweep moves: effects, interactions, and borders at which the verdict turns."""
