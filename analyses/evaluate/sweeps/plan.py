"""The plan of a sweep: its cells, and which of them share an upbringing.

Two setups of learners share an upbringing when they are equal after what comes after it is taken away: steering,
assessor, what is intended and asked, how it is examined and judged. World, learner and schedule stay, and so does every
setting that this list does not know. A setup whose steering shapes the learner
(:attr:`imprint.models.setup.learner.Setup.shapes_learner`) shares nothing, and neither do agents, whose life follows
from what steers them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imprint.analyses.evaluate.run import TrainedSetup
from imprint.models.errors import ImprintError
from imprint.models.files import plain_data
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.raw import raw_setup, with_seeds

AFTERWARDS = ("steering", "assessor", "scorecard", "intended", "proxies", "concepts", "decision", "evaluation")
"""Parts of a setup of learners that cannot change what its learners come to know."""
WORDS = ("name", "description", "question")
MOST = 100_000
"""Cells of the largest sweep."""


@dataclass(frozen=True)
class SweptCell:
    """One combination of the grid."""

    number: int
    values: Mapping[str, Any]
    """Dotted key -> value."""
    setup: TrainedSetup


@dataclass(frozen=True)
class Upbringing:
    """Cells whose learners live the same lives."""

    name: str
    """Name of the folder in which they are kept."""
    cells: tuple[SweptCell, ...]

    @property
    def setups(self) -> tuple[Setup, ...]:
        """Setup of every cell; all have the same world, learner and schedule."""
        return tuple(cell.setup for cell in self.cells if isinstance(cell.setup, Setup))


@dataclass(frozen=True)
class Plan:
    """All that a sweep will do."""

    base: TrainedSetup
    grid: Mapping[str, tuple[Any, ...]]
    cells: tuple[SweptCell, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """Plain data, all that was chosen."""
        return {"base": self.base.resolved(), "grid": {key: list(values) for key, values in self.grid.items()}}

    @property
    def name(self) -> str:
        """Name of the sweep's folder; it depends on everything that can change a result."""
        base = {key: value for key, value in self.base.resolved().items() if key not in WORDS[1:]}
        return f"{self.base.name}-sweep-{_digest({**self.settings, 'base': base})}"

    @cached_property
    def upbringings(self) -> tuple[Upbringing, ...]:
        """The upbringings that cells share, in the order of their first cells."""
        found: dict[str, list[SweptCell]] = {}
        for cell in self.cells:
            if isinstance(cell.setup, Setup) and not cell.setup.shapes_learner:
                found.setdefault(f"life-{_digest(life_of(cell.setup))}", []).append(cell)
        return tuple(Upbringing(name, tuple(cells)) for name, cells in found.items())

    @cached_property
    def alone(self) -> tuple[SweptCell, ...]:
        """Cells that are runs of their own."""
        shared = {cell.number for upbringing in self.upbringings for cell in upbringing.cells}
        return tuple(cell for cell in self.cells if cell.number not in shared)

    @property
    def lives(self) -> int:
        """Lives that are trained: those of every upbringing, and those of every run."""
        firsts = [*(upbringing.cells[0] for upbringing in self.upbringings), *self.alone]
        return sum(cell.setup.schedule.seeds for cell in firsts)

    @cached_property
    def raised(self) -> tuple[str, ...]:
        """Keys of the grid for whose values learners are raised anew; the others are judged on shared lives."""
        life = {cell.number: upbringing.name for upbringing in self.upbringings for cell in upbringing.cells}
        found = []
        for key in self.grid:
            lives: dict[str, set[str]] = {}
            for cell in self.cells:
                others = json.dumps([value for name, value in cell.values.items() if name != key])
                lives.setdefault(others, set()).add(life.get(cell.number, f"run {cell.number}"))
            if any(len(names) > 1 for names in lives.values()):
                found.append(key)
        return tuple(found)

    @property
    def shared(self) -> tuple[str, ...]:
        """Keys of the grid whose values are judged on the same lives."""
        return tuple(key for key in self.grid if key not in self.raised)


def plan_of(
    setup: Any, grid: Any, *, changes: Mapping[str, Any] | None = None, seeds: int | None = None, most: int = MOST
) -> Plan:
    """Every combination of the ``grid`` (dotted key -> values) as a cell of ``setup`` with ``changes``.

    Raises :class:`ImprintError` for an empty grid, keys and values that do not fit, keys that say the same thing twice,
    combinations that no setup can have or that are one setup, and more than ``most`` of them.
    """
    chosen = _checked(grid)
    fixed = with_seeds(changes, seeds)
    for one, other in itertools.product(chosen, [*chosen, *fixed]):
        if one == other and one in fixed:
            raise ImprintError(f"{one} is in the grid and is given for all cells as well; leave one out.")
        if other.startswith(f"{one}."):
            raise ImprintError(
                f"the keys {one} and {other} cannot be combined: one says what the other says too; leave one out."
            )
    count = math.prod(map(len, chosen.values()))
    if count > most:
        raise ImprintError(
            f"the grid has {count:,} combinations ({_sizes(chosen)}); expected at most {most:,}. "
            + ("Say --yes (yes=True) for more." if most < MOST else "Cut it into several sweeps.")
        )
    raw = setup.resolved() if isinstance(setup, AlignmentSetup) else raw_setup(setup)
    base = load_setup(raw, changes=fixed)
    assert isinstance(base, Setup | AgentSetup)
    first: dict[str, Mapping[str, Any]] = {}
    combinations = (dict(zip(chosen, values, strict=True)) for values in itertools.product(*chosen.values()))
    cells = []
    for number, values in enumerate(combinations):
        loaded = _loaded(raw, fixed, values)
        if type(loaded) is not type(base):
            raise ImprintError(f"{spoken(values)}: it makes a setup of another kind than {base.name} is.")
        assert isinstance(loaded, Setup | AgentSetup)
        if (same := first.setdefault(_digest(_measured(loaded)), values)) is not values:
            raise ImprintError(f"{spoken(same)} and {spoken(values)} are the same setup; leave one out.")
        cells.append(SweptCell(number, values, loaded))
    return Plan(base, chosen, tuple(cells))


def _measured(setup: TrainedSetup) -> dict[str, Any]:
    """All of a setup but its words, which nothing that is measured depends on."""
    return {key: value for key, value in setup.resolved().items() if key not in WORDS}


def life_of(setup: Setup) -> dict[str, Any]:
    """What decides what the learners of a setup come to know."""
    return {key: value for key, value in setup.resolved().items() if key not in (*AFTERWARDS, *WORDS)}


def spoken(values: Mapping[str, Any]) -> str:
    """A combination as it is written on the command line."""
    return ", ".join(f"{key}={'null' if value is None else value}" for key, value in values.items())


def _checked(grid: Any) -> dict[str, tuple[Any, ...]]:
    """The grid as plain data. Raises :class:`ImprintError` for anything but keys with lists of different values."""
    example = "for example {'assessor.lag': [0, 1]}"
    if not isinstance(grid, Mapping):
        raise ImprintError(f"grid is {type(grid).__name__}; expected a mapping from dotted keys to values, {example}.")
    if not grid:
        raise ImprintError(f"grid is empty; name at least one key with its values, {example}.")
    chosen = {}
    for key, given in grid.items():
        if not isinstance(key, str) or not key.strip("."):
            raise ImprintError(f"grid has the key {key!r}; expected the dotted name of a setting, {example}.")
        if isinstance(given, str | bytes | Mapping) or not hasattr(given, "__iter__"):
            raise ImprintError(f"grid {key}: {given!r} is not a list of values; {example}.")
        plain = [value.item() if hasattr(value, "item") else value for value in given]
        values = tuple(plain_data(plain, f"grid {key}"))
        if not values:
            raise ImprintError(f"grid {key}: no values; give at least one, {example}.")
        written = [json.dumps(value, sort_keys=True) for value in values]
        if len(set(written)) < len(written):
            twice = next(text for text in written if written.count(text) > 1)
            raise ImprintError(f"grid {key}: the value {twice} is given twice.")
        chosen[key] = values
    return chosen


def _loaded(raw: Mapping[str, Any], fixed: Mapping[str, Any], values: Mapping[str, Any]) -> AlignmentSetup:
    """The setup of one combination; what is wrong is said of the one value that is wrong alone, or of all of them."""
    try:
        return load_setup(raw, changes={**fixed, **values})
    except ImprintError as error:
        for key, value in values.items():
            try:
                load_setup(raw, changes={**fixed, key: value})
            except ImprintError as alone:
                if str(alone) == str(error) or len(values) == 1:
                    raise ImprintError(f"{spoken({key: value})}: {_said(error)}") from None
        raise ImprintError(f"{spoken(values)} cannot be combined: {_said(error)}") from None


def _said(error: ImprintError) -> str:
    return str(error).replace("--set ", "--grid ")


def _sizes(grid: Mapping[str, Sequence[Any]]) -> str:
    return ", ".join(f"{key} {len(values)}" for key, values in grid.items())


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:8]


def groups_of_seeds(setup: TrainedSetup) -> Iterator[tuple[int, ...]]:
    """Seeds that train together."""
    first, size = setup.schedule.first_seed, setup.schedule.together
    seeds = range(first, first + setup.schedule.seeds)
    return (tuple(seeds[start : start + size]) for start in range(0, len(seeds), size))
