"""Where in its file a field of a setup is written, so that a message about the field can say so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from imprint.models import registry

FIELD = re.compile(r"([a-z_][\w-]*(?:\.[\w-]+)*): ")
"""A line of a message that is about a field."""


def with_lines(message: str, source: str | Path, changed: Iterable[str] = ()) -> str:
    """The message with file and line before every line that names a field.

    ``source``: name or path of the setup; what it extends is looked through as well. Fields that were ``changed`` after
    the file was read (dotted keys) stay without a line.
    """
    files, changes = list(_files(str(source))), list(changed)
    return "\n".join(_located(line, files, changes) for line in message.splitlines())


def _located(line: str, files: list[tuple[Path, yaml.Node]], changes: list[str]) -> str:
    found = FIELD.match(line)
    if found is None or any(f"{found[1]}.".startswith(f"{key}.") for key in changes):
        return line
    places = [(*_place(node, found[1].split(".")), path) for path, node in files]
    deep, number, path = max(places, key=lambda place: place[0], default=(0, 0, None))
    if path is None or (not deep and any(key.startswith(f"{found[1]}.") for key in changes)):
        return line
    return f"{path}, line {number}: {line}" if deep else f"{path}: {line}"


def _place(node: yaml.Node, path: list[str]) -> tuple[int, int]:
    """How many keys of ``path`` are written there, and the line (from 1) of the last of them."""
    line = 0
    for depth, key in enumerate(path):
        if isinstance(node, yaml.MappingNode):
            inside = {str(name.value): (name, value) for name, value in node.value}
            if key not in inside:
                return depth, line
            name, node = inside[key]
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            return depth, line
    return len(path), line


def _files(source: str) -> Iterator[tuple[Path, yaml.Node]]:
    """The file of a setup and those that it extends, with what is written in them."""
    seen: set[Path] = set()
    while source:
        path = registry.setup_file(source)
        if path in seen:
            return
        seen.add(path)
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            return
        yield path, node
        source = next((str(value.value) for name, value in node.value if name.value == "extends"), "")
