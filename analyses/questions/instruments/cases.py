"""Planted cases: activations of which everything is known, to score probes as one scores estimators.

Three sites of :data:`WIDTH` units each. What is written, and where, is drawn from a number (the case's *world*), so
that many samples of one world can be drawn: a large fresh one gives the true score of a probe.

``effect`` is the distance between two class means in standard deviations of the noise (0.5 weak, 4 strong).

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.models.errors import unknown_name

SITES = ("early", "middle", "late")
WIDTH = 32
ROWS_OF_A_GROUP = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """What a user would give to the instruments, and nothing else."""

    activations: dict[str, Floats]
    """``[n, WIDTH]`` per site."""
    concept: pd.Series
    """``[n]``"""
    groups: NDArray[np.int64] | None
    """As the user would give them; None when the user forgets them."""


@dataclass(frozen=True)
class Case:
    """A planted case and what is true of it."""

    name: str
    about: str
    draw: Callable[[int, float, np.random.Generator, np.random.Generator], Sample]
    """``(n, effect, world, rng)``: what is fixed in the world is drawn from ``world``."""
    sites: tuple[str, ...] = ()
    """Where a linear probe can read the concept."""
    nonlinear: tuple[str, ...] = ()
    """Where only a nonlinear probe can."""
    leak: str = ""
    """What should be refused or flagged, as a kind of :mod:`imprint.probes.samples.leaks`."""
    scored: bool = True
    """Whether bias and coverage of the score mean anything here."""


def draw(name: str, n: int, effect: float, *, world: int, rng: np.random.Generator) -> Sample:
    """A sample of a case. Raises :class:`UnknownNameError`."""
    if name not in CASES:
        raise unknown_name("planted case", name, CASES)
    return CASES[name].draw(n, effect, np.random.default_rng(world), rng)


def _noise(n: int, rng: np.random.Generator) -> dict[str, Floats]:
    return {site: rng.normal(size=(n, WIDTH)) for site in SITES}


def _groups(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(0, max(n // ROWS_OF_A_GROUP, 2), n)


def _direction(world: np.random.Generator) -> Floats:
    u = world.normal(size=WIDTH)
    return np.asarray(u / np.linalg.norm(u))


def _binary(share: float, sites: tuple[str, ...]) -> Callable[..., Sample]:
    """A bit of frequency ``share`` along a random direction at each of ``sites``."""

    def sample(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
        bit, x = rng.random(n) < share, _noise(n, rng)
        for site in sites:
            x[site] += effect / np.sqrt(len(sites)) * np.outer(bit - 0.5, _direction(world))
        return Sample(x, pd.Series(bit), _groups(n, rng))

    return sample


def _single_unit(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    bit, x = rng.random(n) < 0.5, _noise(n, rng)
    x["middle"][:, world.integers(WIDTH)] += effect * (bit - 0.5)
    return Sample(x, pd.Series(bit), _groups(n, rng))


def _xor(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    a, b, x = rng.random(n) < 0.5, rng.random(n) < 0.5, _noise(n, rng)
    pair = np.linalg.qr(world.normal(size=(WIDTH, 2)))[0]
    x["middle"] += effect * (np.outer(a - 0.5, pair[:, 0]) + np.outer(b - 0.5, pair[:, 1]))
    return Sample(x, pd.Series(a ^ b), _groups(n, rng))


def _proxy(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    bit = rng.random(n) < 0.5
    proxy, x = np.where(rng.random(n) < 0.9, bit, ~bit), _noise(n, rng)
    x["middle"] += effect * np.outer(proxy - 0.5, _direction(world))
    return Sample(x, pd.Series(bit), _groups(n, rng))


def _continuous(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    value, x = rng.normal(size=n), _noise(n, rng)
    x["middle"] += effect / 2 * np.outer(value, _direction(world))
    return Sample(x, pd.Series(value), _groups(n, rng))


def _categorical(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    kind, x = rng.integers(0, 5, n), _noise(n, rng)
    corners = np.linalg.qr(world.normal(size=(WIDTH, 5)))[0].T / np.sqrt(2)
    x["middle"] += effect * corners[kind]
    return Sample(x, pd.Series(pd.Categorical(np.array(list("abcde"))[kind])), _groups(n, rng))


def _dead_units(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    bit, x, u = rng.random(n) < 0.5, _noise(n, rng), _direction(world)
    u[::2] = 0.0
    x["middle"] += effect * np.outer(bit - 0.5, u / np.linalg.norm(u))
    for a in x.values():
        a[:, ::2] = 0.0
    return Sample(x, pd.Series(bit), _groups(n, rng))


def _leaking(known: bool, shuffled: bool = False) -> Callable[..., Sample]:
    """No concept; the label is constant in a group, and every group has an offset of its own."""

    def sample(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
        count = max(n // 25, 4)
        groups = rng.permutation(np.arange(n) % count) if shuffled else np.sort(np.arange(n) % count)
        label = (rng.permutation(count) % 2 == 0)[groups]
        x = {site: a + rng.normal(size=(count, WIDTH))[groups] for site, a in _noise(n, rng).items()}
        return Sample(x, pd.Series(label), groups if known else None)

    return sample


def _duplicated(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    different = max(n // 4, 2)
    rows = rng.permutation(np.arange(n) % different)
    label = (rng.random(different) < 0.5)[rows]
    return Sample({site: a[rows] for site, a in _noise(different, rng).items()}, pd.Series(label), None)


def _shifted(n: int, effect: float, world: np.random.Generator, rng: np.random.Generator) -> Sample:
    """The concept is there, but each group of rows has its own large offset along the concept's direction."""
    groups, u = _groups(n, rng), _direction(world)
    bit, x = rng.random(n) < 0.5, _noise(n, rng)
    x["middle"] += effect * np.outer(bit - 0.5, u) + 2 * np.outer(rng.normal(size=groups.max() + 1)[groups], u)
    return Sample(x, pd.Series(bit), groups)


_FORGOTTEN = "nowhere; the same, but the user forgets the groups; rows come group by group"
_SHUFFLED = "nowhere; the same, and the rows come in random order"
_COPIES = "nowhere; every row occurs four times, and no groups are given"
_ALL = (
    Case("linear", "along one random direction at one site", _binary(0.5, ("middle",)), ("middle",)),
    Case("one unit", "in one unit of one site", _single_unit, ("middle",)),
    Case("distributed", "spread over all units of all three sites, weaker in each", _binary(0.5, SITES), SITES),
    Case("xor", "the exclusive or of two bits that are written linearly", _xor, (), ("middle",)),
    Case("correlated proxy", "only a proxy that agrees with it on 90 % of the rows is written", _proxy),
    Case("rare", "along one direction; one class has 1 % of the rows", _binary(0.01, ("middle",)), ("middle",)),
    Case("continuous", "a number along one direction", _continuous, ("middle",)),
    Case("categorical", "five classes at the corners of a simplex", _categorical, ("middle",)),
    Case("absent", "nowhere", _binary(0.5, ())),
    Case("shifted", "there, but every group has its own offset along it", _shifted, ("middle",)),
    Case("dead units", "along one direction; half of the units are always 0", _dead_units, ("middle",)),
    Case("leaking groups", "nowhere; groups have offsets and one label each, and are given", _leaking(True)),
    Case("forgotten groups", _FORGOTTEN, _leaking(False), leak="dependent rows", scored=False),
    Case("forgotten groups, shuffled", _SHUFFLED, _leaking(False, True), leak="dependent rows", scored=False),
    Case("duplicated rows", _COPIES, _duplicated, leak="duplicates", scored=False),
)
CASES = {case.name: case for case in _ALL}
