"""goals: what an agent pursues, from its behaviour, its critic and edits of its activations."""
