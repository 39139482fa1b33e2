"""steer: push activations along a direction.

    x' = x + strength * s * u        u = unit direction,  s = standard deviation of u' x over rows

Strength is counted in standard deviations of the activations along the direction, so that 1 means as far as rows
usually differ there, at every site and for every direction (activation addition, Turner et al. 2023, arXiv 2308.10248;
their coefficient is in the direction's own length, which is not comparable between sites).

Letters: n rows, d width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.interventions.base import Intervention

STILL = 8.0
"""Spread along a direction below this many rounding errors of the activations is none."""


@dataclass(frozen=True)
class Steering(Intervention):
    """``x + strength * scale * direction``."""

    direction: Tensor
    """``[d]`` of length one."""
    scale: float
    """Standard deviation of the activations along it."""
    strength: float
    """In units of ``scale``."""

    def change(self, activations: Tensor) -> Tensor:
        """Activations ``[n, d]``, all moved by the same step."""
        return activations + self.strength * self.scale * self.direction.to(activations)


def steering(activations: Tensor, direction: Tensor, strength: float) -> Steering:
    """Push ``strength`` standard deviations of ``activations [n, d]`` along ``direction [d]`` (of any length).

    Raises :class:`NotMeasurableError` when the activations do not vary along it: then there is no unit.
    """
    if activations.dim() != 2 or direction.shape != activations.shape[1:]:
        raise ImprintError(
            f"the direction is {list(direction.shape)} and the activations are {list(activations.shape)}; "
            "expected [d] and [n, d]."
        )
    x, unit = activations.detach().double().cpu(), direction.detach().double().cpu()
    length = float(unit.norm())
    if not 0.0 < length < float("inf"):
        raise ImprintError(f"the direction has length {length}; expected a finite one above zero.")
    unit = unit / length
    scale = float((x @ unit).std(correction=0))
    precision = torch.finfo(activations.dtype if activations.is_floating_point() else torch.float64).eps
    if scale <= STILL * precision * float(x.square().mean(0).sum().sqrt()):
        raise NotMeasurableError("the activations do not vary along the direction, so a strength has no unit there")
    return Steering(unit, scale, strength)
