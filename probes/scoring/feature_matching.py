"""Feature matching: do features found without labels stand for concepts, and would another seed have found them?

**Concepts.** For each concept the one best feature is chosen on one half of the groups, by the size of

    r_j = 2 AUC_j - 1  (classes, one against the rest)     or     r_j = correlation with feature j  (numbers),

and that feature, with its sign, is scored on the other half; then the halves change places and the scores are averaged.
The null runs this whole search on shuffled labels, so looking at many features is paid for. Two rivals get the same
search: the raw units, and as many random directions. A dictionary that beats the shuffles but not its rivals has found
what was readable anyway (one of m random directions correlates with any linearly coded concept).

**Seeds.** Two dictionaries are matched one to one (Hungarian algorithm, scipy) so that the sum of similarities is
largest: cosine of directions within one network, correlation of codes on shared inputs between networks, whose units
have nothing to do with one another. The best of m! matchings is large for any two dictionaries, so it stands beside the
same matching after one of them was rotated at random: the same space, in another basis.

Letters: n rows, d width, m features, q shuffles (column 0 is the real label), S seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.discovery.base import Dictionary
from imprint.probes.samples.concept_columns import ConceptColumns, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, folds_of, shuffled

Floats = NDArray[np.float64]
COLUMNS = ["concept", "value", "metric", "feature", "chosen_twice", "score", "null", "random", "units"]
COLUMNS += ["p_value", "q_value", "n", "groups", "why"]


def match_concepts(
    dictionary: Dictionary,
    activations: Tensor,
    concepts: pd.DataFrame,
    *,
    groups: object | None = None,
    shuffles: int = 199,
    random_draws: int = 5,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """One row per concept (per class, when it has more than two) with the one feature that stands for it best.

    Args:
        dictionary: what was found in this site; fitted on these rows or on others (it has seen no labels).
        activations: ``[n, d]``
        concepts: n rows; float columns are numbers, all others classes.
        groups: one per row; halves never split one.
        shuffles: label shuffles behind the p-value, whose smallest value is 1 / (shuffles + 1).
        random_draws: sets of m random directions; their mean score is reported.
        rng: for halves, shuffles and directions.

    Returns:
        ``concept, value`` (the class; empty for numbers), ``metric`` (``auc`` or ``correlation``), ``feature`` (best on
        all rows), ``chosen_twice`` (whether both halves chose the same one), ``score`` and, after the same search,
        ``null`` (mean of the shuffles), ``random`` and ``units``; ``p_value``, ``q_value`` (Benjamini-Hochberg), ``n``,
        ``groups``, ``why`` (the reason when nothing could be measured).
    """
    if len(concepts) != len(activations):
        raise ImprintError(f"concepts have {len(concepts)} rows, activations {len(activations)}; expected as many.")
    codes = compact_groups(groups, len(activations))
    fold = folds_of(codes, 2, rng)
    halves = [np.flatnonzero(fold == half) for half in range(2)]
    x = activations.detach().double().cpu().numpy()
    features = dictionary.encode(activations.detach()).double().cpu().numpy()
    draws = [x @ rng.normal(size=(x.shape[1], features.shape[1])) for _ in range(random_draws)]
    search = _Search([_Features(part, halves) for part in (features, x, *draws)], codes, halves, shuffles, rng)
    rows: list[dict[str, object]] = []
    for name in concepts.columns:
        about: dict[str, object] = {"concept": str(name), "n": len(x), "groups": int(codes.max()) + 1}
        about |= dict.fromkeys(("value", "metric", "why"), "")
        try:
            rows += [about | row for row in search.rows(concept_columns(concepts[name], str(name)))]
        except NotMeasurableError as error:
            rows.append(about | {"why": str(error)})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"p_value": float, "q_value": float})
    known = table["p_value"].notna()
    if known.any():
        table.loc[known, "q_value"] = stats.false_discovery_control(table.loc[known, "p_value"])
    return table


class _Features:
    """Features prepared for scoring against many label columns at once, per half and on all rows."""

    def __init__(self, features: Floats, halves: list[Ints]) -> None:
        self.parts = [features[half] for half in halves] + [features]
        self.ranks = [stats.rankdata(part, axis=0) - (len(part) + 1) / 2 for part in self.parts]
        self.standard = [_standardised(part) for part in self.parts]

    def strength(self, part: int, y: Floats, regression: bool) -> Floats:
        """Signed r ``[m, q]`` of all features with label columns ``y`` ``[n, q]`` on one part of the rows."""
        if regression:
            return np.asarray(self.standard[part].T @ _standardised(y) / len(y))
        ones = y.sum(0)
        return np.asarray(2 * self.ranks[part].T @ y / (ones * (len(y) - ones)))

    def cross_fitted(self, y: list[Floats], regression: bool) -> tuple[Floats, Ints]:
        """Scores ``[q]`` of the feature chosen on one half on the other, and the choices ``[2, q]``."""
        r = [self.strength(part, y[part], regression) for part in range(2)]
        chosen = np.stack([np.abs(part).argmax(0) for part in r])
        column = np.arange(r[0].shape[1])
        scored = [np.sign(r[i][chosen[i], column]) * r[1 - i][chosen[i], column] for i in range(2)]
        return np.asarray(np.mean(scored, axis=0)), chosen


@dataclass(frozen=True)
class _Search:
    """The same search in the dictionary's features, the raw units and sets of random directions, in this order."""

    features: list[_Features]
    groups: Ints
    halves: list[Ints]
    shuffles: int
    rng: np.random.Generator

    def rows(self, concept: ConceptColumns) -> list[dict[str, object]]:
        """One row per number or pair of classes; one per class when there are more than two."""
        if len(concept.classes) > 2:
            return [self._row(concept, y, value) for y, value in zip(concept.columns.T, concept.classes, strict=True)]
        return [self._row(concept, concept.columns[:, -1], concept.classes[-1] if concept.classes else "")]

    def _labels(self, concept: ConceptColumns, column: Floats) -> list[Floats]:
        """Real label and shuffles ``[n, q]`` per half; shuffled within it, so that it keeps its counts."""
        out = []
        for half in self.halves:
            if np.ptp(column[half]) == 0:
                raise NotMeasurableError(f"{concept.name}: the label never varies in one half of the groups")
            copies = shuffled(column[half], compact_groups(self.groups[half], len(half)), self.shuffles, self.rng)
            out.append(np.column_stack([column[half], copies]).astype(np.float64))
        return out

    def _row(self, concept: ConceptColumns, column: Floats, value: str) -> dict[str, object]:
        labels, number = self._labels(concept, column), concept.regression
        real = [half[:, :1] for half in labels]
        own, *rivals = self.features
        scores, chosen = own.cross_fitted(labels, number)
        units, *random = [float(rival.cross_fitted(real, number)[0][0]) for rival in rivals]
        shift, unit = (0.0, 1.0) if number else (0.5, 0.5)
        return {
            "value": value,
            "metric": "correlation" if number else "auc",
            "feature": int(np.abs(own.strength(2, column[:, None], number)).argmax()),
            "chosen_twice": bool(chosen[0, 0] == chosen[1, 0]),
            "score": shift + unit * float(scores[0]),
            "null": shift + unit * float(scores[1:].mean()),
            "random": shift + unit * float(np.mean(random)),
            "units": shift + unit * units,
            "p_value": float((1 + (scores[1:] >= scores[0]).sum()) / (1 + self.shuffles)),
        }


@dataclass(frozen=True)
class Matching:
    """Features of one dictionary matched one to one with those of another."""

    partner: Ints
    """``[m]`` index in the other dictionary; -1 for a feature that is dead or was left over."""
    similarity: Floats
    """``[m]`` 0..1; 0 for a feature that was left over, NaN for a dead one."""
    rotated: Floats
    """``[draws]`` mean similarity after the same matching with the other dictionary rotated at random."""

    @property
    def mean(self) -> float:
        """Mean similarity of the living features."""
        return float(np.nanmean(self.similarity))

    @property
    def p_value(self) -> float:
        """How often a rotated dictionary matches as well: 1 / (draws + 1) to 1."""
        return float((1 + (self.rotated >= self.mean).sum()) / (1 + len(self.rotated)))


def match_directions(
    first: Tensor, second: Tensor, *, signed: bool = True, draws: int = 20, rng: np.random.Generator
) -> Matching:
    """Matches directions ``[m, d]`` and ``[m', d]`` of one network by cosine; rows of zeros are dead.

    ``signed`` (:attr:`Dictionary.signed`): codes may be negative, so that opposite directions are the same feature. The
    null rotates within the space that both dictionaries span together.
    """
    if first.dim() != 2 or second.dim() != 2 or first.shape[1] != second.shape[1]:
        raise ImprintError(
            f"directions are {list(first.shape)} and {list(second.shape)}; expected the same width. "
            "Features of different networks are matched by their activations."
        )
    a, b = (part.detach().double().cpu().numpy() for part in (first, second))
    a, b = a / _length(a.T)[:, None], b / _length(b.T)[:, None]
    living = np.asarray(a.any(1)), np.asarray(b.any(1))
    a, b = a[living[0]], b[living[1]]
    _, values, basis = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)
    basis = basis[values > 1e-9 * values.max(initial=0.0)]
    a, b = a @ basis.T, b @ basis.T
    return _matching(lambda turn: a @ turn @ b.T, len(basis), living, signed, draws, rng)


def match_activations(
    first: Tensor, second: Tensor, *, signed: bool = True, draws: int = 20, rng: np.random.Generator
) -> Matching:
    """Matches features by the correlation of their codes ``[n, m]`` and ``[n, m']`` on the same rows.

    Constant features are dead. The null rotates the second's standardised codes among themselves.
    """
    if first.dim() != 2 or second.dim() != 2 or len(first) != len(second):
        raise ImprintError(
            f"codes are {list(first.shape)} and {list(second.shape)}; expected the same rows, from shared inputs."
        )
    a, b = (_standardised(part.detach().double().cpu().numpy()) for part in (first, second))
    living = np.asarray(a.any(0)), np.asarray(b.any(0))
    a, b = a[:, living[0]], b[:, living[1]]
    cross, own = a.T @ b / len(a), b.T @ b / len(b)

    def similarity(turn: Floats) -> Floats:
        spread = np.sqrt(((own @ turn) * turn).sum(0))
        return np.asarray(cross @ turn / np.where(spread > 1e-9, spread, np.inf))

    return _matching(similarity, b.shape[1], living, signed, draws, rng)


def _matching(
    similarity: Callable[[Floats], Floats],
    size: int,
    living: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    signed: bool,
    draws: int,
    rng: np.random.Generator,
) -> Matching:
    """Matches ``similarity(identity)``, and ``similarity(rotation)`` for the null; both ``[m, m']`` of the living."""
    if not (living[0].any() and living[1].any()):
        raise NotMeasurableError("every feature of a dictionary is dead, so there is nothing to match")

    def matched(turn: Floats) -> tuple[Ints, Floats]:
        strength = similarity(turn)
        strength = np.abs(strength) if signed else strength.clip(min=0)
        rows, columns = linear_sum_assignment(strength, maximize=True)
        partner, value = np.full(len(strength), -1), np.zeros(len(strength))
        partner[rows], value[rows] = columns, strength[rows, columns]
        return partner, value

    found, value = matched(np.eye(size))
    rotated = np.array([matched(_rotation(size, rng))[1].mean() for _ in range(draws)])
    partner, everywhere = np.full(len(living[0]), -1), np.full(len(living[0]), np.nan)
    partner[living[0]] = np.where(found >= 0, np.flatnonzero(living[1])[found], -1)
    everywhere[living[0]] = value
    return Matching(partner, everywhere, rotated)


def stability(
    features: Sequence[Tensor],
    *,
    by: str,
    signed: bool = True,
    draws: int = 20,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """How well each seed's features return in the other seeds.

    Args:
        features: one per seed: directions ``[m, d]`` or codes on shared inputs ``[n, m]``.
        by: what they are, ``directions`` or ``activations``; codes are the only choice when the networks differ.
        signed: whether codes may be negative, so that opposite directions are the same feature.
        draws: rotations behind each pair's null.
        rng: for the rotations.

    Returns:
        One row per seed and feature: ``seed, feature, similarity`` (mean over the other seeds; NaN when dead), ``null``
        (mean of the rotated matchings of that seed) and ``p_value`` (of the seed: the largest over its pairs).
    """
    if by not in ("directions", "activations"):
        raise ImprintError(f"by is {by!r}; expected 'directions' or 'activations'.")
    if len(features) < 2:
        raise ImprintError(f"features of {len(features)} seeds; expected two or more to compare.")
    match = match_directions if by == "directions" else match_activations
    rows = []
    for i, own in enumerate(features):
        pairs = [match(own, other, signed=signed, draws=draws, rng=rng) for j, other in enumerate(features) if j != i]
        similarity = np.mean([pair.similarity for pair in pairs], axis=0)
        null, p = float(np.mean([pair.rotated for pair in pairs])), max(pair.p_value for pair in pairs)
        about = {"seed": i, "feature": range(len(similarity)), "similarity": similarity, "null": null, "p_value": p}
        rows.append(pd.DataFrame(about))
    return pd.concat(rows, ignore_index=True)


def _length(columns: Floats) -> Floats:
    """Lengths of columns, infinite for columns of zeros."""
    length = np.linalg.norm(columns, axis=0)
    return np.asarray(np.where(length > 0, length, np.inf))


def _standardised(columns: Floats) -> Floats:
    """Columns of mean 0 and mean square 1; constant ones become exactly 0."""
    centred = columns - columns.mean(0)
    spread = np.sqrt(np.square(centred).mean(0))
    flat = spread <= 1e-9 * np.abs(columns).max(0, initial=0.0)
    return np.asarray(np.where(flat, 0.0, centred / np.where(flat, 1.0, spread)))


def _rotation(size: int, rng: np.random.Generator) -> Floats:
    """A random orthogonal matrix, uniform over all of them (QR of a Gaussian matrix with its signs fixed)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return np.asarray(q * np.sign(np.diagonal(r)))
