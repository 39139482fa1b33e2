"""steer: shift activations along a direction.

    x' = x + strength * s * u        u = unit direction,  s = standard deviation of u' x over rows

Activation addition (Turner et al. 2023, arXiv 2308.10248). Deviation from the source: strength is in standard
deviations of the activations along the direction and not in lengths of the direction, so that strengths are comparable
between sites and directions.

Letters: n rows, d width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.interventions.base import Intervention

STILL = 8.0
"""A standard deviation along a direction below this many rounding errors of the units in it counts as zero."""


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
        """Activations ``[n, d]``, all shifted by the same vector."""
        return activations + self.strength * self.scale * self.direction.to(activations)


def steering(activations: Tensor, direction: Tensor, strength: float) -> Steering:
    """Shift by ``strength`` standard deviations of ``activations [n, d]`` along ``direction [d]`` (of any length).

    Raises :class:`NotMeasurableError` when the activations do not vary along the direction.
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
    scale = float(((x - x.mean(0)) @ unit).std(correction=0))
    precision = torch.finfo(activations.dtype if activations.is_floating_point() else torch.float64).eps
    if scale <= STILL * precision * float((x.square().mean(0) @ unit.square()).sqrt()):
        raise NotMeasurableError("the activations do not vary along the direction, so a strength has no unit there")
    return Steering(unit, scale, strength)
