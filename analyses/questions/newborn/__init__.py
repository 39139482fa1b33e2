"""The question newborn."""
