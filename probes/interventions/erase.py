"""erase: remove a concept from activations, so that no linear probe finds it, and change nothing else.

LEACE (Belrose et al. 2023, arXiv 2306.03819), the least change in the whitened sense that makes the covariance with the
concept zero:

    r(x) = x - W+ P W (x - mean)        W = whitening of x,  P = orthogonal projection onto the columns of W Cov(x, z)

The placebo (:meth:`Whitened.random`) removes as many directions of the same whitened span, drawn at random: what it
costs is the price of deleting *something* of that size.

Deviations from the source: (1) everything is computed in the span of the data in factored form, so that neither a
singular covariance nor a width above the number of rows is a special case; (2) the concept's columns are replaced by
independent ones that span the same space, so that k classes never lose more than k - 1 directions; (3) no shrinkage of
the covariance.

Two ranks are decided here, and both must come out the same on every processor. The rank of the concept is decided on
its own columns in float64. The rank of the erasure is the number of whitened covariances above what rounding can make:
Cov(x, z) is summed in float64 whatever the type of the rows, so its error is about sqrt(n) 2^-53 of the magnitudes, and
whitening multiplies it by at most the largest over the smallest standard deviation of the span.

Letters: n rows, d width, k concept columns, s dimension of the data's span, r rank of the erasure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.stats import chi2
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import BLOCK, Moments
from imprint.probes.interventions.base import Intervention

SPAN = 1e-10
"""Directions whose variance is below this part of the largest are not in the span."""
DELICATE = 1e-4
"""Below this smallest variance of standardised units, covariances are summed from float64 products."""
ROUNDOFF = 2.0**-53
"""Of float64."""
SAFETY = 16.0
"""Whitened covariances are zero below this many times their expected rounding error."""


@dataclass(frozen=True)
class Eraser(Intervention):
    """``x - left @ right @ (x - mean)``."""

    mean: Tensor
    """``[d]`` of the activations it was fitted on."""
    left: Tensor
    """``[d, r]`` back from the whitened directions."""
    right: Tensor
    """``[r, d]`` to the whitened directions."""

    @property
    def rank(self) -> int:
        """How many directions are removed; 0 leaves everything as it is."""
        return int(self.left.shape[1])

    def change(self, activations: Tensor) -> Tensor:
        """Erased activations ``[n, d]``."""
        mean, left, right = (part.to(activations) for part in (self.mean, self.left, self.right))
        return activations - (activations - mean) @ right.T @ left.T


@dataclass(frozen=True)
class Whitened:
    """The span of some activations; fits erasers for any concept without looking at the covariance again."""

    mean: Tensor
    """``[d]``"""
    basis: Tensor
    """``[d, s]`` orthonormal principal directions."""
    scale: Tensor
    """``[s]`` standard deviation along each."""
    rows: Tensor
    """``[n, s]`` whitened activations; none when only their moments are known."""
    count: int
    """n, the number of rows behind mean and covariance."""

    @classmethod
    def of(cls, activations: Tensor) -> Whitened:
        """Whiten ``[n, d]`` in float64."""
        if activations.dim() != 2 or len(activations) < 2:
            raise ImprintError(f"activations are {list(activations.shape)}; expected [n, d] with at least two rows.")
        x = activations.detach().double()
        if not bool(torch.isfinite(x).all()):
            raise ImprintError("activations hold NaN or infinite values; nothing can be erased from them.")
        mean = x.mean(0)
        x = x - mean
        wide = x.shape[1] > len(x)
        scale, vectors = _spread((x @ x.T if wide else x.T @ x) / len(x))
        basis = x.T @ vectors / (scale * len(x) ** 0.5) if wide else vectors
        basis = torch.where(_varies(activations)[:, None], basis, 0.0)
        return cls(mean, basis, scale, x @ basis / scale, len(x))

    @classmethod
    def of_moments(cls, mean: Tensor, covariance: Tensor, count: int, *, varies: Tensor | None = None) -> Whitened:
        """Whiten ``count`` activations of which only the mean ``[d]`` and the covariance ``[d, d]`` are known.

        ``varies`` ``[d]`` says which units vary at all; without it, those whose variance is above 0. Erasers then come
        from :meth:`erase_covariance`; there are no rows to pass a concept for.
        """
        if mean.dim() != 1 or covariance.shape != (len(mean), len(mean)):
            raise ImprintError(
                f"the mean is {list(mean.shape)} and the covariance {list(covariance.shape)}; expected [d] and [d, d]."
            )
        covariance = covariance.detach().double()
        scale, basis = _spread(covariance)
        basis = torch.where((covariance.diagonal() > 0 if varies is None else varies)[:, None], basis, 0.0)
        return cls(mean.detach().double(), basis, scale, basis.new_zeros(0, len(scale)), count)

    def erase(self, concept: Tensor) -> Eraser:
        """The eraser of ``concept`` ``[n, k]`` (classes as one-hot columns). A constant concept gives rank 0."""
        if len(concept) != len(self.rows):
            raise ImprintError(
                f"the concept has {len(concept)} rows and the activations {len(self.rows)}; expected as many."
            )
        z = independent(concept)
        return self._leace(self.rows.T @ z / len(z))

    def erase_covariance(self, cross: Tensor) -> Eraser:
        """The eraser of a concept from its covariance ``[d, k]`` with the activations, summed in float64.

        Its columns must be uncorrelated and of unit variance, as :func:`independent` makes them.
        """
        if cross.dim() != 2 or len(cross) != len(self.mean):
            raise ImprintError(f"the covariance is {list(cross.shape)}; expected [{len(self.mean)}, k].")
        return self._leace(self.basis.T @ cross.double() / self.scale[:, None])

    def linearly_there(self, concept: Tensor, level: float = 0.01) -> bool:
        """Whether ``concept`` ``[n, k]`` covaries with the activations at all, by more than chance.

        With z made orthonormal, n times the squared whitened covariance is chi-square with s k degrees of freedom when
        nothing is there. Erasing then would delete a direction that noise has picked.
        """
        z = independent(concept)
        if not z.shape[1] or not len(self.scale):
            return False
        statistic = float((self.rows.T @ z).square().sum()) / len(z)
        return float(chi2.sf(statistic, len(self.scale) * z.shape[1])) < level

    def random(self, rank: int, *, rng: torch.Generator) -> Eraser:
        """The eraser of ``rank`` random directions of the whitened span (all of them, if there are no more)."""
        span = len(self.scale)
        draw = torch.randn(span, min(rank, span), generator=rng, dtype=torch.float64)
        return self._along(torch.linalg.qr(draw).Q)

    def _leace(self, whitened: Tensor) -> Eraser:
        """The eraser of a concept with whitened covariance ``[s, k]``, each singular value a correlation in [0, 1]."""
        left, strength, _ = torch.linalg.svd(whitened, full_matrices=False)
        return self._along(left[:, strength > self._rounding()])

    def _rounding(self) -> float:
        """What rounding can make of a whitened covariance that is zero."""
        if not len(self.scale):
            return 0.0
        spread = float(self.scale.square().sum().sqrt() / self.scale.min())
        return SAFETY * math.sqrt(self.count) * ROUNDOFF * spread

    def _along(self, directions: Tensor) -> Eraser:
        left = self.basis @ (self.scale[:, None] * directions)
        right = (directions / self.scale[:, None]).T @ self.basis.T
        return Eraser(self.mean, left, right)


def _spread(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations ``[s]`` and principal directions ``[., s]`` of the span."""
    variance, vectors = torch.linalg.eigh(covariance)
    keep = variance > SPAN * variance[-1].clamp(min=torch.finfo(variance.dtype).tiny)
    return variance[keep].sqrt(), vectors[:, keep]


def _varies(activations: Tensor) -> Tensor:
    """Which units ``[d]`` of ``[n, d]`` ever change.

    At a unit that does not, rounding would write the concept into a constant, where a probe that standardises its units
    would read it.
    """
    smallest, largest = activations.detach().aminmax(dim=0)
    return smallest < largest


def independent(concept: Tensor) -> Tensor:
    """Uncorrelated columns ``[n, r]`` of mean 0 and variance 1 that span the columns of ``concept`` ``[n, k]``.

    Constant columns and those that follow from others are left out: k classes as one-hot columns give at most k - 1.
    """
    z = concept.detach().reshape(len(concept), -1).double()
    z = z[:, _varies(z)]
    if not z.shape[1]:
        return z
    centred = z - z.mean(0)
    left, size, _ = torch.linalg.svd(centred / centred.square().mean(0).sqrt(), full_matrices=False)
    orthogonal: Tensor = left[:, size > SAFETY * len(z) * ROUNDOFF * size[0]]
    return orthogonal * math.sqrt(len(z))


def eraser(activations: Tensor, concept: Tensor) -> Eraser:
    """LEACE of ``concept`` ``[n, k]`` from ``activations`` ``[n, d]``, through their moments.

    The covariance of float32 rows is multiplied in float32, and again in float64 when directions of small variance are
    in their span; their covariance with the concept always in float64.
    """
    concept = concept.reshape(len(concept), -1)
    if activations.dim() != 2 or len(concept) != len(activations) or activations.shape[1] > len(activations):
        return Whitened.of(activations).erase(concept)
    no_targets = activations.new_zeros(len(activations), 0)
    sums = Moments.of([(activations, no_targets, torch.zeros(len(activations), dtype=torch.long))]).sums.at(0)
    if activations.dtype != torch.float64 and _delicate(sums.scatter):
        return eraser(activations.double(), concept)
    z = independent(concept.to(activations.device))
    pieces = zip(activations.detach().split(BLOCK), z.split(BLOCK), strict=True)
    cross = sum(((x.double() - sums.mean).T @ columns for x, columns in pieces), sums.mean.new_zeros(len(sums.mean), 1))
    covariance = sums.scatter / sums.count
    span = Whitened.of_moments(sums.mean, covariance, len(activations), varies=_varies(activations))
    return span.erase_covariance(cross / len(z))


def _delicate(scatter: Tensor) -> bool:
    """Whether some direction's variance is so small, beside its units', that float32 products blur it."""
    size = scatter.diagonal().sqrt()
    size = torch.where(size > 0, size, 1.0)
    return float(torch.linalg.eigvalsh(scatter / size / size[:, None])[0]) < DELICATE
