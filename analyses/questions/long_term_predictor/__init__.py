"""The question long-term-predictor."""
