"""Instruments: look inside a subject, change what is inside."""
