"""Networks that act: policy and value with hook points at every layer; one file each."""
