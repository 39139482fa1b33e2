"""locate: which concepts can be read from which activations, beside every floor."""
