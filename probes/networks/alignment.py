"""Alignment of representations: whether two networks hold a concept in the same units, up to permutation or rotation.

A probe of network A is read on network B by five routes, scored on rows (whole groups) on which nothing was fitted:

    same_unit        unit i of B takes the place of unit i of A
    hungarian        B's units are first matched one to one with A's, with a sign, by correlation on shared inputs
    hungarian_floor  the same after a random rotation of B's space, so that no unit of B corresponds to one of A
    procrustes       B's space is first rotated onto A's: R = U V', U S V' = svd(X_B' X_A)      (Schonemann 1966)
    own              a probe fitted on B itself: the upper bound

Alignments use shared inputs but no labels. Each network is centred and scaled by its own mean and standard deviation
(of each unit; for the rotation, of all units together), which if anything favours ``same_unit``. The best of d!
matchings carries over much between any two bases of the same space (nearly all, when the concept dominates the units),
so that only the gain of ``hungarian`` over ``hungarian_floor`` is evidence for the same units in another order.
``procrustes`` succeeds whenever both networks hold the same content in any basis. Where it succeeds for a pair of
untrained networks as well, the shared inputs alone explain it; so run that pair, too.

**Linear CKA** (Kornblith et al. 2019) compares whole representations and is invariant to rotation and scale:

    CKA = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y))              HSIC(X, Y) = |X' Y|^2  (columns centred)

This estimate is near 1 for unrelated networks unless there are far fewer units than rows, so the unbiased HSIC of Song
et al. (2012, JMLR 13:1393) is the default. With linear kernels and centred columns it needs no n x n matrix:

    n (n-3) HSIC = |X'Y|^2 - n/(n-2) sum_i a_i b_i + sum a sum b / ((n-1)(n-2))           a_i = |x_i|^2, b_i = |y_i|^2

It assumes independent rows; where rows are not independent, pass one row per group.

Letters: S networks, n shared rows, d units, Q label columns, C classes, P ordered pairs of networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.concept_columns import ConceptColumns, concept_columns
from imprint.probes.samples.controls import compact_groups, folds_of

ROUTES = ("same_unit", "hungarian", "hungarian_floor", "procrustes", "own")
"""Ways in which a probe of one network is read on another."""
PENALTY = 1e-2
"""Penalty of the ridge probes, per row, on standardised units."""
CHUNK = 32
"""Number of pairs of networks aligned at once."""


def transfer(
    activations: Tensor,
    concepts: pd.DataFrame,
    *,
    pairs: Tensor | None = None,
    groups: object = None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Scores of probes of one network read on another, by every route, one row per pair and concept.

    ``activations`` are ``[S, n, d]`` of S networks (seeds, ages or both) on the same n inputs. ``concepts`` has n rows;
    float columns are numbers (scored by R2, which can be far below 0), all others classes (balanced accuracy,
    thresholds halfway between the class means of A's training rows). ``pairs`` ``[P, 2]`` are the network of the probe
    and the network it is read on; None: all ordered pairs. Probes and alignments are fitted on one half of the
    ``groups`` (None: each row is its own group) and scored on the other; scores are means over both ways round.

    Columns: ``first, second, concept, metric``, the five routes, ``chance, n, groups, why``. Scores of a concept that
    cannot be measured are NaN, with the reason in ``why``.
    """
    pairs = _pairs(activations, concepts, pairs)
    group_of = compact_groups(groups, activations.shape[1])
    fold = torch.from_numpy(folds_of(group_of, 2, rng))
    measurable, reasons = _measurable(concepts, fold)
    scores = torch.full((len(ROUTES), len(pairs), len(measurable)), torch.nan, dtype=torch.float64)
    if measurable:
        x = activations.detach().double().cpu()
        rotation = torch.from_numpy(np.linalg.qr(rng.normal(size=(x.shape[2], x.shape[2])))[0])
        halves = [_half(x, measurable, fold == half, pairs=pairs, rotation=rotation) for half in range(2)]
        scores = torch.stack(halves).mean(0)
    tables = []
    place = {concept.name: i for i, concept in enumerate(measurable)}
    for name in map(str, concepts.columns):
        concept = measurable[place[name]] if name in place else None
        of_concept = scores[:, :, place[name]] if concept else torch.full(scores.shape[:2], torch.nan)
        table = pd.DataFrame({"first": pairs[:, 0].numpy(), "second": pairs[:, 1].numpy(), "concept": name})
        table["metric"] = "" if not concept else "r2" if concept.regression else "balanced_accuracy"
        table[list(ROUTES)] = of_concept.T.numpy()
        table["chance"] = float("nan") if not concept else 0.0 if concept.regression else 1 / len(concept.classes)
        tables.append(table.assign(n=len(fold), groups=int(group_of.max()) + 1, why=reasons.get(name, "")))
    return pd.concat(tables, ignore_index=True)


def _pairs(activations: Tensor, concepts: pd.DataFrame, pairs: Tensor | None) -> Tensor:
    """The pairs ``[P, 2]``, by default all ordered ones; raises when the arguments do not fit together."""
    if activations.dim() != 3 or activations.shape[1] != len(concepts):
        raise ImprintError(f"activations are {list(activations.shape)} for {len(concepts)} labels; expected [S, n, d].")
    if not bool(torch.isfinite(activations).all()):
        raise NotMeasurableError("activations hold NaN or infinite values")
    if len(concepts.columns) == 0:
        raise ImprintError("no concept was given; expected one column or more.")
    networks = len(activations)
    if pairs is None:
        ordered = torch.cartesian_prod(torch.arange(networks), torch.arange(networks))
        pairs = ordered[ordered[:, 0] != ordered[:, 1]]
    shaped = pairs.dim() == 2 and pairs.shape[1:] == (2,) and len(pairs)
    if not shaped or not 0 <= int(pairs.min()) <= int(pairs.max()) < networks:
        raise ImprintError(f"pairs are {list(pairs.shape)}; expected [P, 2] with P > 0 and networks 0..{networks - 1}.")
    return pairs.cpu()


def _measurable(concepts: pd.DataFrame, fold: Tensor) -> tuple[list[ConceptColumns], dict[str, str]]:
    """The concepts that vary in both halves, and the reasons why the others cannot be measured."""
    measurable, reasons = [], {}
    for name in concepts.columns:
        try:
            concept = concept_columns(concepts[name], str(name))
            for half in range(2):
                columns = concept.columns[fold.numpy() == half]
                if (np.ptp(columns, axis=0) == 0).any():
                    raise NotMeasurableError(f"{name}: a value or class is missing from one half of the groups")
            measurable.append(concept)
        except NotMeasurableError as error:
            reasons[str(name)] = str(error)
    return measurable, reasons


@dataclass(frozen=True)
class _Fitted:
    """Training statistics and probes of all networks."""

    mean: Tensor
    """``[S, 1, d]``"""
    scale: Tensor
    """``[S, 1, d]`` 1 / standard deviation of each unit; 0 for a dead unit."""
    overall: Tensor
    """``[S, 1, 1]`` root mean square of all centred units."""
    weight: Tensor
    """``[S, d, Q]`` on standardised units."""
    offset: Tensor
    """``[S, 1, Q]`` threshold of a class; for numbers, minus their mean."""
    gap: Tensor
    """``[S, 1, Q]`` distance of the mean readings inside and outside a class; 1 for numbers."""

    def decided(self, raw: Tensor, network: Tensor) -> Tensor:
        """Readings ``[P, n, Q]`` of the probes of ``network`` ``[P]``, comparable between classes."""
        return (raw - self.offset[network]) / self.gap[network]


def _half(x: Tensor, concepts: list[ConceptColumns], test: Tensor, *, pairs: Tensor, rotation: Tensor) -> Tensor:
    """Scores ``[routes, P, concepts]`` on the test rows; everything is fitted on the others."""
    columns = torch.from_numpy(np.concatenate([concept.columns for concept in concepts], axis=1))
    number = torch.tensor([concept.regression for concept in concepts for _ in range(concept.columns.shape[1])])
    fitted = _fit(x[:, ~test], columns[~test], number)
    standard = (x - fitted.mean) * fitted.scale
    whole = (x - fitted.mean) / fitted.overall
    scores = []
    for chunk in pairs.split(CHUNK):
        first, second = chunk.T
        matched = _matched(standard[first][:, ~test], standard[second][:, ~test], fitted.weight[first])
        to_first = _procrustes(whole[first][:, ~test], whole[second][:, ~test])
        whole_weight = fitted.weight[first] * (fitted.scale * fitted.overall)[first].transpose(1, 2)
        rotated = whole[second] @ rotation
        rotated = rotated / rotated[:, ~test].square().mean(1, keepdim=True).sqrt().clamp(min=1e-9)
        matched_floor = _matched(standard[first][:, ~test], rotated[:, ~test], fitted.weight[first])
        unseen = standard[second][:, test]
        raw = {
            "same_unit": unseen @ fitted.weight[first],
            "hungarian": unseen @ matched,
            "hungarian_floor": rotated[:, test] @ matched_floor,
            "procrustes": whole[second][:, test] @ (to_first @ whole_weight),
            "own": unseen @ fitted.weight[second],
        }
        reader = {route: second if route == "own" else first for route in ROUTES}
        read = torch.stack([fitted.decided(raw[route], reader[route]) for route in ROUTES])
        scores.append(_scored(read, columns[test], concepts))
    return torch.cat(scores, dim=1)


def _fit(x: Tensor, y: Tensor, number: Tensor) -> _Fitted:
    """Ridge probes of columns ``y`` ``[n, Q]`` on the rows ``[S, n, d]`` of every network, in closed form."""
    n, d = x.shape[1:]
    mean = x.mean(1, keepdim=True)
    spread = (x - mean).square().mean(1, keepdim=True).sqrt()
    flat = spread <= 1e-9 * x.abs().amax(1, keepdim=True)
    scale = torch.where(flat, 0.0, 1 / torch.where(flat, 1.0, spread))
    overall = spread.square().mean(2, keepdim=True).sqrt()
    overall = torch.where(overall > 0, overall, 1.0)
    z = (x - mean) * scale
    gram = z.transpose(1, 2) @ z / n + PENALTY * torch.eye(d, dtype=x.dtype)
    weight = torch.linalg.solve(gram, z.transpose(1, 2) @ (y - y.mean(0)) / n)
    raw = z @ weight
    ones = y.sum(0)
    high, low = (raw * y).sum(1, keepdim=True) / ones, (raw * (1 - y)).sum(1, keepdim=True) / (n - ones)
    apart = high - low
    gap = torch.where(number, 1.0, torch.where(apart > 1e-12, apart, torch.inf))
    offset = torch.where(number, -y.mean(0), (high + low) / 2)
    return _Fitted(mean, scale, overall, weight, offset, gap)


def _matched(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Weights ``[P, d, Q]`` of A moved to the units of B that match A's best by absolute correlation, with sign."""
    correlation = a.transpose(1, 2) @ b / a.shape[1]
    matchings = [linear_sum_assignment(pair, maximize=True)[1] for pair in correlation.abs()]
    partner = torch.from_numpy(np.stack(matchings))
    sign = correlation.gather(2, partner[:, :, None]).sign()
    return torch.zeros_like(weight).scatter(1, partner[:, :, None].expand_as(weight), weight * sign)


def _procrustes(a: Tensor, b: Tensor) -> Tensor:
    """The rotations ``[P, d, d]`` that bring the rows of B nearest to those of A."""
    left, _, right = torch.linalg.svd(b.transpose(1, 2) @ a, full_matrices=False)
    rotation: Tensor = left @ right
    return rotation


def _scored(read: Tensor, columns: Tensor, concepts: list[ConceptColumns]) -> Tensor:
    """Scores ``[..., concepts]`` of readings ``[..., n, Q]``."""
    scores = []
    widths = [concept.columns.shape[1] for concept in concepts]
    for concept, part, truth in zip(concepts, read.split(widths, dim=-1), columns.split(widths, dim=-1), strict=True):
        if concept.regression:
            error = (truth - part).square().sum((-2, -1))
            scores.append(1 - error / (truth - truth.mean(0)).square().sum())
        else:
            right = torch.nn.functional.one_hot(part.argmax(-1), len(concept.classes)) * truth
            scores.append((right.sum(-2) / truth.sum(0)).mean(-1))
    return torch.stack(scores, dim=-1)


def linear_cka(first: Tensor, second: Tensor, *, debiased: bool = True) -> Tensor:
    """Linear CKA ``[...]`` of ``[..., n, d]`` and ``[..., n, d']``, of the same rows; leading axes broadcast.

    At most 1. The debiased estimate may be slightly below 0, and is NaN where HSIC(X, X) or HSIC(Y, Y) is not above 0.
    """
    if first.dim() < 2 or second.dim() < 2 or first.shape[-2] != second.shape[-2] or first.shape[-2] < 4:
        raise ImprintError(f"got {list(first.shape)} and {list(second.shape)}; expected the same 4+ rows, [..., n, d].")
    x, y = _prepared(first), _prepared(second)
    return _hsic(x, y, debiased) / (_own(x, debiased) * _own(y, debiased)).sqrt()


def cka_matrix(activations: Tensor, *, debiased: bool = True) -> Tensor:
    """Linear CKA ``[S, S]`` of all pairs of networks (seeds, ages or both), from activations ``[S, n, d]``.

    Rows of the matrix are computed one at a time, so that memory is S d^2.
    """
    if activations.dim() != 3 or activations.shape[1] < 4:
        raise ImprintError(f"activations are {list(activations.shape)}; expected [S, n, d] with 4 or more rows.")
    x = _prepared(activations)
    own = _own(x, debiased).sqrt()
    return torch.stack([_hsic(one, x, debiased) for one in x]) / (own[:, None] * own)


def _prepared(x: Tensor) -> Tensor:
    """Centred columns, divided by one number so that their squares sum to 1; all zeros stay zero."""
    x = x.detach().double()
    x = x - x.mean(-2, keepdim=True)
    size = x.square().sum((-2, -1), keepdim=True).sqrt()
    return x / torch.where(size > 0, size, 1.0)


def _own(x: Tensor, debiased: bool) -> Tensor:
    """HSIC(X, X); NaN where it is not above zero."""
    own = _hsic(x, x, debiased)
    return torch.where(own > 1e-12, own, torch.nan)


def _hsic(x: Tensor, y: Tensor, debiased: bool) -> Tensor:
    """HSIC of centred columns, times n^2 (biased) or n (n - 3) (unbiased)."""
    cross = (x.transpose(-1, -2) @ y).square().sum((-2, -1))
    if not debiased:
        return cross
    n = x.shape[-2]
    a, b = x.square().sum(-1), y.square().sum(-1)
    return cross - n / (n - 2) * (a * b).sum(-1) + a.sum(-1) * b.sum(-1) / ((n - 1) * (n - 2))
