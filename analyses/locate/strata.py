"""Concepts that go together: is one read for its own sake, or because another is?

A probe reads concept A from whatever goes with A. Where B goes with A and only B is in the activations, A is decodable
all the same. *Given* B, A is read anew within each stratum of B (each class; each quarter of a number): probes are
trained, tested and compared with shuffles inside a stratum, where B tells nothing. Scores of strata are averaged, each
class of each stratum with equal weight (R2: each row), so that it does not matter how often A and B go together.

Letters: n rows, S strata, G groups, M sums per score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.locate.evidence import Summary
from imprint.analyses.locate.material import Cells, Material, Plan
from imprint.analyses.locate.nulls import FEWEST
from imprint.analyses.locate.plan.target import Target
from imprint.analyses.locate.reading import Reading, read
from imprint.analyses.locate.targets import Reads, Targets, targets_of
from imprint.analyses.statistics import Floats, equivalent
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.probes.samples.concept_columns import concept_values
from imprint.probes.samples.controls import Ints

TOGETHER = 0.5
"""Association from which two concepts are said to go together."""
NULLS = 100
"""Shuffles within strata."""
QUARTERS = 4
"""Strata of a number."""
MOST_STRATA = 64
"""Largest number of strata."""
PART = 0.25
"""A concept is given by another when what is left of it within strata is shown to be less than this part."""


@dataclass(frozen=True)
class StratifiedTargets(Reads):
    """Concepts as targets within strata; reads as :class:`imprint.analyses.locate.targets.Targets` does."""

    whole: Targets
    """Folds and groups, and the readout; its concepts are not read."""
    parts: Mapping[str, Sequence[Target]]
    """Concept -> its target in each stratum."""
    problems: Mapping[str, str]
    """Concept -> why it cannot be measured."""

    @classmethod
    def of(
        cls, concepts: pd.DataFrame, strata: Ints, plan: Plan, whole: Targets, *, rng: np.random.Generator
    ) -> StratifiedTargets:
        """Targets within strata ``[n]``, 0.. (-1: in none), without those that hold fewer than ten rows of a class."""
        parts: dict[str, list[Target]] = {str(name): [] for name in concepts.columns}
        for stratum in range(int(strata.max(initial=-1)) + 1):
            rows = np.flatnonzero(strata == stratum)
            found, _ = targets_of(concepts, plan.groups, plan.readout, nulls=NULLS, rng=rng, rows=rows)
            for target in found:
                counts = torch.bincount(target.truth) if target.classes else torch.tensor([len(target.codes)])
                if int(counts.min()) >= FEWEST:
                    parts[target.name].append(target)
        why = f"no stratum holds {FEWEST} rows of two classes, so it cannot be told apart"
        problems = {name: why for name, targets in parts.items() if not targets}
        return cls(whole, {name: targets for name, targets in parts.items() if targets}, problems)

    @property
    def without_shuffles(self) -> StratifiedTargets:
        """The same targets with their labels only."""
        return replace(self, parts={name: [t.real() for t in targets] for name, targets in self.parts.items()})

    def read(self, x: Tensor) -> dict[str, Reading]:
        """Concept -> reading from activations ``[n, D]``, joined over strata."""
        every = [target for targets in self.parts.values() for target in targets]
        readings = iter(read(x, every, self.whole.readout, fold=self.whole.fold, groups=self.whole.groups))
        return {name: joined([next(readings) for _ in targets]) for name, targets in self.parts.items()}

    def read_inputs(self, raw: NDArray[np.floating]) -> dict[str, Reading]:
        """Concept -> how well the raw input ``[n, p]`` gives it within strata."""
        return self.whole.read_components(raw, lambda x, readout: self._with(readout).without_shuffles.read(x))

    def _with(self, readout: Any) -> StratifiedTargets:
        return replace(self, whole=replace(self.whole, readout=readout))


def joined(readings: Sequence[Reading]) -> Reading:
    """One reading from those of strata: every class of every stratum counts the same (R2: every row)."""
    first = readings[0]
    weight = np.array([r.rows if r.regression else r.sums.shape[1] // 2 for r in readings], dtype=np.float64)

    def mean(each: Sequence[Floats]) -> Floats:
        return np.asarray(np.average(np.stack(each), axis=0, weights=weight))

    sums = np.sum([r.sums for r in readings], axis=0) if first.regression else _side_by_side([r.sums for r in readings])
    varying = any(r.sequences is not None for r in readings)
    return replace(
        first,
        sums=sums,
        nulls=mean([r.nulls for r in readings]),
        sequences=mean([r.nulls if r.sequences is None else r.sequences for r in readings]) if varying else None,
        rates=None,
        noise=float(np.average([r.noise for r in readings], weights=weight)),
        strata=len(readings),
    )


def _side_by_side(sums: Sequence[Floats]) -> Floats:
    """Sums ``[G, M]`` of several strata as those of one score: all correct ones, then all totals."""
    halves = [np.split(each, 2, axis=1) for each in sums]
    return np.hstack([*(correct for correct, _ in halves), *(total for _, total in halves)])


def names_given(given: str | Sequence[str] | None, concepts: pd.DataFrame) -> list[str]:
    """The columns that ``given`` names; raises :class:`ImprintError` for other names."""
    names = [given] if isinstance(given, str) else list(given or ())
    known = [str(name) for name in concepts.columns]
    for name in names:
        if name not in known:
            raise unknown_name("concept in given", str(name), known)
    return names


def strata_of(concepts: pd.DataFrame, given: Sequence[str]) -> Ints:
    """Stratum of each row ``[n]``, 0..: what the ``given`` concepts are there, together; -1 where one is missing."""
    named = {str(name): concepts[name] for name in concepts.columns}
    codes = np.stack([_strata(named[name], name) for name in given])
    kept = (codes >= 0).all(0)
    strata = np.full(len(concepts), -1, dtype=np.int64)
    strata[kept] = np.unique(codes[:, kept], axis=1, return_inverse=True)[1].reshape(-1)
    if strata.max(initial=-1) >= MOST_STRATA:
        raise ImprintError(
            f"given {', '.join(given)}: {strata.max() + 1} strata; expected at most {MOST_STRATA}. Give fewer concepts."
        )
    return strata


def _strata(labels: pd.Series, name: str) -> Ints:
    known = np.flatnonzero(labels.notna().to_numpy())
    try:
        values, classes = concept_values(labels.iloc[known])
    except NotMeasurableError as error:
        raise ImprintError(f"given {name}: {error}; expected a concept that varies.") from None
    if not classes:
        inner = np.quantile(values, np.arange(1, QUARTERS) / QUARTERS)
        values = np.searchsorted(inner, values, side="right")
    strata = np.full(len(labels), -1, dtype=np.int64)
    strata[known] = values
    return strata


def companions(concepts: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """Concept -> the one it goes with most, and their association, where that is at least :data:`TOGETHER`.

    The association is the root mean square of their canonical correlations: Cramer's V of classes, |r| of numbers.
    """
    bases: dict[str, Floats] = {}
    for name in concepts.columns:
        known = np.flatnonzero(concepts[name].notna().to_numpy())
        if not len(known):
            continue
        try:
            values, classes = concept_values(concepts[name].iloc[known])
        except NotMeasurableError:
            continue
        columns = np.eye(len(classes))[values][:, 1:] if classes else values[:, None]
        basis = np.zeros((len(concepts), columns.shape[1]))
        basis[known] = np.linalg.qr(columns - columns.mean(0))[0]
        bases[str(name)] = basis
    if len(bases) < 2:
        return {}
    width = np.array([basis.shape[1] for basis in bases.values()])
    stacked = np.hstack(list(bases.values()))
    first = np.cumsum(width) - width
    squares = np.add.reduceat(np.add.reduceat((stacked.T @ stacked) ** 2, first, axis=0), first, axis=1)
    association = np.sqrt(squares / np.minimum(width[:, None], width))
    np.fill_diagonal(association, 0.0)
    names = list(bases)
    most = association.argmax(1)
    return {
        name: (names[most[i]], min(float(association[i, most[i]]), 1.0))
        for i, name in enumerate(names)
        if association[i, most[i]] >= TOGETHER
    }


def evidence_within(
    material: Material,
    concepts: pd.DataFrame,
    given: Sequence[str],
    plan: Plan,
    *,
    of: pd.DataFrame,
    rng: np.random.Generator,
) -> tuple[Cells, Mapping[str, str]]:
    """Evidence of ``concepts`` at all sites of ``material`` within strata of the ``given`` columns of ``of``.

    Beside it, concept -> why it cannot be measured.
    """
    whole = plan.targets(concepts.iloc[:, :0], rng)
    targets = StratifiedTargets.of(concepts, strata_of(of, given), plan, whole, rng=rng)
    return (material.evidence(targets) if targets.parts else {}), targets.problems


def explained(within: Summary, selectivity: float, *, alpha: float, margin: float) -> bool:
    """Whether what is read of a concept is shown to be another's: within its strata hardly anything is left.

    ``selectivity``: without regard to the other. Not above the shuffles within strata, and shown to lie less than a
    quarter of the selectivity (at least ``margin``) above them.
    """
    if within.p_null < alpha or not np.isfinite(within.p_null):
        return False
    least = max(margin, PART * selectivity)
    return equivalent(within.above_null, within.error_above_null, margin=least, freedom=within.freedom, alpha=0.05)
