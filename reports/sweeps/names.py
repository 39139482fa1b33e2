"""Keys of settings in as few words as tell them apart."""

from __future__ import annotations

from collections.abc import Sequence


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Key -> its last part, ``colour_cue`` for ``world.colour_cue``; with more parts where two would be the same."""
    parts = {key: key.split(".") for key in keys}
    short: dict[str, str] = {}
    for key in keys:
        for count in range(1, len(parts[key]) + 1):
            tail = parts[key][-count:]
            if not tail[0].isdecimal() and not any(other[-count:] == tail for k, other in parts.items() if k != key):
                break
        short[key] = ".".join(tail)
    return short


def shorter(text: str, short: dict[str, str]) -> str:
    """``text``, such as the name of a combination, with every key shortened."""
    for key in sorted(short, key=len, reverse=True):
        text = text.replace(f"{key}=", f"{short[key]}=")
    return text
