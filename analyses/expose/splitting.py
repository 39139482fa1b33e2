"""How the rest of a value's variance is split over facts and pairs of facts.

The rest r is what the declared concepts do not explain in any combination. Of a fact with levels a, and of a pair,

    share(fact) = V_a / V          V_a  = variance between the fact's levels, freed of noise
    share(pair) = (V_ab - V_a - V_b) / V           what the pair explains beyond each alone
    total(fact) = (L - 1) / L  E (r - r')^2 / 2 V      r': of the same rows with another of its L levels

with V the variance of the value itself, as in :mod:`imprint.analyses.latch.shares`, whose estimators these are; totals
are those of Jansen (1999), as in Saltelli et al. (2010). Levels weigh as they occur. Errors are those of a jackknife
over blocks of groups, and p-values one-sided, of the hypothesis that the share is at most ``least``.

*Selection.* Facts overlap: a colour, whether it is red, and whether it is hers. Of all that passes the false discovery
rate the largest is taken, or the simplest that explains nearly as much; what it explains is taken out of r, and the
rest is split again, until nothing passes.

Letters: n rows, B blocks, K cells, m parts that are tested.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import stats

from imprint.analyses.expose.ground import Ground
from imprint.analyses.latch.shares import Design, design_of, parts, sums_of
from imprint.analyses.statistics import Estimate, Floats, benjamini_hochberg
from imprint.models.errors import NotMeasurableError
from imprint.probes.samples.clusters import Clusters
from imprint.probes.samples.controls import Ints

NEARLY = 0.9
"""A simpler part is taken instead of the largest when it has at least this part of its share."""
MOST_CELLS = 64
"""Most combinations of levels of a pair."""
POWER = 0.8
"""Probability with which the smallest detectable share would have been found."""
MOST_PICKED = 12
"""Parts that are selected at most."""
PAIR = " x "


@dataclass(frozen=True)
class Part:
    """A fact, or a pair of facts, into which the rest is split."""

    names: tuple[str, ...]
    """One fact or two."""
    design: Design
    cell: Ints
    """``[n]``"""

    @property
    def name(self) -> str:
        """``lamp``, or ``lamp x side``."""
        return PAIR.join(self.names)

    @property
    def size(self) -> int:
        """Numbers that it takes to describe what it explains."""
        return int(np.prod([len(level) - 1 for level in self.design.levels]))

    def variance(self, sums: Floats) -> Floats:
        """What it explains ``[...]``, of a pair beyond each alone, from cell sums ``[..., K, 3]``."""
        main, between, _ = parts(self.design, sums, noise=1.0)
        return main[..., 0] if len(self.names) == 1 else np.asarray(between - main.sum(-1))

    def means(self, rest: Floats) -> Floats:
        """Mean of the rest in the cell of each row ``[n]``."""
        count = np.bincount(self.cell, minlength=len(self.design.weight))
        total = np.bincount(self.cell, weights=rest, minlength=len(count))
        return np.asarray((total / np.maximum(count, 1))[self.cell])

    def contribution(self, rest: Floats) -> Floats:
        """What it adds to the value of each row ``[n]``; of a pair beyond each alone."""
        found = self.means(rest)
        if len(self.names) == 1:
            return np.asarray(found - found.mean())
        for codes in np.unravel_index(self.cell, [len(level) for level in self.design.levels]):
            found = np.asarray(found - (np.bincount(codes, found) / np.maximum(np.bincount(codes), 1))[codes])
        return found


@dataclass(frozen=True)
class Split:
    """All parts with their shares at one step of the selection."""

    share: Floats
    """``[m]``"""
    error: Floats
    """``[m]`` standard errors."""
    p: Floats
    q: Floats
    freedom: int

    def at(self, i: int) -> tuple[Estimate, float, float, float]:
        """Share of one part with its interval, standard error, p and q."""
        share, error = float(self.share[i]), float(self.error[i])
        half = float(stats.t.ppf(0.975, self.freedom)) * error
        return Estimate(share, share - half, share + half, 1), error, float(self.p[i]), float(self.q[i])


@dataclass(frozen=True)
class Picked:
    """A part that was found."""

    part: Part
    contribution: Floats
    """``[n]``"""
    share: Estimate
    error: float
    p: float
    q: float


class Splitting:
    """Splits a rest over the facts of some rows and their pairs."""

    def __init__(self, ground: Ground, *, least: float, level: float, rng: torch.Generator, pairs: int = 2000) -> None:
        """``pairs``: the most pairs that are tested; those of facts with few levels first."""
        self.least, self.level = least, level
        clusters = Clusters.of(len(ground), ground.groups, rng=rng)
        self.block = clusters.block.numpy()
        self.blocks = len(clusters.blocks)
        self.table = pd.DataFrame({name: code for name, (code, _) in ground.codes.items()})
        self.singles = list(self._parts([(name,) for name in ground.undeclared if name in ground.codes]))
        sizes = {name: len(levels) for name, (_, levels) in ground.codes.items()}
        undeclared = [part.names[0] for part in self.singles]
        both = [*itertools.combinations(undeclared, 2), *itertools.product(ground.declared, undeclared)]
        both = [pair for pair in both if pair[0] in sizes and sizes[pair[0]] * sizes[pair[1]] <= MOST_CELLS]
        both.sort(key=lambda pair: sizes[pair[0]] * sizes[pair[1]])
        self.pairs = list(self._parts(both[:pairs]))
        self.left_out = len(both) - min(len(both), pairs)
        self.parts = [*self.singles, *self.pairs]

    def _parts(self, names: Iterable[tuple[str, ...]]) -> Iterable[Part]:
        for some in names:
            try:
                yield Part(some, *design_of(self.table, some, equal=False))
            except NotMeasurableError:
                continue  # combinations that hardly occur cannot be told apart

    def split(self, rest: Floats, variance: Callable[[Floats], Floats]) -> Split:
        """Shares of all parts of ``rest [n]``; ``variance``: of the value, from sums over blocks (:meth:`of_value`)."""
        share, error = np.empty(len(self.parts)), np.empty(len(self.parts))
        for i, part in enumerate(self.parts):
            share[i], error[i] = self.of_part(part, rest, variance)
        freedom = max(self.blocks - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (share - self.least) / error
        p = np.where(error > 0, stats.t.sf(t, freedom), np.where(share > self.least, 0.0, 1.0))
        p[~np.isfinite(error) | ~np.isfinite(share)] = np.nan  # levels that a single block of groups holds
        return Split(share, error, p, benjamini_hochberg(p), freedom)

    def of_value(self, values: Floats) -> Callable[[Floats], Floats]:
        """The variance of a value in blocks ``[...]`` that are weighted ``[..., B]``."""
        centred = values - values.mean()
        sums = [np.bincount(self.block, weights=w, minlength=self.blocks) for w in (centred**0, centred, centred**2)]

        def variance(weights: Floats) -> Floats:
            count, total, squares = (weights @ column for column in sums)
            return np.asarray(squares / count - np.square(total / count))

        return variance

    def of_part(self, part: Part, rest: Floats, variance: Callable[[Floats], Floats]) -> tuple[float, float]:
        """Share of a part and its standard error."""
        cells = len(part.design.weight)
        by_block = sums_of(rest, self.blocks * cells, self.block * cells + part.cell).reshape(self.blocks, cells, 3)
        return self.jackknife(
            lambda weights: part.variance(np.einsum("...b,bks->...ks", weights, by_block)) / variance(weights)
        )

    def jackknife(self, statistic: Callable[[Floats], Floats]) -> tuple[float, float]:
        """A statistic of weighted blocks ``[..., B] -> [...]`` and its standard error; NaN with a single block."""
        whole = float(statistic(np.ones(self.blocks)))
        if self.blocks < 2:
            return whole, float("nan")
        without = statistic(1.0 - np.eye(self.blocks))
        spread = np.square(without - without.mean()).sum() * (self.blocks - 1) / self.blocks
        return whole, float(np.sqrt(spread))

    def select(self, rest: Floats, variance: Callable[[Floats], Floats]) -> tuple[list[Picked], Split]:
        """The parts that are found in ``rest [n]``, one after the other, and all shares of what they leave.

        Where facts go together, a part that was taken can explain more once another one is taken as well; then more of
        it is removed, and it stays one part, with the share that it was found with.
        """
        picked: dict[int, Picked] = {}
        for _ in range(MOST_PICKED):
            split = self.split(rest, variance)
            chosen = self._chosen(split)
            if chosen is None:
                return list(picked.values()), split
            contribution = self.parts[chosen].contribution(rest)
            picked.setdefault(chosen, Picked(self.parts[chosen], contribution, *split.at(chosen)))
            rest = rest - contribution
        return list(picked.values()), self.split(rest, variance)

    def _chosen(self, split: Split) -> int | None:
        """The part that is taken at this step: the simplest of those that explain nearly as much as the largest."""
        passes = np.flatnonzero((split.q <= self.level) & (split.share > self.least))
        if not len(passes):
            return None
        largest = split.share[passes].max()
        near = [i for i in passes if split.share[i] >= NEARLY * largest]
        return int(min(near, key=lambda i: (self.parts[i].size, len(self.parts[i].names), -split.share[i])))

    def detectable(self, error: float) -> float:
        """Smallest share that would be found with probability ``POWER``, from the standard error of a share near 0.

        A share s of n rows adds about 4 s / n to its squared standard error.
        """
        freedom = max(self.blocks - 1, 1)
        ahead = stats.t.isf(self.level / max(len(self.parts), 1), freedom) + stats.t.ppf(POWER, freedom)
        share = self.least
        for _ in range(50):
            share = min(self.least + ahead * np.sqrt(error**2 + 4 * share / len(self.block)), 1.0)
        return float(share)


def explained_by(
    contribution: Floats, codes: dict[str, tuple[Ints, tuple[str, ...]]], *, least: float
) -> dict[str, float]:
    """Fact -> part of a contribution ``[n]`` that it explains, where that is at least ``least``."""
    total = float(np.square(contribution - contribution.mean()).sum())
    found = {}
    for name, (code, levels) in codes.items():
        size = np.bincount(code, minlength=len(levels))
        mean = np.bincount(code, weights=contribution - contribution.mean(), minlength=len(levels)) / np.maximum(
            size, 1
        )
        score = float((size * np.square(mean)).sum()) / total if total > 0 else 0.0
        score = 1 - (1 - score) * (len(contribution) - 1) / max(len(contribution) - len(levels), 1)
        if score >= least:
            found[name] = min(score, 1.0)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
