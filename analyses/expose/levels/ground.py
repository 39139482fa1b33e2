"""The contract of a ground: what a search for levels needs of an environment, a study of agents or a world.

A *level* is what a user could start from: a start state, a seed with parameters, or an episode's factors and noise. A
ground draws levels as in training, changes one thing about them, shows them to the subject, and knows their facts. What
the search finds rests on these answers alone; no proxy is named anywhere.

Letters: n levels, K tries of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Levels = Any
"""Levels of one ground; only the ground looks inside."""
ABSENT = -1.0
"""Steps to a goal that is not there or cannot be attained."""


@dataclass(frozen=True)
class Shown:
    """What a subject makes of levels before anything is done in them."""

    value: Floats
    """``[n]``: what the subject expects, in its own unit; NaN without a value."""
    needed: Floats
    """``[n]``: steps in which the intended goal can be attained; :data:`ABSENT`: not at all; NaN: unknown.

    Of an episode of a world: 0 where the intended concept is there, :data:`ABSENT` where it is not.
    """


@dataclass(frozen=True)
class Trial:
    """What became of levels."""

    shown: Shown
    steps: NDArray[np.int64]
    """``[n, K]``: step, counted from 1, at which the intended goal was attained; -1 never."""
    niche: Sequence[str]
    """``n`` descriptions of what the subject did (first try), by which what was found is kept diverse."""
    ends: pd.DataFrame | None = None
    """Facts of the last state of the first try, ``n`` rows; None where they were not asked for or there is no state."""

    def __len__(self) -> int:
        return len(self.steps)


class Ground(ABC):
    """Levels that can be drawn, changed, shown and described."""

    acts = True
    """Whether the subject acts, so that there are tries; False for a value of episodes."""
    has_value = False
    """Whether the subject says what it expects."""
    operators: tuple[str, ...] = ()
    """Names of single changes."""
    limits: tuple[str, ...] = ()
    """What cannot be searched here, in sentences."""

    @abstractmethod
    def founders(self, n: int, rng: np.random.Generator) -> Levels:
        """``n`` levels as in training."""

    def fresh(self, n: int, rng: np.random.Generator) -> Levels:
        """``n`` levels of all designs that are searched. Default: as in training."""
        return self.founders(n, rng)

    @abstractmethod
    def changed(
        self, levels: Levels, operators: Sequence[str], rng: np.random.Generator
    ) -> tuple[Levels, NDArray[np.bool_]]:
        """Each level with one change, and ``[n]`` whether it was possible (where not, the level is as it was)."""

    @abstractmethod
    def shown(self, levels: Levels) -> Shown:
        """What the subject makes of them at first sight."""

    @abstractmethod
    def played(self, levels: Levels, tries: int, rng: np.random.Generator, *, ends: bool = False) -> Trial:
        """``tries`` independent tries of each level."""

    @abstractmethod
    def facts(self, levels: Levels) -> pd.DataFrame:
        """Facts of the levels, ``n`` rows; truth values, classes (texts or whole numbers) and numbers."""

    def aimless(self, levels: Levels, rng: np.random.Generator) -> pd.DataFrame | None:
        """Facts of where a subject that acts at random ends up, ``n`` rows; None without actions or facts."""
        return None

    @abstractmethod
    def rows(self, levels: Levels, index: NDArray[np.int64]) -> Levels:
        """Some of the levels."""

    @abstractmethod
    def joined(self, parts: Sequence[Levels]) -> Levels:
        """Levels of several lots as one."""

    @abstractmethod
    def texts(self, levels: Levels) -> list[str]:
        """A few lines for each level, to look at."""

    def replays(self, levels: Levels, rng: np.random.Generator) -> list[list[str]]:
        """Texts of one try of each level, step by step. Default: of the level alone."""
        return [[text] for text in self.texts(levels)]

    @abstractmethod
    def written(self, levels: Levels) -> list[dict[str, Any]]:
        """Each level in JSON's types, from which it can be made again."""

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """What else a reader needs to make the levels again, in JSON's types."""
