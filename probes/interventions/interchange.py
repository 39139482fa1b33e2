"""interchange: replace the component of a row's activations inside a subspace by that of another row.

    x' = x + B B' (source - x)        B = orthonormal basis, or the whole site

On the whole site this is activation patching; with a learned B it is the intervention of distributed alignment search
(Geiger et al. 2021, arXiv 2106.02997; Geiger et al. 2023, arXiv 2303.02536, definition 3.2). The intervention holds the
source activations, one for each row on which it will be called, in order.

Its placebo interchanges another subspace, with ``scaled_like`` set to the basis under test: every row moves exactly as
far as the tested interchange would move it, but inside the other subspace. Effects that the placebo has as well come
from the size of the change alone.

Letters: n rows, d width, k dimension of the subspace, m dimension of the subspace that sets the length.
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
    """``[n, d]`` source activations."""
    basis: Tensor | None = None
    """``[d, k]`` orthonormal; None: the whole site. May require a gradient."""
    scaled_like: Tensor | None = None
    """``[d, m]`` orthonormal; each row moves as far as an interchange of this subspace would move it."""

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
        difference = source - activations
        move = _inside(difference, self.basis)
        if self.scaled_like is not None:
            smallest = torch.finfo(move.dtype).tiny
            length = _inside(difference, self.scaled_like).norm(dim=1, keepdim=True)
            move = move * (length / move.norm(dim=1, keepdim=True).clamp_min(smallest))
        return activations + move

    def rows(self, rows: slice) -> Interchange:
        """The interchange for some of the rows."""
        return replace(self, source=self.source[rows])


def _inside(x: Tensor, basis: Tensor | None) -> Tensor:
    """Orthogonal projection of rows ``[n, d]`` onto the span of ``basis`` ``[d, k]``."""
    if basis is None:
        return x
    basis = basis.to(x)
    return x @ basis @ basis.T
