"""Studies inside the training loops of other libraries, one file each."""
