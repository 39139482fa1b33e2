"""Least squares from moments: ridge regression for all held-out folds, penalties and targets at once.

    w = argmin  sum_i (y_i - x_i.w - b)^2 + penalty * n * |w|^2                    (x standardised on the training rows)

One factor per training set and penalty serves all targets (:mod:`imprint.probes.fitting.damped`). Each concept gets the
penalty with the lowest squared error on inner folds: every other fold is held out in turn (leave-one-group-out, when
folds are groups). That error needs no rows either; over the rows of the inner fold, with everything centred on the
training mean,

    sum_i (y_i - x_i.w - b)^2  =  yy - 2 w.xy + w.xx.w

Columns without variance get weight zero. ``standardise=False`` scales all columns by one number instead, for inputs
whose columns are principal components. The result equals scikit-learn's ``Ridge(alpha=penalty * n)`` on standardised
columns.

Letters: D width, Q targets, K folds, P penalties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from imprint.models.progress import worked
from imprint.probes.fitting.damped import Damped
from imprint.probes.fitting.moments import Moments, Sums

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Penalties to choose from."""
MIDDLE = 2
"""Index of the penalty used when no fold can be held out inside a training set."""
FLAT = 1e-10
"""A column counts as constant when its variance is below this part of its mean square."""
LEFT = 1e-6
"""It also counts as constant in training when its variance there is below this part of its variance over all rows.

A column that varies in the held-out rows alone keeps only the rounding error of subtracting them.
"""


@dataclass(frozen=True)
class Standardised:
    """A training set with its columns centred and scaled."""

    mean: Tensor
    """``[D]``"""
    scale: Tensor
    """``[D]`` factor by which columns are multiplied; 0 for constant columns."""
    gram: Tensor
    """``[D, D]`` sum of outer products of standardised rows."""
    cross: Tensor
    """``[D, Q]`` sum of products of standardised columns and centred targets."""
    y_mean: Tensor
    """``[Q]``"""
    rows: Tensor
    """Number of rows."""

    systems: dict[float, Damped]
    """Penalty -> its system, for penalties that were asked for; training sets of the same rows may share them."""

    @classmethod
    def of(
        cls, train: Sums, whole: Sums, *, standardise: bool = True, systems: dict[float, Damped] | None = None
    ) -> Standardised:
        """The standardised moments of a training set, which is a part of ``whole``.

        Sums about a point near the mean keep more digits than sums about zero; both must be about the same.
        """
        gram = train.scatter
        varies = whole.scatter.diagonal() / whole.count if train is not whole else gram.diagonal() / train.count
        square = train.xx.diagonal() / train.count
        scale = scale_of(gram.diagonal() / train.count, square, varies, whole.rounding, standardise=standardise)
        gram.mul_(scale[:, None]).mul_(scale)
        cross = train.cross.mul_(scale[:, None])
        systems = {} if systems is None else systems
        return cls(train.mean, scale, gram, cross, train.y / train.count, train.count, systems)

    def weights(self, penalty: float, targets: Tensor | slice = slice(None)) -> Tensor:
        """Ridge weights ``[D, Q]`` of standardised columns."""
        if penalty not in self.systems:
            self.systems[penalty] = Damped(self.gram, penalty * self.rows)
        return self.systems[penalty].solve(self.cross[:, targets])

    def error(self, held: Sums, weights: Tensor, targets: Tensor) -> Tensor:
        """Summed squared error ``[P, Q]`` on the rows of ``held`` of standardised ``weights`` ``[P, D, Q]``."""
        n, mean, y_mean = held.count, self.mean, self.y_mean[targets]
        y, xy = held.y[targets], held.xy[:, targets]
        yy = held.yy[targets] - 2 * y_mean * y + n * y_mean.square()
        cross = (xy - torch.outer(mean, y) - torch.outer(held.x - n * mean, y_mean)) * self.scale[:, None]
        shift = torch.outer(held.x, mean)
        xx = (held.xx - shift - shift.T + n * torch.outer(mean, mean)) * self.scale[:, None] * self.scale
        return yy - 2 * (weights * cross).sum(1) + (weights * (xx @ weights)).sum(1)


@dataclass(frozen=True)
class LeastSquares:
    """Ridge regression with the penalty of each target chosen on inner folds."""

    penalties: Sequence[float] = PENALTIES
    standardise: bool = True

    def solve(
        self, moments: Moments, choose: Tensor, held: Sequence[int | None]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each held-out fold (None: no fold): weights ``[D, Q]``, bias ``[Q]`` and penalties ``[Q]``.

        ``choose`` ``[Q]`` names, for each target, the target whose chosen penalty it uses.
        """
        targets = choose.unique()
        place = torch.zeros(int(choose.max()) + 1, dtype=torch.long)
        place[targets] = torch.arange(len(targets))
        best = self.chosen(moments, targets, held)
        return self.solutions(moments, [of_fold[place[choose]] for of_fold in best], held)

    def chosen(self, moments: Moments, targets: Tensor, held: Sequence[int | None]) -> list[Tensor]:
        """For each held-out fold, the index of the best penalty ``[Q]`` of each of the ``targets``, on inner folds."""
        _, sums = moments.centred
        total = sums.total()
        filled = sums.count.nonzero()[:, 0].tolist()

        def errors(out: frozenset[int]) -> Mapping[int, Tensor]:
            train = reduce(lambda rest, j: rest - sums.at(j), sorted(out), total)
            return self._errors(Standardised.of(train, total, standardise=self.standardise), sums, out, targets)

        return chosen_inside(errors, filled, held, len(targets), self.penalties)

    def solutions(
        self,
        moments: Moments,
        best: Sequence[Tensor],
        held: Sequence[int | None],
        systems: Sequence[dict[float, Damped]] | None = None,
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """What :meth:`solve` gives, with the index of each target's penalty ``[Q]`` for each held-out fold.

        ``systems``: for each held-out fold those that are kept for further targets of the same rows.
        """
        origin, sums = moments.centred
        total = sums.total()
        for i, k in enumerate(held):
            train = total if k is None else total - sums.at(k)
            kept = None if systems is None else systems[i]
            standardised = Standardised.of(train, total, standardise=self.standardise, systems=kept)
            yield self._solution(standardised, best[i], origin)

    def weights(self, train: Standardised, penalty: float, targets: Tensor) -> Tensor:
        """Weights ``[D, Q]`` of standardised columns; subclasses with constrained weights override it."""
        return train.weights(penalty, targets)

    def _errors(self, train: Standardised, sums: Sums, out: frozenset[int], targets: Tensor) -> dict[int, Tensor]:
        """Squared errors ``[P, Q]`` on each fold of ``out``, after training on all other folds."""
        weights = torch.stack([self.weights(train, penalty, targets) for penalty in self.penalties])
        worked(float(len(self.penalties)) * len(train.scale) ** 3)
        return {j: train.error(sums.at(j), weights, targets) for j in out}

    def _solution(self, train: Standardised, best: Tensor, origin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, bias and penalties for columns as they came, given the index of each target's penalty ``[Q]``."""
        weight = torch.empty_like(train.cross)
        for p in best.unique().tolist():
            weight[:, best == p] = self.weights(train, self.penalties[p], best == p)
        weight.mul_(train.scale[:, None])
        bias = train.y_mean - (origin + train.mean) @ weight
        return weight, bias, torch.tensor(self.penalties, dtype=torch.float64, device=weight.device)[best]


def scale_of(variance: Tensor, square: Tensor, whole: Tensor, rounding: float, *, standardise: bool) -> Tensor:
    """The factor ``[D]`` by which columns are multiplied, from their variance and mean square in training.

    ``whole``: their variance over all rows, of which the sums err by ``rounding``. Columns that do not vary get 0.
    """
    flat = (variance <= FLAT * square) | (variance <= max(LEFT, 2 * rounding) * whole)
    size = variance if standardise else variance.mean()
    return torch.where(flat, 0.0, size.clamp(min=torch.finfo(torch.float64).tiny).rsqrt())


def chosen_inside(
    errors: Callable[[frozenset[int]], Mapping[int, Tensor]],
    filled: Sequence[int],
    held: Sequence[int | None],
    targets: int,
    penalties: Sequence[float],
) -> list[Tensor]:
    """For each held-out fold, the index of the penalty ``[Q]`` with the lowest error on inner folds.

    ``errors`` gives, for folds left out of training together, the squared errors ``[P, Q]`` on each of them; ``filled``
    are the folds that hold rows.
    """
    best, known = [], dict[frozenset[int], Mapping[int, Tensor]]()
    for k in held:
        inner = [j for j in filled if j != k]
        if len(inner) < 2 or len(penalties) < 2:
            best.append(torch.full((targets,), min(MIDDLE, len(penalties) - 1)))
            continue
        pairs = [(frozenset({j} if k is None else {j, k}), j) for j in inner]
        for out in (out for out, _ in pairs if out not in known):
            known[out] = errors(out)
        best.append(torch.stack([known[out][j] for out, j in pairs]).sum(0).argmin(0).cpu())
    return best
