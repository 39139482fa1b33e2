"""Parts of one's own for imprint; the entry points in pyproject.toml name them."""
