"""Learning rules: how a learner's weights change."""
