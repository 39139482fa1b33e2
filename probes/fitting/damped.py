"""Damped systems ``(G + c I) a = b`` with a positive semidefinite G, factored once for all right-hand sides.

Large systems are factored in float32, which takes half the time, and the answer is refined with residuals in float64.
With c > 0 no eigenvalue of the system is below c, so an answer a with residual r errs by at most

    |a - a*| <= |r| / c

and refinement ends when that is below :data:`TOLERANCE` of |a|. Where float32 does not get there in :data:`STEPS` steps
(systems that are nearly singular), the system is factored in float64. So the bound, and not the processor, decides
which answers count. Where rounding has left G with eigenvalues below -c, they are taken for zero.

One factor a damping is less work than one eigendecomposition for all: six factors and their solutions take 2 m^3
operations, an eigendecomposition 9 m^3 (at m = 1,200 on one core 0.22 s against 0.64 s in float64).

Letters: m size of the system, q right-hand sides.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

TOLERANCE = 1e-7
"""Largest part of an answer that float32 may get wrong: that of a reading in float32."""
STEPS = 8
"""Refinements after which a system is factored in float64."""
LARGE = 512
"""Smaller systems are factored in float64 at once."""
FEW = 8
"""A system with more than 1 / 8 as many right-hand sides as rows is factored in float64: refining would cost more."""


class Damped:
    """One damped system, factored when it is first solved."""

    def __init__(self, gram: Tensor, damping: Tensor | float) -> None:
        """``gram``: float64 ``[m, m]``, which is kept and not copied; ``damping``: c."""
        self._gram, self._damping = gram, damping
        self._quick: Tensor | None = None
        self._exact: Tensor | None = None
        self._spectrum: tuple[Tensor, Tensor] | None = None
        self._refinable = len(gram) >= LARGE

    def solve(self, right: Tensor) -> Tensor:
        """Answers ``[m, q]`` for right-hand sides ``[m, q]``, float64."""
        if self._refinable and self._exact is None and right.shape[1] * FEW <= len(right):
            if (refined := self._refined(right)) is not None:
                return refined
            self._refinable, self._quick = False, None
        return self._exactly(right)

    def _damped(self, kind: torch.dtype) -> Tensor:
        damped = self._gram.to(kind, copy=True)
        damped.diagonal().add_(self._damping)
        return damped

    def _refined(self, right: Tensor) -> Tensor | None:
        """The answers by refinement; None where they do not reach the tolerance."""
        if self._quick is None:
            self._quick = _factor(self._damped(torch.float32))
            if self._quick is None:
                return None
        answer = _solved(self._quick, right.float()).double()
        for _ in range(STEPS):
            residual = right - self._gram @ answer - self._damping * answer
            allowed = TOLERANCE * self._damping * answer.norm(dim=0)
            if bool((residual.norm(dim=0) <= allowed).all()):
                return answer
            answer = answer + _solved(self._quick, residual.float()).double()
        return None

    def _exactly(self, right: Tensor) -> Tensor:
        """The answers by a factor in float64; by eigenvalues where there is none."""
        if self._exact is None and self._spectrum is None:
            self._exact = _factor(self._damped(torch.float64))
            if self._exact is None:
                self._spectrum = torch.linalg.eigh(self._gram)
        if self._spectrum is not None:
            return _by_eigenvalues(*self._spectrum, self._damping, right)
        assert self._exact is not None
        return _solved(self._exact, right)


def _factor(damped: Tensor) -> Tensor | None:
    """The Cholesky factor of a symmetric matrix, which is overwritten on the CPU; None where there is none."""
    if damped.device.type != "cpu":
        factor, failed = torch.linalg.cholesky_ex(damped)
        return None if int(failed) else factor
    lapack = linalg.lapack.dpotrf if damped.dtype == torch.float64 else linalg.lapack.spotrf
    # SciPy's LAPACK is 1.5 to 2 times as fast as PyTorch's at 256 to 1,200; the transpose makes it work in place.
    factored, failed = lapack(damped.numpy().T, lower=1, clean=0, overwrite_a=1)
    return None if failed else torch.from_numpy(factored)


def _solved(factor: Tensor, right: Tensor) -> Tensor:
    """Answers from the lower factor that :func:`_factor` gave."""
    if factor.device.type != "cpu":
        return torch.cholesky_solve(right, factor)
    lapack = linalg.lapack.dpotrs if factor.dtype == torch.float64 else linalg.lapack.spotrs
    answer, _ = lapack(factor.numpy(), right.numpy(), lower=1)
    return torch.from_numpy(np.ascontiguousarray(answer))


def solved_together(gram: Tensor, damping: Tensor | float, right: Tensor) -> Tensor:
    """Answers ``[t, m, q]`` of t small systems ``[t, m, m]`` damped by c; by eigenvalues where one has no factor."""
    damped = gram.clone()
    damped.diagonal(dim1=1, dim2=2).add_(damping)
    factor, failed = torch.linalg.cholesky_ex(damped)
    answer = torch.cholesky_solve(right, factor)
    if bool((failed > 0).any()):
        without = failed.nonzero()[:, 0]
        values, vectors = torch.linalg.eigh(gram[without])
        answer[without] = _by_eigenvalues(values, vectors, damping, right[without])
    return answer


def _by_eigenvalues(values: Tensor, vectors: Tensor, damping: Tensor | float, right: Tensor) -> Tensor:
    """Answers from eigenvalues ``[..., m]``; those below 0 are rounding. The shortest where nothing is damped."""
    damped = values.clamp(min=0.0) + damping
    inverse = torch.where(damped > 0, damped, torch.inf).reciprocal()
    return vectors @ (inverse[..., None] * (vectors.mT @ right))


def gram_of(rows: Tensor, out: Tensor | None = None) -> Tensor:
    """``rows @ rows.T`` ``[m, m]``, on the CPU with half the work of a product of two matrices."""
    if rows.device.type != "cpu":
        return torch.mm(rows, rows.T, out=out)
    own = rows.numpy()  # NumPy recognises the transpose and computes one triangle (syrk)
    return torch.from_numpy(np.matmul(own, own.T, out=None if out is None else out.numpy()))
