"""The question genomes."""
