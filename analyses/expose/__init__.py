"""The proxy that nobody named: what a value depends on beside the concepts that were asked about."""
