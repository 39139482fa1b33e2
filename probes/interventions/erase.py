"""erase: remove a concept from activations so that no linear probe reads it, with the least change of the activations.

LEACE (Belrose et al. 2023, arXiv 2306.03819): of all affine maps that make the covariance with the concept z zero, the
one that changes the (whitened) activations least,

    r(x) = x - W+ P W (x - mean)        W = whitening of x,  P = orthogonal projection onto the columns of W Cov(x, z)

Its placebo (:meth:`Whitened.random`) removes as many random directions of the same whitened span, and so measures the
effect of removing any subspace of that dimension.

Deviations from the source: (1) everything is computed in factored form in the span of the data, so that a singular
covariance and more units than rows need no special treatment; (2) the concept's columns are replaced by independent
ones that span the same space, so that k classes remove at most k - 1 directions; (3) the covariance is not shrunk.

Ranks are decided here, and must be the same on every processor, so no threshold is a fixed number. All of them start
from units of standard deviation 1, since LEACE does not depend on the scale of a unit and a probe need not either.

    span      directions whose variance exceeds what rounding gives them: of the sums of products, as
              :attr:`imprint.probes.fitting.moments.Sums.rounding` states it, and of the rows themselves, (u rms / s)^2
              for a unit of root mean square rms and standard deviation s with roundoff u
    concept   independent columns of the concept, in float64; k classes never give more than k - 1
    erasure   singular values of the whitened covariance above its rounding error: Cov(x, z) is summed in float64
              whatever the type of the rows, so its relative error is about sqrt(n) 2^-53, and whitening multiplies it
              by at most the ratio of the largest to the smallest standard deviation in the span

Letters: n rows, d width, k concept columns, s dimension of the data's span, r rank of the erasure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.stats import chi2
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.moments import BLOCK, Moments
from imprint.probes.interventions.base import Intervention

SAFETY = 16.0
"""What is below this multiple of its expected rounding error counts as zero."""
ROUNDOFF = 2.0**-53
"""Unit roundoff of float64."""


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

    @cached_property
    def _largest(self) -> float:
        """The largest absolute entry of ``right``; 0 without entries."""
        return float(self.right.abs().max()) if self.right.numel() else 0.0

    def change(self, activations: Tensor) -> Tensor:
        """Erased activations ``[n, d]``."""
        if activations.is_floating_point() and self._largest > torch.finfo(activations.dtype).max:
            return self.change(activations.double()).to(activations)  # some unit is too small for its inverse
        mean, left, right = (part.to(activations) for part in (self.mean, self.left, self.right))
        return activations - (activations - mean) @ right.T @ left.T


@dataclass(frozen=True)
class Whitened:
    """Whitened activations, from which the eraser of any concept follows without another eigendecomposition."""

    mean: Tensor
    """``[d]``"""
    unit: Tensor
    """``[d]`` standard deviation of each unit; 1 for a constant one."""
    axes: Tensor
    """``[d, s]`` principal directions of the standardised units, orthonormal but for constant units, which are 0."""
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
        mean, varies = x.mean(0), varying(activations)
        x = x - mean
        unit = torch.where(varies, _root_mean_square(x), 1.0)
        x = torch.where(varies, x / unit, 0.0)
        wide = x.shape[1] > len(x)
        scale, vectors = _span((x @ x.T if wide else x.T @ x) / len(x), sums_rounding(len(x)))
        axes = x.T @ vectors / (scale * len(x) ** 0.5) if wide else vectors
        kept = scale.square() > SAFETY * rows_rounding(mean, unit, activations.dtype) @ axes.square()
        axes, scale = axes[:, kept], scale[kept]
        return cls(mean, unit, axes, scale, x @ axes / scale, len(x))

    @classmethod
    def of_moments(
        cls,
        mean: Tensor,
        covariance: Tensor,
        count: int,
        *,
        varies: Tensor | None = None,
        noise: Tensor | None = None,
        rounding: float | None = None,
    ) -> Whitened:
        """Whiten ``count`` rows of which only the mean ``[d]`` and the covariance ``[d, d]`` are known.

        ``varies`` (bool ``[d]``) marks the units that are not constant (default: those of variance above 0), ``noise``
        ``[d]`` is the part of each unit's variance that is rounding of the rows (:func:`rows_rounding`; default:
        float64), and ``rounding`` the relative error of the covariance (default: :func:`sums_rounding`). Erasers then
        come from :meth:`erase_covariance`, because :meth:`erase` needs the rows.
        """
        if mean.dim() != 1 or covariance.shape != (len(mean), len(mean)):
            raise ImprintError(
                f"the mean is {list(mean.shape)} and the covariance {list(covariance.shape)}; expected [d] and [d, d]."
            )
        covariance = covariance.detach().double()
        varies = (covariance.diagonal() > 0) & (True if varies is None else varies)
        unit, correlation = _standardised(covariance, varies)
        noise = rows_rounding(mean, unit, torch.float64) if noise is None else noise
        rounding = sums_rounding(count) if rounding is None else rounding
        return cls.of_spectrum(mean, unit, torch.linalg.eigh(correlation), count, noise=noise, rounding=rounding)

    @classmethod
    def of_spectrum(
        cls, mean: Tensor, unit: Tensor, spectrum: tuple[Tensor, Tensor], count: int, *, noise: Tensor, rounding: float
    ) -> Whitened:
        """As :meth:`of_moments`, from eigenvalues and eigenvectors of the correlation."""
        scale, axes = _kept(spectrum[0], spectrum[1], rounding)
        kept = scale.square() > SAFETY * noise @ axes.square()
        return cls(mean.detach().double(), unit, axes[:, kept], scale[kept], axes.new_zeros(0, int(kept.sum())), count)

    @cached_property
    def basis(self) -> Tensor:
        """``[d, s]`` orthonormal basis of the span of the activations."""
        basis: Tensor = torch.linalg.qr(self.unit[:, None] * self.axes).Q
        return basis

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
        return self._leace((self.axes / self.scale).T @ (cross.double() / self.unit[:, None]))

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
        left = self.unit[:, None] * (self.axes @ (self.scale[:, None] * directions))
        right = (directions / self.scale[:, None]).T @ self.axes.T / self.unit
        return Eraser(self.mean, left, right)


def _root_mean_square(x: Tensor) -> Tensor:
    """Root mean square ``[d]`` of columns ``[n, d]``, whose squares may be too small or too large for their type."""
    largest = x.abs().amax(0)
    return torch.where(largest > 0, largest * (x / largest).square().mean(0).sqrt(), 0.0)


def _span(correlation: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """Standard deviations ``[s]`` and principal directions ``[., s]`` of the span of standardised rows.

    ``rounding`` is the relative error of every entry; errors that are independent give eigenvalues of at most twice its
    square root of the size of the matrix.
    """
    variance, vectors = torch.linalg.eigh(correlation)
    return _kept(variance, vectors, rounding)


def _kept(variance: Tensor, vectors: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """As :func:`_span`, from eigenvalues in ascending order and eigenvectors."""
    keep = variance > SAFETY * rounding * len(variance) ** 0.5 * variance[-1].clamp(min=ROUNDOFF)
    return variance[keep].sqrt(), vectors[:, keep]


def _standardised(covariance: Tensor, varies: Tensor) -> tuple[Tensor, Tensor]:
    """Standard deviations ``[d]`` (1 for a constant unit) and the correlation ``[d, d]``, 0 for constant units."""
    unit = torch.where(varies, covariance.diagonal(), 1.0).sqrt()
    return unit, covariance / unit / unit[:, None] * (varies & varies[:, None])


def sums_rounding(count: int) -> float:
    """Expected relative error of a float64 sum of ``count`` products, added one after the other."""
    return math.sqrt(count) * ROUNDOFF


def rows_rounding(mean: Tensor, unit: Tensor, kind: torch.dtype) -> Tensor:
    """Part ``[d]`` of the variance of each unit that is rounding of rows of type ``kind``.

    ``mean`` and ``unit`` are ``[d]``, the means and standard deviations.
    """
    precision = torch.finfo(kind if kind.is_floating_point else torch.float64).eps / 2
    return precision**2 * (1 + (mean / unit).square())


def varying(activations: Tensor) -> Tensor:
    """Which units of ``[n, d]`` are not constant, bool ``[d]``.

    Rounding errors of the erasure at a constant unit would depend on the concept, and a probe that standardises units
    would read them; so constant units are left out of the span.
    """
    rows = activations.detach()
    return (rows != rows[:1]).any(0)


def independent(concept: Tensor) -> Tensor:
    """Uncorrelated columns ``[n, r]`` of mean 0 and variance 1 with the span of the centred columns of ``concept``.

    ``concept`` is ``[n, k]``. Constant and linearly dependent columns add nothing, so that k one-hot columns give at
    most k - 1.
    """
    z = concept.detach().reshape(len(concept), -1).double()
    z = z[:, varying(z)]
    if not z.shape[1]:
        return z
    centred = z - z.mean(0)
    left, size, _ = torch.linalg.svd(centred / centred.square().mean(0).sqrt(), full_matrices=False)
    orthogonal: Tensor = left[:, size > SAFETY * len(z) * ROUNDOFF * size[0]]
    return orthogonal * math.sqrt(len(z))


def eraser(activations: Tensor, concept: Tensor) -> Eraser:
    """The LEACE eraser of ``concept`` ``[n, k]`` from ``activations`` ``[n, d]``, computed from moments where possible.

    The covariance of float32 rows is computed from float32 products, or from float64 products when some direction has
    a variance near the error of those; the covariance with the concept always from float64 products.
    """
    concept = concept.reshape(len(concept), -1)
    wide = activations.dim() != 2 or len(concept) != len(activations) or activations.shape[1] > len(activations)
    if wide or not activations.numel() or not _squares_fit(activations):
        return Whitened.of(activations).erase(concept)
    no_targets = activations.new_zeros(len(activations), 0)
    moments = Moments.of([(activations, no_targets, torch.zeros(len(activations), dtype=torch.long))])
    origin, sums = moments.centred
    sums = sums.at(0)
    mean, covariance, varies = origin + sums.mean, sums.scatter / sums.count, varying(activations)
    if not _variance_held(covariance.diagonal()[varies], activations.dtype):
        return Whitened.of(activations).erase(concept)
    unit, correlation = _standardised(covariance, varies)
    spectrum = torch.linalg.eigh(correlation)
    if activations.dtype != torch.float64 and _delicate(spectrum[0], int(varies.sum()), sums.rounding):
        return eraser(activations.double(), concept)
    z = independent(concept.to(activations.device))
    cross = mean.new_zeros(z.shape[1], len(mean))
    for x, columns in zip(activations.detach().split(BLOCK), z.split(BLOCK), strict=True):
        cross += columns.T @ x.to(torch.float64, copy=True).sub_(mean)
    noise, rounding = rows_rounding(mean, unit, activations.dtype), sums_rounding(len(activations))
    span = Whitened.of_spectrum(mean, unit, spectrum, len(activations), noise=noise, rounding=rounding)
    return span.erase_covariance(cross.T / len(z))


def _squares_fit(activations: Tensor) -> bool:
    """Whether sums of squares of the activations stay finite in the type of their products."""
    largest = max(abs(float(end)) for end in torch.aminmax(activations.detach()))
    return largest < math.sqrt(_product_limits(activations.dtype).max / len(activations))


def _variance_held(variance: Tensor, kind: torch.dtype) -> bool:
    """Whether units of these variances are large enough for products of rows of type ``kind`` not to vanish."""
    limits = _product_limits(kind)
    return bool((variance > limits.tiny / limits.eps).all())


def _product_limits(kind: torch.dtype) -> torch.finfo:
    """Range of the products of rows of type ``kind``: at least that of float32."""
    return torch.finfo(torch.float64 if kind == torch.float64 else torch.float32)


def _delicate(variance: Tensor, varying_units: int, rounding: float) -> bool:
    """Whether some direction of the standardised units has too small a variance for the error of the sums.

    ``variance`` are eigenvalues in ascending order, of which those of constant units are 0.
    """
    if not varying_units:
        return False
    return not float(variance[-varying_units]) > SAFETY * rounding * varying_units**0.5
