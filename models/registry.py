"""Families: folders whose every file is one member, found by file name without importing it.

The file name is the member's id on the command line, in YAML, in results and in report anchors. Adding a member is
adding one file. Third parties join through an entry-point group (``imprint.worlds``, ``imprint.learners``, ...) whose
entries point at a class.
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
    """Members of other distributions; finding them reads every distribution's metadata, so it is done once a group."""
    return {point.name: point for point in metadata.entry_points(group=group)}


@dataclass(frozen=True)
class Family:
    """A folder of members that share one interface."""

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

    def _files(self) -> dict[str, str]:
        spec = importlib.util.find_spec(self.package)
        folders = list(spec.submodule_search_locations or []) if spec else []
        return {
            path.stem: f"{self.package}.{path.stem}"
            for folder in folders
            for path in sorted(Path(folder).glob("*.py"))
            if path.stem != "base" and not path.stem.startswith("_")
        }

    def names(self) -> tuple[str, ...]:
        """All member ids, sorted; no member is imported."""
        files, points = self._files(), _entry_points(self.group)
        if clash := sorted(files.keys() & points.keys()):
            raise ImprintError(
                f"{self.group}: {clash[0]!r} is built in and also offered by another package; rename one."
            )
        return tuple(sorted(files.keys() | points.keys()))

    def load(self, name: str) -> type[Any]:
        """The member class called ``name``. Raises :class:`UnknownNameError` with the near miss."""
        if (points := _entry_points(self.group)) and name in points:
            member = points[name].load()
            base = getattr(importlib.import_module(f"{self.package}.base"), self.interface)
            if not (isinstance(member, type) and issubclass(member, base)):
                raise ImprintError(
                    f"{self.group} entry point {name!r} is {member!r}; expected a subclass of {base.__name__}."
                )
            return member
        files = self._files()
        if name not in files:
            raise unknown_name(f"{self.name} kind", name, self.names())
        module = importlib.import_module(files[name])
        base = getattr(importlib.import_module(f"{self.package}.base"), self.interface)
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
        ]
        if len(found) != 1:
            raise ImprintError(
                f"{files[name]} must define exactly one {base.__name__}; found {[c.__name__ for c in found]}."
            )
        return found[0]


WORLDS = Family("worlds", "imprint.models.worlds", "World")
LEARNERS = Family("learners", "imprint.models.learners", "Learner")
STEERING = Family("steering", "imprint.models.steering", "Signal")
ASSESSORS = Family("assessors", "imprint.models.assessors", "Assessor")
ENVIRONMENTS = Family("environments", "imprint.models.environments", "Environment")
AGENTS = Family("agents", "imprint.models.agents", "Agent")
FAMILIES = {f.name: f for f in (WORLDS, LEARNERS, STEERING, ASSESSORS, ENVIRONMENTS, AGENTS)}


def setups() -> dict[str, Path]:
    """The setups that ship: name -> YAML file."""
    spec = importlib.util.find_spec("imprint.setups")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return {path.stem: path for folder in folders for path in sorted(Path(folder).glob("*.yaml"))}
