"""Question: micromanage."""
