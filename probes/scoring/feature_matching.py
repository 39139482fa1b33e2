"""Feature matching: whether features found without labels correspond to concepts, and whether other seeds find them.

**Concepts.** For each concept the best feature is chosen on one half of the groups, by the absolute value of

    r_j = 2 AUC_j - 1  (classes, one against the rest)     or     r_j = correlation with feature j  (numbers),

and scored with its sign on the other half; the score is the mean over both ways round. The null repeats the whole
search on shuffled labels, which corrects for the number of features. The same search is run in two baselines: the raw
units, and as many random directions. A dictionary that beats the shuffles but not these baselines has found nothing
that was not readable before (some of m random directions correlates with any linearly encoded concept).

**Seeds.** Two dictionaries are matched one to one (Hungarian algorithm, scipy) so that the sum of similarities is
largest: cosine of directions within one network; correlation of codes on shared inputs between networks, whose units do
not correspond. The best of m! matchings is large for any two dictionaries, so it is compared with the same matching
after a random rotation of one of them, which keeps its space and changes its basis.

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
from imprint.probes.samples.concept_columns import ConceptColumns, Floats, concept_columns
from imprint.probes.samples.controls import Ints, compact_groups, folds_of, shuffled

COLUMNS = ["concept", "value", "metric", "feature", "chosen_twice", "score", "null", "random", "units"]
COLUMNS += ["p_value", "q_value", "n", "groups", "why"]
"""Columns of :func:`match_concepts`."""


def match_concepts(
    dictionary: Dictionary,
    activations: Tensor,
    concepts: pd.DataFrame,
    *,
    groups: object = None,
    shuffles: int = 199,
    random_draws: int = 5,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The best matching feature of each concept; one row per concept, or per class when it has more than two.

    ``dictionary`` was fitted on these activations ``[n, d]`` or on others of this site (labels are not used in
    fitting). ``concepts`` has n rows; float columns are numbers, all others classes. Halves never split one of the
    ``groups`` (None: each row is its own). The smallest p-value is 1 / (``shuffles`` + 1).

    Columns: ``concept, value`` (the class; empty for numbers), ``metric`` (``auc`` or ``correlation``), ``feature``
    (best on all rows), ``chosen_twice`` (whether both halves chose the same feature), ``score`` and, for the same
    search in the baselines, ``null`` (mean over shuffles), ``random`` (mean over ``random_draws`` sets of m directions)
    and ``units``; ``p_value``, ``q_value`` (Benjamini-Hochberg), ``n``, ``groups``, ``why`` (the reason when a concept
    could not be measured).
    """
    if len(concepts) != len(activations):
        raise ImprintError(f"concepts have {len(concepts)} rows, activations {len(activations)}; expected as many.")
    codes = compact_groups(groups, len(activations))
    fold = folds_of(codes, 2, rng)
    halves = [np.flatnonzero(fold == half) for half in range(2)]
    x = activations.detach().double().cpu().numpy()
    features = dictionary.encode(activations.detach()).double().cpu().numpy()
    draws = [x @ rng.normal(size=(x.shape[1], features.shape[1])) for _ in range(random_draws)]
    spaces = [Features(space, halves) for space in (features, x, *draws)]
    search = _Search(spaces, codes, halves, shuffles, rng)
    rows: list[dict[str, object]] = []
    for name in concepts.columns:
        about: dict[str, object] = {"concept": str(name), "n": len(x), "groups": int(codes.max()) + 1}
        about |= dict.fromkeys(("value", "metric", "why"), "")
        try:
            rows += [about | row for row in search.rows(concept_columns(concepts[name], str(name)))]
        except NotMeasurableError as error:
            rows.append(about | {"why": str(error)})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS).astype({"p_value": float, "q_value": float})
    measured = table["p_value"].notna()
    if measured.any():
        table.loc[measured, "q_value"] = stats.false_discovery_control(table.loc[measured, "p_value"])
    return table


class Features:
    """Features of both halves and of all rows, ranked and standardised to be scored against many label columns."""

    def __init__(self, features: Floats, halves: list[Ints]) -> None:
        self.parts = [features[half] for half in halves] + [features]
        self.ranks = [stats.rankdata(part, axis=0) - (len(part) + 1) / 2 for part in self.parts]
        self.standard = [_standardised(part) for part in self.parts]

    def strength(self, part: int, y: Floats, regression: bool) -> Floats:
        """r_j ``[m, q]`` of all features, for label columns ``y`` ``[n, q]``, on half 0, half 1 or all rows (2)."""
        if regression:
            return np.asarray(self.standard[part].T @ _standardised(y) / len(y))
        ones = y.sum(0)
        return np.asarray(2 * self.ranks[part].T @ y / (ones * (len(y) - ones)))

    def cross_fitted(self, y: list[Floats], regression: bool) -> tuple[Floats, Ints]:
        """Scores ``[q]`` of the feature chosen on the other half, averaged over halves, and the choices ``[2, q]``."""
        r = [self.strength(part, y[part], regression) for part in range(2)]
        chosen = np.stack([np.abs(part).argmax(0) for part in r])
        column = np.arange(r[0].shape[1])
        scores = [np.sign(r[i][chosen[i], column]) * r[1 - i][chosen[i], column] for i in range(2)]
        return np.asarray(np.mean(scores, axis=0)), chosen


@dataclass(frozen=True)
class _Search:
    """The same search in the dictionary's features, the raw units and sets of random directions."""

    spaces: list[Features]
    """In this order."""
    groups: Ints
    halves: list[Ints]
    """Row numbers of both halves."""
    shuffles: int
    rng: np.random.Generator

    def rows(self, concept: ConceptColumns) -> list[dict[str, object]]:
        """One row for numbers or two classes; one per class when there are more."""
        if len(concept.classes) > 2:
            return [self._row(concept, y, value) for y, value in zip(concept.columns.T, concept.classes, strict=True)]
        return [self._row(concept, concept.columns[:, -1], concept.classes[-1] if concept.classes else "")]

    def _labels(self, concept: ConceptColumns, column: Floats) -> list[Floats]:
        """The label and its shuffles ``[n, q]`` per half; shuffles within a half keep its label counts."""
        labels = []
        for half in self.halves:
            if np.ptp(column[half]) == 0:
                raise NotMeasurableError(f"{concept.name}: the label never varies in one half of the groups")
            copies = shuffled(column[half], compact_groups(self.groups[half], len(half)), self.shuffles, self.rng)
            labels.append(np.column_stack([column[half], copies]).astype(np.float64))
        return labels

    def _row(self, concept: ConceptColumns, column: Floats, value: str) -> dict[str, object]:
        labels, number = self._labels(concept, column), concept.regression
        unshuffled = [half[:, :1] for half in labels]
        features, *baselines = self.spaces
        scores, chosen = features.cross_fitted(labels, number)
        units, *random = [float(baseline.cross_fitted(unshuffled, number)[0][0]) for baseline in baselines]
        shift, unit = (0.0, 1.0) if number else (0.5, 0.5)
        return {
            "value": value,
            "metric": "correlation" if number else "auc",
            "feature": int(np.abs(features.strength(2, column[:, None], number)).argmax()),
            "chosen_twice": bool(chosen[0, 0] == chosen[1, 0]),
            "score": shift + unit * float(scores[0]),
            "null": shift + unit * float(scores[1:].mean()),
            "random": shift + unit * float(np.mean(random)),
            "units": shift + unit * units,
            "p_value": float((1 + (scores[1:] >= scores[0]).sum()) / (1 + self.shuffles)),
        }


@dataclass(frozen=True)
class Matching:
    """One-to-one matching of the features of one dictionary with those of another."""

    partner: Ints
    """``[m]`` index in the other dictionary; -1 for a feature that is dead or unmatched."""
    similarity: Floats
    """``[m]`` 0..1; 0 for an unmatched feature, NaN for a dead one."""
    rotated: Floats
    """``[draws]`` mean similarity of the same matching after random rotations of the other dictionary."""

    @property
    def mean(self) -> float:
        """Mean similarity of the features that are not dead."""
        return float(np.nanmean(self.similarity))

    @property
    def p_value(self) -> float:
        """p-value of the mean similarity among rotated dictionaries: 1 / (draws + 1) to 1."""
        return float((1 + (self.rotated >= self.mean).sum()) / (1 + len(self.rotated)))


def match_directions(
    first: Tensor, second: Tensor, *, signed: bool = True, draws: int = 20, rng: np.random.Generator
) -> Matching:
    """Match directions ``[m, d]`` and ``[m', d]`` of one network by cosine; rows of zeros are dead features.

    With ``signed`` (:attr:`Dictionary.signed`), opposite directions are the same feature. Random rotations act within
    the space that both dictionaries span together.
    """
    if first.dim() != 2 or second.dim() != 2 or first.shape[1] != second.shape[1]:
        raise ImprintError(
            f"directions are {list(first.shape)} and {list(second.shape)}; expected the same width. "
            "Features of different networks are matched by their activations."
        )
    a, b = (directions.detach().double().cpu().numpy() for directions in (first, second))
    a, b = a / _length(a.T)[:, None], b / _length(b.T)[:, None]
    living = np.asarray(a.any(1)), np.asarray(b.any(1))
    a, b = a[living[0]], b[living[1]]
    _, values, basis = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)
    basis = basis[values > 1e-9 * values.max(initial=0.0)]
    a, b = a @ basis.T, b @ basis.T
    return _matching(lambda rotation: a @ rotation @ b.T, len(basis), living, signed=signed, draws=draws, rng=rng)


def match_activations(
    first: Tensor, second: Tensor, *, signed: bool = True, draws: int = 20, rng: np.random.Generator
) -> Matching:
    """Match features by the correlation of their codes ``[n, m]`` and ``[n, m']`` on the same rows.

    Constant features are dead. Random rotations act on the standardised codes of the second dictionary.
    """
    if first.dim() != 2 or second.dim() != 2 or len(first) != len(second):
        raise ImprintError(f"codes are {list(first.shape)} and {list(second.shape)}; expected codes of the same rows.")
    a, b = (_standardised(codes.detach().double().cpu().numpy()) for codes in (first, second))
    living = np.asarray(a.any(0)), np.asarray(b.any(0))
    a, b = a[:, living[0]], b[:, living[1]]
    cross, own = a.T @ b / len(a), b.T @ b / len(b)

    def similarity(rotation: Floats) -> Floats:
        spread = np.sqrt(((own @ rotation) * rotation).sum(0))
        return np.asarray(cross @ rotation / np.where(spread > 1e-9, spread, np.inf))

    return _matching(similarity, b.shape[1], living, signed=signed, draws=draws, rng=rng)


def _matching(
    similarity: Callable[[Floats], Floats],
    size: int,
    living: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    *,
    signed: bool,
    draws: int,
    rng: np.random.Generator,
) -> Matching:
    """Match by ``similarity(identity)``, and by ``similarity(rotation)`` for the null.

    Similarities are ``[m, m']`` between the features that are not dead (``living``, bool ``[m]`` and ``[m']``).
    """
    if not (living[0].any() and living[1].any()):
        raise NotMeasurableError("every feature of a dictionary is dead, so there is nothing to match")

    def matched(rotation: Floats) -> tuple[Ints, Floats]:
        strength = similarity(rotation)
        strength = np.abs(strength) if signed else strength.clip(min=0)
        rows, columns = linear_sum_assignment(strength, maximize=True)
        partner, value = np.full(len(strength), -1), np.zeros(len(strength))
        partner[rows], value[rows] = columns, strength[rows, columns]
        return partner, value

    index, value = matched(np.eye(size))
    rotated = np.array([matched(_rotation(size, rng))[1].mean() for _ in range(draws)])
    partner, of_feature = np.full(len(living[0]), -1), np.full(len(living[0]), np.nan)
    partner[living[0]] = np.where(index >= 0, np.flatnonzero(living[1])[index], -1)
    of_feature[living[0]] = value
    return Matching(partner, of_feature, rotated)


def stability(
    features: Sequence[Tensor], *, by: str, signed: bool = True, draws: int = 20, rng: np.random.Generator
) -> pd.DataFrame:
    """How similar each seed's features are to their matches in the other seeds, one row per seed and feature.

    ``features`` are the directions ``[m, d]`` of each seed or its codes on shared inputs ``[n, m]``, as ``by`` says:
    ``directions`` or ``activations`` (codes, the only choice when seeds are different networks). With ``signed``,
    opposite directions are the same feature. ``draws`` is the number of random rotations per pair of seeds.

    Columns: ``seed, feature, similarity`` (mean over the other seeds; NaN when dead), ``null`` (mean over the rotated
    matchings of the seed) and ``p_value`` (largest over the pairs of the seed).
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
    """Lengths of columns; infinite for columns of zeros."""
    length = np.linalg.norm(columns, axis=0)
    return np.asarray(np.where(length > 0, length, np.inf))


def _standardised(columns: Floats) -> Floats:
    """Columns with mean 0 and mean square 1; constant columns become exactly 0."""
    centred = columns - columns.mean(0)
    spread = np.sqrt(np.square(centred).mean(0))
    flat = spread <= 1e-9 * np.abs(columns).max(0, initial=0.0)
    return np.asarray(np.where(flat, 0.0, centred / np.where(flat, 1.0, spread)))


def _rotation(size: int, rng: np.random.Generator) -> Floats:
    """A random orthogonal matrix with uniform distribution (QR of a Gaussian matrix with fixed signs)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return np.asarray(q * np.sign(np.diagonal(r)))
