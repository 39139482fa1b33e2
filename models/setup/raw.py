"""A setup as it was written: one YAML file, laid over what it extends, with changes by dotted key; not yet validated.

Neither torch nor pandas is imported here, so that a slip can be answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imprint.models import registry
from imprint.models.errors import ImprintError
from imprint.models.files import parse_yaml, plain_data

Written = str | Path | Mapping[str, Any]
Changes = Mapping[str, Any] | None


def written_setup(source: Written, changes: Changes = None) -> dict[str, Any]:
    """Plain data of a setup with ``changes`` (dotted keys -> values; numbers index lists), before validation."""
    data = raw_setup(source)
    for key, value in (changes or {}).items():
        _assign(data, str(key), plain_data(value, f"--set {key}"))
    return data


def raw_setup(source: Written, extended: tuple[str, ...] = ()) -> dict[str, Any]:
    """Plain data of a setup as it was written, with what it extends; ``extended``: the files that led here."""
    if isinstance(source, Mapping):
        whole: dict[str, Any] = plain_data(source, "the setup")
        return _merged(whole, extended)
    path = registry.setup_file(str(source))
    if (name := str(path.resolve())) in extended:
        raise ImprintError(f"{path} extends itself: {' -> '.join((*extended, name))}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ImprintError(f"{path} is not readable YAML: it is no text in UTF-8.") from None
    data = parse_yaml(text, path)
    if not isinstance(data, dict):
        held = {str: "a text", list: "a list", type(None): "nothing"}.get(type(data), "a single value")
        raise ImprintError(
            f"{path} holds {held}; expected a mapping of setup fields, as `imprint show nursery` prints one."
        )
    return _merged(data, (*extended, name))


def _merged(data: dict[str, Any], extended: tuple[str, ...]) -> dict[str, Any]:
    """``data`` laid over the setup that it ``extends``, if any."""
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ImprintError(f"extends is {base!r}; expected the name of a setup that ships, or a YAML file.")

    def merge(old: Any, new: Any) -> Any:
        if isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind"):
            return {**old, **{k: merge(old[k], v) if k in old else v for k, v in new.items()}}
        return new

    whole: dict[str, Any] = merge(raw_setup(base, extended), data)
    return whole


def with_seeds(changes: Mapping[str, Any] | None, seeds: int | None, key: str = "schedule.seeds") -> dict[str, Any]:
    """Changes with a number of seeds, which they must not give as well. Raises :class:`ImprintError` for no mapping."""
    if changes is not None and not isinstance(changes, Mapping):
        raise ImprintError(
            f"changes is {type(changes).__name__}; expected a mapping from dotted keys to values, for example "
            "{'schedule.ages': 5}."
        )
    if seeds is None:
        return dict(changes or {})
    if key in (changes or {}):
        raise ImprintError(f"{key} is given twice, the second time as the number of seeds ({seeds}); leave one out.")
    return {**(changes or {}), key: seeds}


def _assign(data: dict[str, Any], key: str, value: Any) -> None:
    """Set the entry of nested mappings and lists that a dotted key names."""
    node: Any = data
    *path, last = key.split(".")
    if not all((*path, last)):
        raise ImprintError(f"--set {key}: expected names with one point between each, such as schedule.ages.")
    for part in path:
        if isinstance(node, dict):
            node = node.setdefault(part, {})
        elif isinstance(node, list | tuple) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            raise ImprintError(f"--set {key}: {_absent(node, part)}.")
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and last.isdecimal() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise ImprintError(f"--set {key}: {_absent(node, last)}.")


def _absent(node: Any, part: str) -> str:
    if not isinstance(node, list | tuple):
        return f"{part!r} is not a part of the setup that has settings"
    names = [item.get("name", item.get("kind")) if isinstance(item, dict) else item for item in node]
    listed = ", ".join(f"{place} ({name})" for place, name in enumerate(names)) or "none"
    return f"{part!r} is not a part of the setup: a list is there, whose entries are {listed}"
