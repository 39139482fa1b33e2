"""Levels that expose what a subject pursues: searched, judged on fresh tries, clustered and described."""
