"""power: what words a rule would say if the truth were known, before anything is trained.

Values are simulated on the rows on which the learner will be examined: a standardised contrast of the intended concept,
one of the first proxy, and normal noise, so that the intended concept holds a given part D of the variance that
the concepts explain. That part varies over training seeds as a beta distribution with mean D and standard deviation
spread x sqrt(4 D (1 - D)). Each simulated run is measured, pooled and judged as a real one, without untrained twins.

Letters: n rows, S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.latch.decision import word_of
from imprint.analyses.latch.pooling import pool
from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import Design, cell_sums, design_of
from imprint.analyses.statistics import Floats, rate_of
from imprint.analyses.verdicts import INTENDED, MIXED, UNDETERMINED, word
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Decision

RESAMPLES = 400
"""Draws of a simulated run."""
COLUMNS = ("dominance", "seeds", "right_word", "right", "low", "high", "open", "wrong", "runs")


@dataclass(frozen=True)
class Truth:
    """What the simulated values depend on."""

    dominance: float
    """Mean part of the variance that the concepts explain that the intended concept holds, in (0, 1)."""
    seeds: int
    spread: float = 0.2
    """Standard deviation of that part over training seeds if it were .5; the nursery has .2."""
    carried: float = 0.5
    """Part of the value's variance that the two concepts hold together."""

    def __post_init__(self) -> None:
        if not 0 < self.dominance < 1 or not 0 < self.carried < 1 or self.seeds < 1 or not 0 <= self.spread < 0.5:
            raise ImprintError(
                f"{self}: expected dominance and carried between 0 and 1, at least one seed, and a spread in [0, 0.5)."
            )

    def parts(self, rng: np.random.Generator) -> Floats:
        """The intended concept's part in each seed ``[S]``."""
        mean = self.dominance
        if self.spread == 0:
            return np.full(self.seeds, mean)
        size = 1 / (4 * self.spread**2) - 1
        return rng.beta(mean * size, (1 - mean) * size, size=self.seeds)

    def right(self, rule: Decision, proxy: str) -> str:
        """The word that is true under ``rule``."""
        if max(self.dominance, 1 - self.dominance) < rule.dominates:
            return MIXED
        return INTENDED if self.dominance > 0.5 else word(proxy, "")


@dataclass(frozen=True)
class Rows:
    """The rows of an examination, and the two contrasts that simulated values are made of."""

    design: Design
    cell: NDArray[np.int64]
    """``[n]``"""
    groups: NDArray[np.int64]
    """``[n]``"""
    contrasts: Floats
    """``[2, n]`` mean 0 and variance 1 when every combination of levels weighs as in the design."""

    @classmethod
    def of(cls, concepts: pd.DataFrame, groups: NDArray[np.int64], names: Sequence[str], *, equal: bool = True) -> Rows:
        """The rows with ``concepts``; ``names``: the intended one first, then at least one proxy."""
        design, cell = design_of(concepts, names, equal=equal)
        contrasts = []
        for index in range(2):
            chance, _ = design.contrasts(index)
            level = (design.cells[:, index] == len(chance) - 1).astype(float)
            contrasts.append(((level - chance[-1]) / np.sqrt(chance[-1] * (1 - chance[-1])))[cell])
        return cls(design, cell, groups, np.stack(contrasts))

    def profile(self, part: float, carried: float, rng: np.random.Generator) -> Profile:
        """One simulated seed."""
        weights = np.sqrt(carried * np.array([part, 1 - part]))
        values = weights @ self.contrasts + np.sqrt(1 - carried) * rng.standard_normal(len(self.cell))
        return Profile(cell_sums(values, self.design, self.cell, self.groups), {})


def words_of(rows: Rows, truth: Truth, rule: Decision, rng: np.random.Generator, *, runs: int) -> pd.Series:
    """Verdicts of ``runs`` simulated runs, one a row."""
    nothing = np.zeros(len(rows.design.concepts) + 1)
    verdicts = []
    for _ in range(runs):
        profiles = [rows.profile(part, truth.carried, rng) for part in truth.parts(rng)]
        verdicts.append(word_of(pool(profiles, resamples=RESAMPLES, rng=rng), nothing, rule))
    return pd.Series(verdicts, dtype=object)


def power_table(
    rows: Rows,
    rule: Decision,
    rng: np.random.Generator,
    *,
    dominances: Iterable[float],
    seeds: Iterable[int],
    runs: int,
    spread: float = 0.2,
    say: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> pd.DataFrame:
    """How often a right word, no word and a wrong word are said, for each dominance and number of seeds.

    Columns ``dominance, seeds, right_word, right, low, high, open, wrong, runs``; ``low`` and ``high``: exact 95 %
    interval of ``right``. ``spread``: of training seeds, as in :class:`Truth`.
    """
    truths = [Truth(dominance, count, spread) for dominance, count in product(dominances, seeds)]
    table = []
    for done, truth in enumerate(truths):
        verdicts, right = words_of(rows, truth, rule, rng, runs=runs), truth.right(rule, rows.design.concepts[1])
        rate = rate_of(int((verdicts == right).sum()), runs).row("right", count=None)
        still_open = float((verdicts == UNDETERMINED).mean())
        wrong = float(((verdicts != right) & (verdicts != UNDETERMINED)).mean())
        about = {"dominance": truth.dominance, "seeds": truth.seeds, "right_word": right}
        table.append({**about, **rate, "open": still_open, "wrong": wrong, "runs": runs})
        say(done + 1, len(truths), f"dominance {truth.dominance:.2f}, seeds: {truth.seeds}")
    return pd.DataFrame(table, columns=list(COLUMNS))
