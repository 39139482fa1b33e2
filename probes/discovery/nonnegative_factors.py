"""nonnegative_factors: nonnegative parts whose nonnegative sums reconstruct the activations.

    x  ~  code @ parts,   code >= 0,   parts >= 0,   squared error minimal

Nonnegative matrix factorisation (Lee & Seung 1999, Nature 401:788) by scikit-learn's coordinate descent, started from
a nonnegative SVD (Boutsidis & Gallopoulos 2008). New rows are encoded by the same descent with the parts fixed.

It is for activations that cannot be negative (after a ReLU). Others are refused, unless ``negative="split"``: then each
unit becomes two columns, its positive and its negative part, the factorisation has 2 d columns, and a direction is the
difference of its two halves. Only the product of code and part is identified, so parts have unit length.

Letters: n rows, d width of the site, m features, p nonnegative columns (d, or 2 d when split).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from sklearn.decomposition import NMF, non_negative_factorization
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.discovery.base import Dictionary, Discovery, Progress, draw_seed, must_converge, unit_rows

ADVICE = "Ask for fewer features, more steps or a larger tolerance."


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts(Dictionary):
    method = "nonnegative_factors"
    signed = False
    parts: Tensor
    """``[m, p]`` unit rows; p = 2 d when positive and negative parts are split."""
    steps: int
    tolerance: float

    def encode(self, x: Tensor) -> Tensor:
        """Codes ``[n, m]`` of rows ``[n, d]``, by nonnegative least squares."""
        columns = _columns(self._rows(x), split=self.parts.shape[1] > x.shape[1])
        with must_converge("encoding by non-negative factors", ADVICE):
            codes, _, _ = non_negative_factorization(
                columns.cpu().numpy(),
                H=self.parts.cpu().numpy(),
                n_components=len(self.parts),
                update_H=False,
                max_iter=self.steps,
                tol=self.tolerance,
            )
        return torch.from_numpy(codes).to(self.directions)

    def decode(self, codes: Tensor) -> Tensor:
        """Reconstructed rows ``[n, d]`` of codes ``[n, m]``."""
        return codes.to(self.parts) @ _folded(self.parts, self.directions.shape[1])


@dataclass(frozen=True)
class NonnegativeFactors(Discovery):
    """Nonnegative matrix factorisation; refuses negative activations unless ``negative`` is ``split``."""

    dictionary = _Parts
    features: int = 16
    """Number of parts."""
    negative: Literal["refuse", "split"] = "refuse"
    """Treatment of negative activations: raise, or split every unit into a positive and a negative part."""
    steps: int = 2000
    """Largest number of iterations."""
    tolerance: float = 1e-4
    """Size of the gradient, relative to that of the first step, at which the iteration stops."""

    def _find(self, train: Tensor, rng: torch.Generator, progress: Progress) -> Dictionary:
        if self.negative not in ("refuse", "split"):
            raise ImprintError(f"negative is {self.negative!r}; expected 'refuse' or 'split'.")
        split = self.negative == "split"
        columns = _columns(train.double(), split=split)
        if not 1 <= self.features <= min(columns.shape):
            raise ImprintError(f"features is {self.features}; expected 1 to {min(columns.shape)} for this input.")
        seed = draw_seed(rng)
        method = NMF(self.features, init="nndsvda", max_iter=self.steps, tol=self.tolerance, random_state=seed)
        with must_converge("NMF", ADVICE):
            codes = method.fit_transform(columns.cpu().numpy())
        components = torch.from_numpy(method.components_.copy()).to(train.device)
        dead = (torch.from_numpy(codes).to(train.device).amax(0) <= 0) | (components.amax(1) <= 0)
        parts = unit_rows(components)
        directions = unit_rows(_folded(parts, train.shape[1]))
        offset = torch.zeros(train.shape[1], dtype=parts.dtype, device=train.device)
        return _Parts(
            directions=directions, offset=offset, dead=dead, parts=parts, steps=self.steps, tolerance=self.tolerance
        )


def _columns(x: Tensor, *, split: bool) -> Tensor:
    """Nonnegative columns ``[n, p]`` of rows ``[n, d]``."""
    if split:
        return torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)
    if bool((x < 0).any()):
        raise NotMeasurableError(
            f"{float((x < 0).double().mean()):.1%} of the activations are negative; non-negative factors need "
            "activations of zero or more. Read the site after its ReLU, or say negative='split'"
        )
    return x


def _folded(parts: Tensor, width: int) -> Tensor:
    """Parts ``[m, p]`` as vectors ``[m, d]`` in activation space."""
    return parts if parts.shape[1] == width else parts[:, :width] - parts[:, width:]
