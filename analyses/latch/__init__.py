"""latch: what a value depends on."""
