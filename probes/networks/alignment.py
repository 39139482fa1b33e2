"""Representation alignment: do two networks hold a concept in the same units, up to naming, up to rotation, or not?

A probe of network A is read on network B by five routes, all scored on rows (whole groups) that fitted nothing:

    same_unit        B's unit i stands in for A's unit i: what a genome could do that knew A's addresses by heart
    hungarian        B's units are first matched one to one with A's, with a sign, by correlation on shared inputs
    hungarian_floor  the same after B's space was rotated at random: matching where no unit of B is anybody's twin
    procrustes       B's space is first rotated onto A's: R = U V', U S V' = svd(X_B' X_A)      (Schonemann 1966)
    own              a probe fitted on B itself: what there is to find

Alignments use shared inputs but no labels. Each network is centred and scaled by its own mean and spread (of each unit;
for the rotation, of the whole), which favours the same-unit route if anything. The best of d! matchings carries a good
deal across any two bases of one space (nearly all, when the concept dominates the units), so only what hungarian gains
over its floor speaks for units that are the same under other names. Procrustes can rotate any code that holds the same
things onto A's: its success says "the same content". Where it succeeds for an untrained pair too, the shared inputs
alone explain it: run that pair.

**Linear CKA** (Kornblith et al. 2019) compares whole representations, blind to rotation and scale:

    CKA = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y))              HSIC(X, Y) = |X' Y|^2  (columns centred)

That estimate is near 1 for unrelated networks when units are not far fewer than rows, so the unbiased HSIC of Song et
al. (2012, JMLR 13:1393) is the default; with linear kernels and centred columns it needs no n x n matrix:

    n (n-3) HSIC = |X'Y|^2 - n/(n-2) sum_i a_i b_i + sum a sum b / ((n-1)(n-2))           a_i = |x_i|^2, b_i = |y_i|^2

It treats rows as independent; give it one row per group when they are not.

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
PENALTY = 1e-2
"""Of the ridge probes, per row, on standardised units."""
CHUNK = 32
"""Pairs of networks aligned at once."""


def transfer(
    activations: Tensor,
    concepts: pd.DataFrame,
    *,
    pairs: Tensor | None = None,
    groups: object | None = None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Scores of probes of one network read on another, by every route.

    Args:
        activations: ``[S, n, d]`` of S networks on the same n inputs (seeds, ages or both along S).
        concepts: n rows; float columns are numbers (scored by R2, which can be far below 0), all others classes
            (balanced accuracy, thresholds halfway between the class means of A's training rows).
        pairs: ``[P, 2]`` network whose probe it is, network it is read on; every ordered pair when None.
        groups: one per row; the two halves never split one. Every score is the mean of both ways round.
        rng: for the halves and the random rotation.

    Returns:
        One row per pair and concept: ``first, second, concept, metric``, the five routes, ``chance, n, groups, why``;
        NaN, with the reason, for a concept that cannot be measured.
    """
    pairs = _pairs(activations, concepts, pairs)
    group_of = compact_groups(groups, activations.shape[1])
    fold = torch.from_numpy(folds_of(group_of, 2, rng))
    measurable, reasons = _measurable(concepts, fold)
    scores = torch.full((len(ROUTES), len(pairs), len(measurable)), torch.nan, dtype=torch.float64)
    if measurable:
        x = activations.detach().double().cpu()
        turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(x.shape[2], x.shape[2])))[0])
        scores = torch.stack([_half(x, measurable, fold == half, pairs, turn) for half in range(2)]).mean(0)
    rows = []
    place = {concept.name: i for i, concept in enumerate(measurable)}
    for name in map(str, concepts.columns):
        known = measurable[place[name]] if name in place else None
        found = scores[:, :, place[name]] if known else torch.full(scores.shape[:2], torch.nan)
        table = pd.DataFrame(found.T.numpy(), columns=list(ROUTES))
        table.insert(0, "first", pairs[:, 0].numpy())
        table.insert(1, "second", pairs[:, 1].numpy())
        table.insert(2, "concept", name)
        table.insert(3, "metric", "" if not known else "r2" if known.regression else "balanced_accuracy")
        table["chance"] = float("nan") if not known else 0.0 if known.regression else 1 / len(known.classes)
        rows.append(table.assign(n=len(fold), groups=int(group_of.max()) + 1, why=reasons.get(name, "")))
    return pd.concat(rows, ignore_index=True)


def _pairs(activations: Tensor, concepts: pd.DataFrame, pairs: Tensor | None) -> Tensor:
    """Checked pairs ``[P, 2]``."""
    if activations.dim() != 3 or activations.shape[1] != len(concepts):
        raise ImprintError(
            f"activations are {list(activations.shape)} for {len(concepts)} rows of concepts; expected [S, n, d]."
        )
    if not bool(torch.isfinite(activations).all()):
        raise NotMeasurableError("activations hold NaN or infinite values")
    if len(concepts.columns) == 0:
        raise ImprintError("no concept was given; expected one column or more.")
    networks = len(activations)
    if pairs is None:
        every = torch.cartesian_prod(torch.arange(networks), torch.arange(networks))
        pairs = every[every[:, 0] != every[:, 1]]
    if (
        pairs.dim() != 2
        or pairs.shape[1:] != (2,)
        or not len(pairs)
        or not 0 <= int(pairs.min()) <= int(pairs.max()) < networks
    ):
        raise ImprintError(f"pairs are {list(pairs.shape)}; expected [P, 2] with P > 0 and networks 0..{networks - 1}.")
    return pairs.cpu()


def _measurable(concepts: pd.DataFrame, fold: Tensor) -> tuple[list[ConceptColumns], dict[str, str]]:
    """Concepts that vary in both halves, and why the others cannot be measured."""
    found, reasons = [], {}
    for name in concepts.columns:
        try:
            concept = concept_columns(concepts[name], str(name))
            for half in range(2):
                columns = concept.columns[fold.numpy() == half]
                if (np.ptp(columns, axis=0) == 0).any():
                    raise NotMeasurableError(f"{name}: a value or class is missing from one half of the groups")
            found.append(concept)
        except NotMeasurableError as error:
            reasons[str(name)] = str(error)
    return found, reasons


@dataclass(frozen=True)
class _Fitted:
    """All networks' training statistics and probes."""

    mean: Tensor
    """``[S, 1, d]``"""
    scale: Tensor
    """``[S, 1, d]`` 1 / sd of each unit; 0 for a dead one."""
    overall: Tensor
    """``[S, 1, 1]`` root mean square of all centred units."""
    weight: Tensor
    """``[S, d, Q]`` on standardised units."""
    offset: Tensor
    """``[S, 1, Q]`` reading at which a column's label is undecided (classes), or minus the label's mean (numbers)."""
    gap: Tensor
    """``[S, 1, Q]`` distance of the class means; 1 for numbers."""

    def decided(self, raw: Tensor, network: Tensor) -> Tensor:
        """Readings ``[P, n, Q]`` of probes of ``network`` on a scale that compares classes."""
        return (raw - self.offset[network]) / self.gap[network]


def _half(x: Tensor, concepts: list[ConceptColumns], test: Tensor, pairs: Tensor, turn: Tensor) -> Tensor:
    """Scores ``[routes, P, concepts]`` on the test rows, everything being fitted on the others."""
    columns = torch.from_numpy(np.concatenate([concept.columns for concept in concepts], axis=1))
    number = torch.tensor([concept.regression for concept in concepts for _ in range(concept.columns.shape[1])])
    fitted = _fit(x[:, ~test], columns[~test], number)
    standard = (x - fitted.mean) * fitted.scale
    whole = (x - fitted.mean) / fitted.overall
    scores = []
    for chunk in pairs.split(CHUNK):
        first, second = chunk.T
        named = _named(standard[first][:, ~test], standard[second][:, ~test], fitted.weight[first])
        turned = _turned(whole[first][:, ~test], whole[second][:, ~test])
        in_whole = fitted.weight[first] * (fitted.scale * fitted.overall)[first].transpose(1, 2)
        foreign = whole[second] @ turn
        foreign = foreign / foreign[:, ~test].square().mean(1, keepdim=True).sqrt().clamp(min=1e-9)
        misnamed = _named(standard[first][:, ~test], foreign[:, ~test], fitted.weight[first])
        unseen = standard[second][:, test]
        raw = {
            "same_unit": unseen @ fitted.weight[first],
            "hungarian": unseen @ named,
            "hungarian_floor": foreign[:, test] @ misnamed,
            "procrustes": whole[second][:, test] @ (turned @ in_whole),
            "own": unseen @ fitted.weight[second],
        }
        reader = {route: second if route == "own" else first for route in ROUTES}
        read = torch.stack([fitted.decided(raw[route], reader[route]) for route in ROUTES])
        scores.append(_scored(read, columns[test], concepts))
    return torch.cat(scores, dim=1)


def _fit(x: Tensor, y: Tensor, number: Tensor) -> _Fitted:
    """Ridge probes of columns ``y`` ``[n, Q]`` on every network's rows ``[S, n, d]``, in closed form."""
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


def _named(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """A's weights ``[P, d, Q]`` moved to the units of B that correlate best with A's, signs included."""
    correlation = a.transpose(1, 2) @ b / a.shape[1]
    partner = torch.stack(
        [torch.from_numpy(linear_sum_assignment(pair, maximize=True)[1]) for pair in correlation.abs()]
    )
    sign = correlation.gather(2, partner[:, :, None]).sign()
    return torch.zeros_like(weight).scatter(1, partner[:, :, None].expand_as(weight), weight * sign)


def _turned(a: Tensor, b: Tensor) -> Tensor:
    """The rotations ``[P, d, d]`` that bring B's rows nearest to A's."""
    left, _, right = torch.linalg.svd(b.transpose(1, 2) @ a, full_matrices=False)
    turned: Tensor = left @ right
    return turned


def _scored(read: Tensor, columns: Tensor, concepts: list[ConceptColumns]) -> Tensor:
    """Scores ``[..., concepts]`` of readings ``[..., n, Q]``."""
    out = []
    widths = [concept.columns.shape[1] for concept in concepts]
    for concept, part, truth in zip(concepts, read.split(widths, dim=-1), columns.split(widths, dim=-1), strict=True):
        if concept.regression:
            left = (truth - part).square().sum((-2, -1))
            out.append(1 - left / (truth - truth.mean(0)).square().sum())
        else:
            right = torch.nn.functional.one_hot(part.argmax(-1), len(concept.classes)) * truth
            out.append((right.sum(-2) / truth.sum(0)).mean(-1))
    return torch.stack(out, dim=-1)


def linear_cka(first: Tensor, second: Tensor, *, debiased: bool = True) -> Tensor:
    """Linear CKA ``[...]`` of ``[..., n, d]`` and ``[..., n, d']`` on the same rows; leading axes broadcast.

    At most 1; the debiased one may fall a little below 0, and is NaN where a network's own HSIC is not above 0.
    """
    if first.dim() < 2 or second.dim() < 2 or first.shape[-2] != second.shape[-2] or first.shape[-2] < 4:
        raise ImprintError(
            f"activations are {list(first.shape)} and {list(second.shape)}; expected the same 4+ rows, [..., n, d]."
        )
    x, y = _prepared(first), _prepared(second)
    return _hsic(x, y, debiased) / (_own(x, debiased) * _own(y, debiased)).sqrt()


def cka_matrix(activations: Tensor, *, debiased: bool = True) -> Tensor:
    """CKA ``[S, S]`` of all pairs of networks ``[S, n, d]``: seeds, ages or both along S.

    One row of the matrix at a time, so that memory grows with S d^2.
    """
    if activations.dim() != 3 or activations.shape[1] < 4:
        raise ImprintError(f"activations are {list(activations.shape)}; expected [S, n, d] with 4 or more rows.")
    x = _prepared(activations)
    own = _own(x, debiased).sqrt()
    return torch.stack([_hsic(one, x, debiased) for one in x]) / (own[:, None] * own)


def _prepared(x: Tensor) -> Tensor:
    """Centred columns, divided by one number so that all squares add up to 1; zeros stay."""
    x = x.detach().double()
    x = x - x.mean(-2, keepdim=True)
    size = x.square().sum((-2, -1), keepdim=True).sqrt()
    return x / torch.where(size > 0, size, 1.0)


def _own(x: Tensor, debiased: bool) -> Tensor:
    """HSIC with itself; NaN where it is not above zero."""
    own = _hsic(x, x, debiased)
    return torch.where(own > 1e-12, own, torch.nan)


def _hsic(x: Tensor, y: Tensor, debiased: bool) -> Tensor:
    """HSIC of centred rows, times n^2 (biased) or n (n - 3) (unbiased)."""
    cross = (x.transpose(-1, -2) @ y).square().sum((-2, -1))
    if not debiased:
        return cross
    n = x.shape[-2]
    a, b = x.square().sum(-1), y.square().sum(-1)
    return cross - n / (n - 2) * (a * b).sum(-1) + a.sum(-1) * b.sum(-1) / ((n - 1) * (n - 2))
