"""Discovery: directions found in activations without labels; one file each."""
