"""Worlds of organisms: eight yes-or-no facts, whose names and codings say nothing."""
