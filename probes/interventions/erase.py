"""erase: remove a concept from activations so that no linear probe reads it, with the least change of the activations.

LEACE (Belrose et al. 2023, arXiv 2306.03819): of all affine maps that make the covariance with the concept z zero, the
one that changes the (whitened) activations least,

    r(x) = x - W+ P W (x - mean)        W = whitening of x,  P = orthogonal projection onto the columns of W Cov(x, z)

Its placebo (:meth:`Whitened.random`) removes as many random directions of the same whitened span, and so measures the
effect of removing any subspace of that dimension.

Deviations from the source: (1) everything is computed in factored form in the span of the data, so that a singular
covariance and more units than rows need no special treatment; (2) the concept's columns are replaced by independent
ones that span the same space, so that k classes remove at most k - 1 directions; (3) the covariance is not shrunk.

Two ranks are decided here, and both must be the same on every processor. The rank of the concept is that of its own
columns in float64. The rank of the erasure is the number of singular values of the whitened covariance above the
rounding error: Cov(x, z) is summed in float64 whatever the type of the rows, so its relative error is about sqrt(n)
2^-53, and whitening multiplies it by at most the ratio of the largest to the smallest standard deviation in the span.

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
"""Directions with less than this part of the largest variance do not belong to the span."""
DELICATE = 1e-4
"""Smallest variance along any direction of the standardised units for which float32 products are precise enough."""
ROUNDOFF = 2.0**-53
"""Unit roundoff of float64."""
SAFETY = 16.0
"""Singular values below this multiple of their expected rounding error count as zero."""


@dataclass(frozen=True)
class Eraser(Intervention):
    """``x - left @ right @ (x - mean)``."""

    mean: Tensor
    """``[d]`` mean of the activations that it was fitted on."""
    left: Tensor
    """``[d, r]`` maps whitened coordinates along the removed directions back to activations."""
    right: Tensor
    """``[r, d]`` maps activations to whitened coordinates along the removed directions."""

    @property
    def rank(self) -> int:
        """Number of removed directions; with 0 the activations do not change."""
        return int(self.left.shape[1])

    def change(self, activations: Tensor) -> Tensor:
        """Erased activations ``[n, d]``."""
        mean, left, right = (part.to(activations) for part in (self.mean, self.left, self.right))
        return activations - (activations - mean) @ right.T @ left.T


@dataclass(frozen=True)
class Whitened:
    """Whitened activations, from which the eraser of any concept follows without another eigendecomposition."""

    mean: Tensor
    """``[d]``"""
    basis: Tensor
    """``[d, s]`` orthonormal principal directions."""
    scale: Tensor
    """``[s]`` standard deviation along each principal direction."""
    rows: Tensor
    """``[n, s]`` whitened activations; ``[0, s]`` when only their moments are known."""
    count: int
    """n, the number of rows that mean and covariance are of."""

    @classmethod
    def of(cls, activations: Tensor) -> Whitened:
        """Whiten activations ``[n, d]`` in float64."""
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
        """Whiten ``count`` rows of which only the mean ``[d]`` and the covariance ``[d, d]`` are known.

        ``varies`` (bool ``[d]``) marks the units that are not constant; default: those of variance above 0. Erasers
        then come from :meth:`erase_covariance`, because :meth:`erase` needs the rows.
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
        """The eraser of ``concept`` ``[n, k]`` (classes as one-hot columns); of rank 0 for a constant concept."""
        if len(concept) != len(self.rows):
            raise ImprintError(f"the concept has {len(concept)} rows, activations {len(self.rows)}; expected as many.")
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
        """Whether ``concept`` ``[n, k]`` covaries with the activations by more than chance, at significance ``level``.

        With independent columns of variance 1, n times the squared whitened covariance is chi-square with s k degrees
        of freedom under independence. Without this test, erasing an absent concept would remove a direction of noise.
        """
        z = independent(concept)
        if not z.shape[1] or not len(self.scale):
            return False
        statistic = float((self.rows.T @ z).square().sum()) / len(z)
        return float(chi2.sf(statistic, len(self.scale) * z.shape[1])) < level

    def random(self, rank: int, *, rng: torch.Generator) -> Eraser:
        """The eraser of ``rank`` random directions of the whitened span (of all, when it has no more)."""
        span = len(self.scale)
        draw = torch.randn(span, min(rank, span), generator=rng, dtype=torch.float64)
        return self._along(torch.linalg.qr(draw).Q)

    def _leace(self, whitened: Tensor) -> Eraser:
        """The eraser of a concept with whitened covariance ``[s, k]``, whose singular values are correlations."""
        left, strength, _ = torch.linalg.svd(whitened, full_matrices=False)
        return self._along(left[:, strength > self._rounding()])

    def _rounding(self) -> float:
        """Largest singular value that rounding can give a whitened covariance of zero."""
        if not len(self.scale):
            return 0.0
        spread = float(self.scale.square().sum().sqrt() / self.scale.min())
        return SAFETY * math.sqrt(self.count) * ROUNDOFF * spread

    def _along(self, directions: Tensor) -> Eraser:
        """The eraser of orthonormal ``directions`` ``[s, r]`` of the whitened space."""
        left = self.basis @ (self.scale[:, None] * directions)
        right = (directions / self.scale[:, None]).T @ self.basis.T
        return Eraser(self.mean, left, right)


def _spread(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations ``[s]`` and principal directions ``[., s]`` of the span of a covariance matrix."""
    variance, vectors = torch.linalg.eigh(covariance)
    keep = variance > SPAN * variance[-1].clamp(min=torch.finfo(variance.dtype).tiny)
    return variance[keep].sqrt(), vectors[:, keep]


def _varies(activations: Tensor) -> Tensor:
    """Which units of ``[n, d]`` are not constant, bool ``[d]``.

    Rounding errors of the erasure at a constant unit would depend on the concept, and a probe that standardises units
    would read them; so constant units are left out of the span.
    """
    smallest, largest = activations.detach().aminmax(dim=0)
    return smallest < largest


def independent(concept: Tensor) -> Tensor:
    """Uncorrelated columns ``[n, r]`` of mean 0 and variance 1 with the span of the centred columns of ``concept``.

    ``concept`` is ``[n, k]``. Constant and linearly dependent columns add nothing, so that k one-hot columns give at
    most k - 1.
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
    """The LEACE eraser of ``concept`` ``[n, k]`` from ``activations`` ``[n, d]``, computed from moments where possible.

    The covariance of float32 rows is computed from float32 products, or from float64 products when some direction has
    a very small variance; the covariance with the concept always from float64 products.
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
    """Whether some direction of the standardised units has too small a variance for float32 products."""
    size = scatter.diagonal().sqrt()
    size = torch.where(size > 0, size, 1.0)
    return float(torch.linalg.eigvalsh(scatter / size / size[:, None])[0]) < DELICATE
