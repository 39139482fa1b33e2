"""Where runs lie under a folder, and files of theirs, read without ever leaving it.

A folder is a run, a study, a sweep or an answered question because of its manifest. Links are not followed, neither to
folders nor to files that lie elsewhere, and only small files are read, so that a folder of strangers can be looked at.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from imprint.models.errors import ImprintError
from imprint.reports.reading.folders import QUESTION, SETUP, SWEEP

DEEPEST = 6
"""Levels of folders below the one that is shown."""
LARGEST = 8 * 1024**2
"""Bytes of a text file that are read at most; the largest of ours, a registration, has 40,000."""
DEEPLY = 1000
"""Brackets in a text, and marks of nesting at the start of a line, from which a text is not parsed."""
_START = re.compile(r"[ \t?:-]*")
MANIFESTS = {SWEEP: "sweep", QUESTION: "question", SETUP: "run"}
"""Manifest -> kind; that of a study is told from its content."""


@dataclass(frozen=True)
class Place:
    """One folder with a manifest."""

    root: Path
    """The folder that is shown, without links in its path."""
    id: str
    """Path below ``root`` with forward slashes; ``.`` for the root itself."""
    kind: str
    given: Path
    """The folder that is shown as its user wrote it."""

    @property
    def named(self) -> Path:
        """The folder as commands name it."""
        return self.given / self.id

    @property
    def path(self) -> Path:
        """The folder."""
        return self.root / self.id

    def file(self, name: str) -> Path | None:
        """A regular file of the folder; nothing when there is none, or when a link leads out of what is shown."""
        path = f"{self.root}/{self.id}/{name}"
        try:
            if "/" not in name and stat.S_ISREG(os.lstat(path).st_mode):  # the folder itself has no links
                return Path(path)
            found = Path(os.path.realpath(path))
            return found if found.is_relative_to(self.root) and found.is_file() else None
        except (OSError, ValueError):  # there is none, or no file can have such a name
            return None

    def text(self, name: str) -> str:
        """Content of a small file. Raises :class:`ImprintError` when there is none that can be read."""
        file = self.file(name)
        if file is None:
            raise ImprintError(f"{name} is not in the folder")
        try:
            with file.open("rb") as stream:
                content = stream.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise ImprintError(f"{name} is larger than {LARGEST // 1024**2} MB, so it was not read")
            return content.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ImprintError(f"{name} cannot be read ({error})") from None

    def record(self, name: str) -> Mapping[str, Any]:
        """A mapping in a file of JSON or YAML. Raises as :meth:`text` does."""
        try:
            content = self.text(name)
            data = json.loads(content) if name.endswith(".json") else _yaml(content)
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            if isinstance(error, ImprintError):
                raise
            raise ImprintError(f"{name} cannot be read ({str(error).partition(chr(10))[0]})") from None
        if not isinstance(data, dict):
            raise ImprintError(f"{name} holds {type(data).__name__}, not a mapping")
        return data

    def stamp(self, *names: str) -> tuple[tuple[int, int], ...]:
        """Size and time of change of files; zeros for those that are not there."""
        stamps = []
        for name in names:
            try:
                about = os.stat(self.path / name)
                stamps.append((about.st_size, about.st_mtime_ns))
            except OSError:
                stamps.append((0, 0))
        return tuple(stamps)


def _yaml(content: str) -> Any:
    """YAML, by the fast loader where there is one; that ends the whole process on text that is nested very deeply."""
    starts = max((len(_START.match(line).group()) for line in content.splitlines()), default=0)  # type: ignore[union-attr]
    if max(starts, content.count("[") + content.count("{")) > DEEPLY:
        raise yaml.YAMLError("it is nested more deeply than any setup")
    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def root_of(folder: str | Path) -> Path:
    """A folder without links in its path. Raises :class:`ImprintError` when there is no such folder."""
    path = Path(folder)
    try:
        if path.is_dir():
            return Path(os.path.realpath(path))
    except (OSError, ValueError):
        pass
    what = "is a file" if path.exists() else "is not there"
    raise ImprintError(
        f"{folder} {what}; expected the folder in which runs are kept. `imprint run`, `imprint sweep` and "
        "`imprint analyse` make `runs`."
    )


def places_in(root: Path, given: Path | None = None) -> Iterator[Place]:
    """Every folder with a manifest, by path; what lies inside one belongs to it. ``given``: the root as written."""
    for path, folders, files in os.walk(root):
        below = Path(path).relative_to(root)
        kind = next((kind for name, kind in MANIFESTS.items() if name in files), None)
        if kind is not None:
            yield Place(root, below.as_posix(), kind, given or root)
        deep = kind is not None or len(below.parts) >= DEEPEST
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
