"""What a search for levels found: the levels, what they share, and how rare they could have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from imprint.analyses.expose.candidates import Candidate, Example, Searched
from imprint.analyses.expose.levels.ground import Floats, Ground, Levels
from imprint.analyses.expose.levels.judging import Judge
from imprint.analyses.expose.levels.shared import Cluster, Table
from imprint.analyses.statistics import NAN, Estimate
from imprint.models.levels import write_levels

LEAST = 0.02
"""Share of variance that a candidate must exceed, as in :class:`imprint.analyses.expose.candidates.Exposed`."""
RESAMPLES = 500
SHOWN = 3
"""Levels of each cluster that are given as examples and replayed."""


@dataclass(frozen=True)
class Unselected:
    """Levels to compare with, for which the subject did not count: as in training, and as many with random changes."""

    facts: pd.DataFrame
    """Of both, the unchanged first."""
    disappointment: Floats
    """Fitness of each."""
    exposing: Estimate
    """How many of the changed ones are exposing, judged as what was found: the rate of random search."""


@dataclass(frozen=True)
class LevelSearch:
    """Levels that expose what a subject pursues instead of the intended concept."""

    intended: str
    table: pd.DataFrame
    """One row per exposing level; columns of :meth:`frame` without the facts."""
    clusters: tuple[Cluster, ...]
    """Exposing levels that are alike, the largest first, with the facts that they share."""
    undone: pd.DataFrame
    """How often each change of an exposing level undoes it; empty where nothing was found."""
    unselected: Unselected
    training: Estimate
    """How many levels as in training are exposing: what the claims would say of a subject in its usual levels."""
    spent: int
    """Levels that were shown to the subject."""
    seconds: float
    """CPU time of the search."""
    rejected: int
    """Claims that did not hold on fresh tries."""
    notes: tuple[str, ...]
    """What could not be searched and what must be known to read the numbers, in sentences."""
    replays: dict[int, list[str]]
    """Row of the table -> text maps of the first try, step by step."""
    ground: Ground
    judge: Judge
    levels: Levels
    """The exposing levels, None without any; as the ground has them (:meth:`state` of an environment)."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def detectable(self) -> float:
        """Rate of exposing levels from which as many random ones would hold at least one with a probability of .95.

        About 3 / levels (rule of three). A search can find rarer ones where disappointment leads to them; it cannot
        promise to.
        """
        return float(1 - 0.05 ** (1 / max(self.spent, 1)))

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        rate = self.unselected.exposing
        if len(self):
            return (
                f"{len(self)} levels of {self.spent} expose something beside {self.intended}, in "
                f"{len(self.clusters)} cluster{'s' if len(self.clusters) > 1 else ''}; the first after "
                f"{int(self.table['found_at'].min())} levels. Of levels with random changes {rate:.1%} do."
            )
        return (
            f"No level of {self.spent} exposes anything beside {self.intended}. Exposing levels that are more frequent "
            f"than {self.detectable:.2%} would have been met by drawing as many at random (95 %)."
        )

    def frame(self) -> pd.DataFrame:
        """One row per exposing level, the first found first.

        ``kind`` (passed over, absent), ``cluster``, ``number`` (of the level in the search), ``found_at`` (levels that
        had been shown when its claim held), ``generation``, ``lineage``, ``changes``, ``fitness``, ``expected``
        (discounted reward), ``value``, ``needed`` (steps), ``lost`` (part of the tries), and a column for every fact.
        """
        if not len(self):
            return self.table.copy()
        return pd.concat([self.table, self.ground.facts(self.levels)], axis=1)

    def save(self, path: str | Path) -> Path:
        """Write the exposing levels as JSON, with what is known of them, for tests and for the next training run.

        :func:`imprint.models.levels.states_in` reads levels of an environment as a state for ``reset(options={"state":
        state})``, and the entry ``rehearsal`` of a setup of agents trains on them.
        """
        made = self.ground.written(self.levels) if len(self) else []
        texts = self.ground.texts(self.levels) if len(self) else []
        entries = []
        for i, row in enumerate(self.table.to_dict("records")):
            known = {"kind": row["kind"], "cluster": int(row["cluster"]), "changes": list(row["changes"])}
            numbers = {name: _plain(row[name]) for name in ("fitness", "expected", "needed", "lost")}
            entries.append({"level": made[i], "text": texts[i], **known, **numbers, "replay": self.replays.get(i, [])})
        told = {"clusters": {str(one.number): one.sentence for one in self.clusters}, "notes": list(self.notes)}
        return write_levels(path, {**self.ground.about(), "intended": self.intended, **told}, entries)

    # -- candidates ----------------------------------------------------------------------------------------------

    def candidates(self) -> tuple[Candidate, ...]:
        """A candidate for every statement that tells a cluster of levels best.

        Its share is the part of the variance of disappointment (value less what the intended goal gave) over the
        unselected levels that goes with one statement, with a bootstrap interval over levels: of those that the
        cluster's levels share, the one for which it is largest. Its p value is multiplied by their number.
        """
        named = []
        for cluster in self.clusters:
            if shares := {one.text: self._share(one.text) for one in cluster.shared if not one.ends}:
                text = max(shares, key=lambda text: round(float(np.nan_to_num(shares[text][0].value, nan=-1.0)), 9))
                named.append((cluster, text, *shares[text], len(shares)))
        p = [
            min(1.0, tried * float(stats.norm.sf((share.value - LEAST) / error))) if error > 0 else 1.0
            for _, _, share, error, tried in named
        ]
        q: Sequence[float] = stats.false_discovery_control(p).tolist() if p else []
        found: dict[str, Candidate] = {}
        for (cluster, text, share, error, _), p_value, q_value in zip(named, p, q, strict=True):
            if (name := f"{cluster.kind}: {text}") in found:
                continue
            facts: dict[str, float] = {}
            for one in cluster.shared:
                facts[one.fact] = max(facts.get(one.fact, 0.0), one.rate.value - one.base)
            what = (
                f"{cluster.sentence} Found by search; the share is that of the variance of what the subject expects "
                f"less what it gets of {self.intended}, over {len(self.unselected.facts)} unselected levels, half of "
                f"them with random changes, that goes with '{text}'."
            )
            found[name] = Candidate(
                name=name,
                source="behaviour",
                share=share,
                description=what,
                facts=facts,
                examples=self._examples(cluster),
                p_value=p_value,
                q_value=float(q_value),
                detectable=LEAST + (stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) * error,
                causal=False,
            )
        return tuple(found.values())

    def searched(self) -> Searched:
        """What the source ``behaviour`` could do."""
        smallest = min((one.detectable for one in self.candidates()), default=NAN)
        why = f"Levels were searched. {self.sentence}"
        return Searched("behaviour", True, " ".join([why, *self.notes]), tested=len(self.clusters), detectable=smallest)

    def _share(self, text: str) -> tuple[Estimate, float]:
        """Squared correlation of a statement with disappointment over the unselected levels, and its standard error."""
        n = len(self.unselected.facts)
        holds = next(
            (there for said, _, _, there in Table.of(self._facts, self.unselected.facts).statements() if said == text),
            None,
        )
        if holds is None or holds.all() or not holds.any():
            return Estimate(NAN, NAN, NAN, n), 0.0
        x, y = holds.astype(np.float64), self.unselected.disappointment
        rows = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
        draws = _squared_correlation(x[rows], y[rows])
        low, high = np.nanquantile(draws, [0.025, 0.975])
        value = float(_squared_correlation(x[None], y[None])[0])
        return Estimate(value, float(min(low, value)), float(max(high, value)), n), float(np.nanstd(draws))

    @cached_property
    def _facts(self) -> pd.DataFrame:
        return self.ground.facts(self.levels)

    def _examples(self, cluster: Cluster) -> tuple[Example, ...]:
        facts, numbers = self._facts, self.table["number"]
        told = {one.fact for one in cluster.shared if not one.ends}
        return tuple(
            Example(
                "level",
                (int(numbers[i]),),
                (float(self.table["value"][i]),),
                {name: str(facts[name][i]) for name in facts if name in told},
            )
            for i in cluster.levels[:SHOWN].tolist()
        )


def _squared_correlation(x: Floats, y: Floats) -> Floats:
    """Row by row ``[R]``; NaN where one of them does not vary."""
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((x * y).sum(1) ** 2 / ((x**2).sum(1) * (y**2).sum(1)))


def _plain(value: Any) -> Any:
    number = float(value)
    return number if np.isfinite(number) else None
