"""What learns from scratch: random at birth, taught by its own objective; one file each."""
