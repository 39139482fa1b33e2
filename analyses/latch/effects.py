"""How much a value changes when one concept is changed and everything else is kept.

    effect(c) = mean_i [ v(do c = True) - v(do c = False) ] / sd(v)                   two levels: last minus first
    effect(c) = mean over pairs of levels (a, b) of | mean_i [ v(do a) - v(do b) ] | / sd(v)         more levels

The world renders both counterfactuals of every episode with the same noise (Pearl's do-operator, exact because we have
the world). sd(v) is that of the value on the balanced design. Intervals resample whole groups; over training seeds,
seeds first. With more than two levels the effect has no sign and its interval never reaches below 0.

Letters: n rows, G groups, P pairs of levels, R resamples, S seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imprint.analyses.statistics import Floats, group_weights, interval, merged
from imprint.models.errors import ImprintError
from imprint.models.worlds.base import Batch, World
from imprint.probes.subjects.subject import Subject

ROUNDING = 1e-6
"""Changes below this part of the largest value are rounding errors of single precision and set to 0."""
COLUMNS = ("concept", "effect", "low", "high", "n", "why")


@dataclass(frozen=True)
class EffectSums:
    """Sums over groups of rows, from which the effect of one concept follows."""

    sums: Floats
    """``[G, 1 + P]`` rows, and summed difference of each pair of levels, per group."""
    sd: float
    """Standard deviation of the value on the balanced design."""
    rows: int
    """n"""

    def of(self, sums: Floats) -> Floats:
        """Effects ``[...]`` of sums ``[..., 1 + P]``, in sd of the value."""
        with np.errstate(divide="ignore", invalid="ignore"):
            change = sums[..., 1:] / sums[..., :1] / (self.sd if self.sd > 0 else np.nan)
        return np.asarray(change[..., 0] if change.shape[-1] == 1 else np.abs(change).mean(-1))

    @property
    def effect(self) -> float:
        """The effect over all rows."""
        return float(self.of(self.sums.sum(0)))

    def replicates(self, resamples: int, rng: np.random.Generator) -> Floats:
        """Effects ``[R]`` of group resamples; NaN when there are fewer than two groups."""
        if len(self.sums) < 2:
            return np.full(resamples, np.nan)
        groups = merged(self.sums, rng)
        return self.of(group_weights(len(groups), resamples, rng) @ groups)


def effects(
    subject: Subject, world: World, batch: Batch, concepts: Sequence[str], *, values: Floats, resamples: int, seed: int
) -> tuple[pd.DataFrame, dict[str, EffectSums]]:
    """Effects of some concepts on the subject's value, and what pooling them over seeds needs.

    The table has :data:`COLUMNS`; where the world cannot intervene the effect is NaN, with the reason in ``why``.
    """
    rows, sums_of = [], {}
    for concept in concepts:
        try:
            sums = _sums(subject, world, batch, concept, values=values)
        except ImprintError as error:
            rows.append((concept, np.nan, np.nan, np.nan, len(batch), f"not measurable: {error}"))
            continue
        sums_of[concept] = sums
        low, high = interval(sums.replicates(resamples, np.random.default_rng(seed)))
        why = "" if np.isfinite(sums.effect) else "not measurable: the value is constant or NaN"
        rows.append((concept, sums.effect, low, high, len(batch), why))
    return pd.DataFrame(rows, columns=list(COLUMNS)), sums_of


def _sums(subject: Subject, world: World, batch: Batch, concept: str, *, values: Floats) -> EffectSums:
    levels = world.values(concept)
    if len(levels) < 2:
        raise ImprintError(f"{concept} has one value only.")
    at_level = []
    for level in levels:
        changed = np.flatnonzero((batch.concepts[concept] != level).to_numpy())
        at_level.append(values.copy())
        if len(changed):
            counterfactual = world.counterfactual(batch.rows(changed), concept, level)
            at_level[-1][changed] = subject.values(counterfactual.observation).double().numpy()
    changes = [
        np.where(np.abs(after - before) <= ROUNDING * np.abs(before).max(), 0.0, after - before)
        for before, after in itertools.combinations(at_level, 2)
    ]
    names, group = np.unique(batch.groups, return_inverse=True)
    columns = [np.bincount(group, weights=w, minlength=len(names)) for w in (np.ones(len(batch)), *changes)]
    return EffectSums(np.stack(columns, -1), float(values.std()), len(batch))
