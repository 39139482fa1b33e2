"""What exposing levels have in common: clusters, the facts that each one's levels share, and what undoes it.

Clusters are made within each kind of exposing level, from the facts of the levels and of where the subject ended up
(Gower's distance, average linkage); there are as many as have the largest mean silhouette, and one where that is below
0.25, Kaufman & Rousseeuw's border of no substantial structure (Finding Groups in Data, 1990).

A cluster's levels *share* a statement about a fact (``coin_at_corner``, ``coin_distance >= 6``) when it holds in at
least half of them and more often than the base rate, in them and in all exposing levels of the kind (a cluster alone
would also share what merely sorted levels into clusters): of statements about levels, that among unselected ones
(training levels, half of them with random changes); of those about where the subject ended up, that of random actions
in the same levels. Exact one-sided test (hypergeometric), Benjamini-Hochberg over all statements of all clusters.
Levels are independent, since each lineage gives one.

*Undone* is the causal side: every change is made once to every exposing level, and it is counted how often the level is
then no longer plausible, beside what happens when nothing is changed.

Letters: n exposing levels, m unselected ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

from imprint.analyses.expose.levels.evolution import SECOND
from imprint.analyses.expose.levels.ground import Ground, Levels
from imprint.analyses.expose.levels.judging import Judge
from imprint.analyses.statistics import Estimate, rate_of

STRUCTURE, MOST = 0.25, 6
"""Mean silhouette from which there are clusters, and how many there are at most."""
COMMON, LEVEL = 0.5, 0.05
"""Part of a cluster in which a shared statement holds at least, and false discovery rate."""
NOTHING = "nothing"
"""Row of :func:`undone` for levels that were played again unchanged."""
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Shared:
    """A statement that holds in more levels of a cluster than elsewhere."""

    text: str
    fact: str
    ends: bool
    """Whether it is about where the subject ended up."""
    rate: Estimate
    base: float
    q_value: float

    def __str__(self) -> str:
        where = "ends with " if self.ends else ""
        return f"{where}{self.text} in {self.rate.value:.0%} (base rate {self.base:.0%})"


@dataclass(frozen=True)
class Cluster:
    """Exposing levels that are alike."""

    number: int
    kind: str
    levels: NDArray[np.int64]
    """Rows of the search's table."""
    shared: tuple[Shared, ...]
    """The most telling first."""

    @property
    def sentence(self) -> str:
        """What its levels share."""
        n, facts = len(self.levels), [str(one) for one in self.shared]
        told = [*[x for x in facts if not x.startswith("ends")][:3], *[x for x in facts if x.startswith("ends")][:2]]
        shared = "; ".join(told) or "no fact is shared beyond the base rate"
        return f"{n} level{'s' if n > 1 else ''} ({self.kind}): {shared}."


@dataclass(frozen=True)
class Table:
    """Facts of some levels and of others to compare with, ``n`` and ``m`` rows."""

    own: pd.DataFrame
    others: pd.DataFrame
    ends: bool = False

    @classmethod
    def of(cls, own: pd.DataFrame, others: pd.DataFrame, *, ends: bool = False) -> Table:
        """Both with the same columns and types; what differs in type, or is no number or truth value, is a class."""
        same = [name for name in others if name in own]
        own, others = own[same].copy(), others[same].copy()
        for name in same:
            if own[name].dtype != others[name].dtype or own[name].dtype.kind not in "bif":
                own[name], others[name] = own[name].astype(str), others[name].astype(str)
        return cls(own, others, ends)

    def statements(self) -> list[tuple[str, str, Bools, Bools]]:
        """Text, fact, and where it holds in own and others."""
        found = []
        for name in map(str, self.own):
            own, others = self.own[name], self.others[name]
            if own.dtype.kind == "b":
                found += [(name, name, own.to_numpy(), others.to_numpy().astype(bool))]
                found += [(f"not {name}", name, ~own.to_numpy(), ~others.to_numpy().astype(bool))]
            elif own.dtype.kind == "f":
                found += _numbers(name, own.to_numpy(), others.to_numpy(dtype=np.float64))
            else:
                x, y = own.astype(str).to_numpy(), others.astype(str).to_numpy()
                values, counts = np.unique(x, return_counts=True)
                found += [(f"{name} = {v}", name, x == v, y == v) for v in values[counts > 1]]
        return found


def _numbers(name: str, own: NDArray[np.float64], others: NDArray[np.float64]) -> list[tuple[str, str, Bools, Bools]]:
    found = []
    if np.isnan(own).any():
        found.append((f"{name} is missing", name, np.isnan(own), np.isnan(others)))
    known = others[np.isfinite(others)]
    if len(known) and known.min() < known.max():
        low, high = np.quantile(known, [0.25, 0.75])
        found.append((f"{name} <= {low:.3g}", name, own <= low, others <= low))
        found.append((f"{name} >= {high:.3g}", name, own >= high, others >= high))
    elif len(known):
        found.append((f"{name} = {known[0]:.3g}", name, own == known[0], others == known[0]))
        found.append((f"{name} is not {known[0]:.3g}", name, own != known[0], others != known[0]))
    return found


def clusters_of(kinds: Sequence[str], tables: Sequence[Table]) -> tuple[Cluster, ...]:
    """Clusters of ``n`` exposing levels, with what their levels share; the largest first."""
    features = _features(tables)
    lots = []
    for kind in dict.fromkeys(kinds):
        index = np.flatnonzero(np.array(kinds) == kind)
        labels = _labels(features[index])
        lots += [(kind, index[labels == label], index) for label in np.unique(labels)]
    lots.sort(key=lambda lot: -len(lot[1]))
    tested = [_tested(index, whole, table) for _, index, whole in lots for table in tables]
    p = [found[-1] for rows in tested for found in rows]
    q: Iterator[float] = iter(stats.false_discovery_control(p) if p else ())
    corrected = [[(*found[:-1], float(next(q))) for found in rows] for rows in tested]
    clusters, k = [], len(tables)
    for i, (kind, index, _) in enumerate(lots):
        shared = [
            Shared(text, fact, tables[t].ends, rate_of(hits, len(index)), base, q_value)
            for t in range(k)
            for text, fact, hits, base, q_value in corrected[i * k + t]
            if q_value <= LEVEL and hits >= COMMON * len(index)
        ]
        shared.sort(key=lambda one: one.base - one.rate.value)
        clusters.append(Cluster(i + 1, kind, index, tuple(shared)))
    return tuple(clusters)


def _tested(
    index: NDArray[np.int64], whole: NDArray[np.int64], table: Table
) -> list[tuple[str, str, int, float, float]]:
    """Text, fact, hits, base rate and p of every statement about one cluster ``index`` of all levels ``whole``."""
    found = []
    for text, fact, own, others in table.statements():
        (p, hits, base), (overall, *_) = (_enriched(own[some], others, some, table.ends) for some in (index, whole))
        found.append((text, fact, hits, base, max(p, overall)))
    return found


def _enriched(own: Bools, others: Bools, index: NDArray[np.int64], ends: bool) -> tuple[float, int, float]:
    """One-sided p that a statement holds more often in levels ``index`` than elsewhere, its hits, and the base rate."""
    against = others[index] if ends else others
    hits, base = int(own.sum()), int(against.sum())
    p = float(stats.hypergeom.sf(hits - 1, len(own) + len(against), hits + base, len(own)))
    return p, hits, base / max(len(against), 1)


def _features(tables: Sequence[Table]) -> NDArray[np.float64]:
    """Columns whose city-block distance is the sum over facts of Gower's: 0 to 1 each."""
    parts = []
    for table in tables:
        for name in table.own:
            column = table.own[name]
            if column.dtype.kind == "f":
                x = column.to_numpy()
                low, high = (np.nanmin(x), np.nanmax(x)) if np.isfinite(x).any() else (0.0, 0.0)
                scaled = (x - low) / (high - low) if high > low else np.zeros(len(x))
                parts.append(np.where(np.isnan(scaled), -1.0, scaled)[:, None])
            else:
                codes = pd.factorize(column.astype(str))[0]
                parts.append(0.5 * np.eye(codes.max() + 1)[codes])
    return np.concatenate(parts, axis=1) if parts else np.zeros((0, 1))


def _labels(features: NDArray[np.float64]) -> NDArray[np.int64]:
    n = len(features)
    one = np.ones(n, dtype=np.int64)
    if n < 4:
        return one
    distance = pdist(features, "cityblock")
    if not distance.any():
        return one
    tree, square = linkage(distance, "average"), squareform(distance)
    best, kept = STRUCTURE, one
    for k in range(2, min(MOST, n - 1) + 1):
        labels = np.asarray(fcluster(tree, k, "maxclust"), dtype=np.int64)
        if len(np.unique(labels)) < 2:
            continue
        score = float(silhouette_score(square, labels, metric="precomputed"))
        if score > best:
            best, kept = score, labels
    return kept


def undone(ground: Ground, judge: Judge, levels: Levels, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """How often each change undoes what ``n`` levels expose: columns change, undone, low, high, n, p_value.

    ``p_value``: that the change undoes no more than playing again (exact, one-sided, Bonferroni over changes).
    """
    tries = SECOND if ground.acts else 1
    before = ~judge.plausible(ground.played(levels, tries, rng))
    rows = [{"change": NOTHING, **rate_of(int(before.sum()), n).row("undone", count="n"), "p_value": np.nan}]
    for name in ground.operators:
        new, possible = ground.changed(levels, [name] * n, rng)
        index = np.flatnonzero(possible)
        if not len(index):
            continue
        after = ~judge.plausible(ground.played(ground.rows(new, index), tries, rng))
        hits, k = int(after.sum()), len(index)
        anyway = int(before.sum())
        table = np.array([[hits, k - hits], [anyway, n - anyway]])
        p = stats.fisher_exact(table, alternative="greater").pvalue
        corrected = min(1.0, float(p) * len(ground.operators))
        rows.append({"change": name, **rate_of(hits, k).row("undone", count="n"), "p_value": corrected})
    return pd.DataFrame(rows).sort_values("undone", ascending=False, kind="stable", ignore_index=True)
