"""project: take a direction or a subspace out of the activations, and leave its mean.

    x' = x - B B' (x - mean)        B = orthonormal basis of the subspace

Every row then has the mean's coordinates inside the subspace (directional ablation about the mean). Unlike erasure
(:mod:`imprint.probes.interventions.erase`) the projection is orthogonal and takes what it is told to: correlated
directions outside B still carry the concept. Projecting about zero, as in Arditi et al. 2024 (arXiv 2406.11717,
equation 4), is ``mean=None``; it also moves what all rows share.

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
    """``[d]`` what is left inside the subspace."""
    basis: Tensor
    """``[d, k]`` orthonormal."""

    def change(self, activations: Tensor) -> Tensor:
        """Activations ``[n, d]`` without what they are inside the subspace."""
        mean, basis = self.mean.to(activations), self.basis.to(activations)
        return activations - (activations - mean) @ basis @ basis.T


def projection(directions: Tensor, mean: Tensor | None = None) -> Projection:
    """Take out the span of ``directions`` (``[d]``, or ``[d, m]`` in columns, of any length) about ``mean [d]``."""
    basis = orthonormal(directions)
    centre = torch.zeros(len(basis), dtype=basis.dtype) if mean is None else mean.detach()
    if centre.shape != (len(basis),):
        raise ImprintError(f"the mean is {list(centre.shape)}; expected [{len(basis)}], like the directions.")
    return Projection(centre, basis)
