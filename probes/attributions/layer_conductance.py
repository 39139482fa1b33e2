"""layer_conductance: how much of the change of value passes through each unit of a site.

    a_j = integral_0^1 dv/dh_j * dh_j/dt  dt          h(t) = activations at b + t (x - b)
    sum_j a_j = v(x) - v(b)   where everything that reaches the value passes through the site

Conductance (Dhamdhere, Sundararajan & Yan 2019, arXiv 1805.12233), through captum: integrated gradients with respect to
the observation, split by the unit of the site that they pass through. Where the value also depends on the observation
past the site (one position of a sequence, one branch of a skip connection), that part is the completeness error.

Deviations from the source: the integral is a sum over ``steps`` equal intervals of the gradient at the start of the
interval times the exact change of the unit over it; it is exact where the value is linear in the units.

Letters: n observations, d width of the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import LayerAttributor, require_gradient, tapped
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LayerConductance(LayerAttributor):
    """Conductance of the units of a site."""

    complete: ClassVar[bool] = True

    steps: int = 128
    """Number of intervals."""

    def copies(self) -> int:
        """All points are in the same forward pass."""
        return self.steps + 1

    def check(self, subject: Subject, observation: Tensor) -> None:
        """Refuse a value that is not differentiable in the site, or in the observation."""
        super().check(subject, observation)
        require_gradient(subject, observation)

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, d]`` of a chunk."""
        value, tap = tapped(subject, self.site)
        with torch.enable_grad():
            attributions: Tensor = attr.LayerConductance(value, tap).attribute(
                observation, baselines=baseline, n_steps=self.steps, method="riemann_trapezoid"
            )
        return attributions
