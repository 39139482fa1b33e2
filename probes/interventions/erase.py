"""erase: remove a concept from activations, so that no linear probe finds it, and change nothing else.

LEACE (Belrose et al. 2023, arXiv 2306.03819), the least change in the whitened sense that makes the covariance with the
concept zero:

    r(x) = x - W+ P W (x - mean)        W = whitening of x,  P = orthogonal projection onto the columns of W Cov(x, z)

The placebo (:meth:`Whitened.random`) removes as many directions of the same whitened span, drawn at random: what it
costs is the price of deleting *something* of that size.

Deviations from the source: (1) everything is computed in the span of the data in factored form, so that neither a
singular covariance nor a width above the number of rows is a special case; (2) the concept's columns are scaled to unit
variance before the rank is decided (the column space is the same); (3) no shrinkage of the covariance.

Letters: n rows, d width, k concept columns, s dimension of the data's span, r rank of the erasure.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.stats import chi2
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.base import Intervention
from imprint.probes.moments import Moments, Sums

SPAN = 1e-10
"""Directions whose variance is below this part of the largest are not in the span."""
DELICATE = 1e-4
"""Below this smallest variance of standardised units, covariances are summed from float64 products."""
STILL = 1e-20
"""A unit whose variance is below this part of the largest does not vary."""
RANK = 1e-6
"""Whitened covariances (correlations) below this are zero."""


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
        basis = _without_still(basis, x.square().mean(0))
        return cls(mean, basis, scale, x @ basis / scale)

    @classmethod
    def of_moments(cls, mean: Tensor, covariance: Tensor) -> Whitened:
        """Whiten activations of which only the mean ``[d]`` and the covariance ``[d, d]`` are known.

        Erasers then come from :meth:`erase_covariance`; there are no rows to pass a concept for.
        """
        if mean.dim() != 1 or covariance.shape != (len(mean), len(mean)):
            raise ImprintError(
                f"the mean is {list(mean.shape)} and the covariance {list(covariance.shape)}; expected [d] and [d, d]."
            )
        covariance = covariance.detach().double()
        scale, basis = _spread(covariance)
        basis = _without_still(basis, covariance.diagonal())
        return cls(mean.detach().double(), basis, scale, basis.new_zeros(0, len(scale)))

    def erase(self, concept: Tensor) -> Eraser:
        """The eraser of ``concept`` ``[n, k]`` (classes as one-hot columns). A constant concept gives rank 0."""
        if len(concept) != len(self.rows):
            raise ImprintError(
                f"the concept has {len(concept)} rows and the activations {len(self.rows)}; expected as many."
            )
        z = concept.reshape(len(concept), -1).double()
        z = z - z.mean(0)
        spread = z.square().mean(0).sqrt()
        z = z[:, spread > 1e-12] / spread[spread > 1e-12]
        return self._leace(self.rows.T @ z / len(z))

    def erase_covariance(self, cross: Tensor) -> Eraser:
        """The eraser of a concept whose columns, of unit variance, have covariance ``[d, k]`` with the activations."""
        if cross.dim() != 2 or len(cross) != len(self.mean):
            raise ImprintError(f"the covariance is {list(cross.shape)}; expected [{len(self.mean)}, k].")
        return self._leace(self.basis.T @ cross.double() / self.scale[:, None])

    def linearly_there(self, concept: Tensor, level: float = 0.01) -> bool:
        """Whether ``concept`` ``[n, k]`` covaries with the activations at all, by more than chance.

        With z made orthonormal, n times the squared whitened covariance is chi-square with s k degrees of freedom when
        nothing is there. Erasing then would delete a direction that noise has picked.
        """
        z = concept.reshape(len(concept), -1).double()
        u, size, _ = torch.linalg.svd(z - z.mean(0), full_matrices=False)
        u = u[:, size > 1e-9 * len(z) ** 0.5]
        if not u.shape[1] or not len(self.scale):
            return False
        return float(chi2.sf(float((self.rows.T @ u).square().sum()), len(self.scale) * u.shape[1])) < level

    def random(self, rank: int, *, rng: torch.Generator) -> Eraser:
        """The eraser of ``rank`` random directions of the whitened span (all of them, if there are no more)."""
        span = len(self.scale)
        draw = torch.randn(span, min(rank, span), generator=rng, dtype=torch.float64)
        return self._along(torch.linalg.qr(draw).Q)

    def _leace(self, whitened: Tensor) -> Eraser:
        """The eraser of a concept with whitened covariance ``[s, k]``."""
        left, strength, _ = torch.linalg.svd(whitened, full_matrices=False)
        return self._along(left[:, strength > RANK])

    def _along(self, directions: Tensor) -> Eraser:
        left = self.basis @ (self.scale[:, None] * directions)
        right = (directions / self.scale[:, None]).T @ self.basis.T
        return Eraser(self.mean, left, right)


def _spread(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations ``[s]`` and principal directions ``[., s]`` of the span."""
    variance, vectors = torch.linalg.eigh(covariance)
    keep = variance > SPAN * variance[-1].clamp(min=torch.finfo(variance.dtype).tiny)
    return variance[keep].sqrt(), vectors[:, keep]


def _without_still(basis: Tensor, variance: Tensor) -> Tensor:
    """The basis ``[d, s]`` with exact zeros at units whose variance ``[d]`` is nothing.

    Rounding there would write the concept into a constant, where a probe that standardises its units would read it.
    """
    return torch.where((variance > STILL * variance.max())[:, None], basis, 0.0)


def eraser(activations: Tensor, concept: Tensor) -> Eraser:
    """LEACE of ``concept`` ``[n, k]`` from ``activations`` ``[n, d]``, through their moments.

    Float32 rows are multiplied in float32, and again in float64 when directions of small variance are in their span.
    """
    concept = concept.reshape(len(concept), -1)
    if activations.dim() != 2 or len(concept) != len(activations) or activations.shape[1] > len(activations):
        return Whitened.of(activations).erase(concept)
    sums = Moments.of([(activations, concept.to(activations.device), _one_fold(activations))]).sums.at(0)
    if activations.dtype != torch.float64 and _delicate(sums.scatter):
        return eraser(activations.double(), concept)
    return eraser_from(sums)


def eraser_from(sums: Sums) -> Eraser:
    """LEACE of a concept whose columns are the targets of some moments (one set of rows, no leading axis)."""
    spread = (sums.yy / sums.count - (sums.y / sums.count).square()).clamp(min=0.0).sqrt()
    varies = spread > 1e-7 * (sums.yy / sums.count).sqrt()
    cross = sums.cross[:, varies] / (sums.count * spread[varies])
    return Whitened.of_moments(sums.mean, sums.scatter / sums.count).erase_covariance(cross)


def _one_fold(activations: Tensor) -> Tensor:
    return torch.zeros(len(activations), dtype=torch.long)


def _delicate(scatter: Tensor) -> bool:
    """Whether some direction's variance is so small, beside its units', that float32 products blur it."""
    size = scatter.diagonal().sqrt()
    size = torch.where(size > 0, size, 1.0)
    return float(torch.linalg.eigvalsh(scatter / size / size[:, None])[0]) < DELICATE


def random_eraser(activations: Tensor, rank: int, *, rng: torch.Generator) -> Eraser:
    """The placebo: ``rank`` random directions of the whitened span of ``activations`` ``[n, d]``."""
    return Whitened.of(activations).random(rank, rng=rng)
