"""Families of interchangeable parts: folders whose members share one interface, found by name without being imported.

A member is a file ``<name>.py`` or, where it needs more than one file, a folder ``<name>/`` whose file named after the
interface (``world.py``, ``question.py``) holds the class. The name is the member's id on the command line, in YAML, in
results and in report anchors. Each family is declared beside its interface, in the ``base.py`` of its folder. Other
packages join through an entry-point group (``imprint.worlds``, ``imprint.learners``, ...) whose entries point at a
class; ``examples/package`` is such a package.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from imprint.models.errors import ImprintError, unknown_name


@cache
def _entry_points(group: str) -> dict[str, metadata.EntryPoint]:
    """Members that other distributions offer; cached, because the metadata of all of them has to be read."""
    return {point.name: point for point in metadata.entry_points(group=group)}


@dataclass(frozen=True)
class Family:
    """A folder of members that share one interface; declared in the folder's ``base.py``."""

    name: str
    """Plural folder name, for example ``worlds``; also the suffix of the entry-point group."""
    package: str
    """Importable package, for example ``imprint.models.worlds``."""
    interface: str
    """Name of the abstract class in ``<package>.base``."""

    @property
    def group(self) -> str:
        """Entry-point group for members that live in other distributions."""
        return f"imprint.{self.name}"

    def _files(self) -> dict[str, Path]:
        """The file with the class of every built-in member."""
        inside = f"{self.interface.lower()}.py"
        files = {}
        for path in sorted(path for folder in folders_of(self.package) for path in folder.iterdir()):
            if path.suffix == ".py" and path.stem != "base" and not path.stem.startswith("_"):
                files[path.stem] = path
            elif (path / inside).is_file():
                files[path.name] = path / inside
        return files

    def source(self, name: str) -> Path | None:
        """The file with the class of a built-in member; None for one that another distribution offers."""
        return self._files().get(name)

    def names(self) -> tuple[str, ...]:
        """All member ids, sorted; no member is imported."""
        files, points = self._files(), _entry_points(self.group)
        if clash := sorted(files.keys() & points.keys()):
            raise ImprintError(
                f"{self.group}: {clash[0]!r} is built in and also offered by another installed package; rename one."
            )
        return tuple(sorted(files.keys() | points.keys()))

    def require(self, name: str) -> None:
        """Raise :class:`UnknownNameError` with the near miss unless a member is called ``name``; none is imported."""
        if name not in self.names():
            raise unknown_name(self.interface.lower(), name, self.names())

    def load(self, name: str) -> type[Any]:
        """The class of the member called ``name``. Raises :class:`UnknownNameError`, with the closest name."""
        base = getattr(importlib.import_module(f"{self.package}.base"), self.interface)
        if name in (points := _entry_points(self.group)):
            member = points[name].load()
            if not (isinstance(member, type) and issubclass(member, base)):
                raise ImprintError(f"{self.group} entry point {name!r} is {member!r}, no subclass of {base.__name__}.")
            return member
        self.require(name)
        files = self._files()
        inside = "" if files[name].stem == name else f".{files[name].stem}"
        module = importlib.import_module(f"{self.package}.{name}{inside}")
        classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base)]
        own = [cls for cls in classes if cls.__module__ == module.__name__]
        if len(own) != 1:
            raise ImprintError(
                f"{module.__name__} must define exactly one {base.__name__}; found {[cls.__name__ for cls in own]}."
            )
        return own[0]


def folders_of(package: str) -> list[Path]:
    """The folders of a package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []


def setup_file(name: str) -> Path:
    """The YAML file of a setup on the list, or of a path. Raises :class:`UnknownNameError` with the near miss."""
    shipped = setups()
    path = shipped.get(name, Path(name))
    try:
        found, folder, run = path.is_file(), path.is_dir(), (path / "setup.yaml").is_file()
    except OSError:  # too long to be a name
        found = folder = run = False
    if run:
        raise ImprintError(f"{name} is a run; expected a setup. Its own is {path / 'setup.yaml'}.")
    if not found:
        if folder or path.suffix in (".yaml", ".yml"):
            there = "is a folder" if folder else "is not there"
            raise ImprintError(f"{name} {there}; expected a YAML file, or a name of `imprint list setups`.")
        raise unknown_name("setup", name, shipped, advice="A path to a YAML file works too.")
    return path


def setups() -> dict[str, Path]:
    """The setups that ship and those of other distributions: name -> YAML file.

    Another distribution offers the YAML files of a package by an entry point of the group ``imprint.setups`` whose
    value is the package's name. Raises :class:`ImprintError` when a name is offered twice.
    """
    offered: dict[str, Path] = {}
    for package in ("imprint.setups", *sorted({point.value for point in _entry_points("imprint.setups").values()})):
        for path in sorted(path for folder in folders_of(package) for path in folder.glob("*.yaml")):
            if path.stem in offered:
                raise ImprintError(f"two setups are called {path.stem!r}: {offered[path.stem]} and {path}; rename one.")
            offered[path.stem] = path
    return offered
