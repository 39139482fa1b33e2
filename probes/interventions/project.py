"""project: set the component of the activations inside a subspace to its mean.

    x' = x - B B' (x - mean)        B = orthonormal basis of the subspace

This is directional ablation about the mean. Unlike erasure (:mod:`imprint.probes.interventions.erase`), the projection
is orthogonal and removes only the given subspace: directions outside it that correlate with a concept still carry the
concept. With ``mean=None`` it projects about zero, as in Arditi et al. 2024 (arXiv 2406.11717, equation 4), which also
removes the mean inside the subspace.

Letters: n rows, d width, k dimension of the subspace, m directions given.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.base import Intervention, orthonormal


@dataclass(frozen=True)
class Projection(Intervention):
    """``x - B B' (x - mean)``."""

    mean: Tensor
    """``[d]``; its component inside the subspace is what all rows get."""
    basis: Tensor
    """``[d, k]`` orthonormal."""

    def change(self, activations: Tensor) -> Tensor:
        """Activations ``[n, d]`` with the mean's component inside the subspace."""
        mean, basis = self.mean.to(activations), self.basis.to(activations)
        return activations - (activations - mean) @ basis @ basis.T


def projection(directions: Tensor, mean: Tensor | None = None) -> Projection:
    """Project out the span of ``directions`` (``[d]``, or columns ``[d, m]``, of any length) about ``mean [d]``."""
    basis = orthonormal(directions)
    centre = torch.zeros(len(basis), dtype=basis.dtype) if mean is None else mean.detach()
    if centre.shape != (len(basis),):
        raise ImprintError(f"the mean is {list(centre.shape)}; expected [{len(basis)}], like the directions.")
    return Projection(centre, basis)
