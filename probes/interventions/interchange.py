"""interchange: give the activations of one row, inside a subspace, the values they take on another.

    x' = x + B B' (source - x)        B = orthonormal basis, or the whole site

With B the whole site this is activation patching; with a learned B the intervention of distributed alignment search
(Geiger et al. 2021, arXiv 2106.02997; Geiger et al. 2023, arXiv 2303.02536, definition 3.2). The source activations are
held by the intervention, one for each row it will be called on, in order.

The placebo is another subspace, ``scaled_like`` the one that is judged: each row is moved exactly as far as B would
move it, in a direction of the other subspace. What the placebo does too comes from moving activations by that much.

Letters: n rows, d width, k dimension of the subspace, m of the one that sets the length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.base import Intervention


@dataclass(frozen=True)
class Interchange(Intervention):
    """``x + B B' (source - x)``, row by row."""

    source: Tensor
    """``[n, d]`` activations to take from."""
    basis: Tensor | None = None
    """``[d, k]`` orthonormal; the whole site when ``None``. May require a gradient."""
    scaled_like: Tensor | None = None
    """``[d, m]`` orthonormal: each row moves as far as interchanging this subspace would move it."""

    def change(self, activations: Tensor) -> Tensor:
        """Activations ``[n, d]`` with the component inside the subspace taken from the source."""
        if self.source.shape != activations.shape:
            raise ImprintError(
                f"the sources are {list(self.source.shape)} and the activations {list(activations.shape)}; expected "
                "one source for each row. Narrow the intervention down with rows() where rows are run in pieces."
            )
        source = self.source.to(activations)
        if self.basis is None and self.scaled_like is None:
            return source.clone()
        apart = source - activations
        move = _inside(apart, self.basis)
        if self.scaled_like is not None:
            smallest = torch.finfo(move.dtype).tiny
            wanted = _inside(apart, self.scaled_like).norm(dim=1, keepdim=True)
            move = move * (wanted / move.norm(dim=1, keepdim=True).clamp_min(smallest))
        return activations + move

    def rows(self, rows: slice) -> Interchange:
        """The sources of some of the rows."""
        return replace(self, source=self.source[rows])


def _inside(x: Tensor, basis: Tensor | None) -> Tensor:
    if basis is None:
        return x
    basis = basis.to(x)
    return x @ basis @ basis.T
