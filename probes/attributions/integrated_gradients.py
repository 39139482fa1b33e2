"""integrated_gradients: the value's gradient, averaged along the line from a baseline to the observation.

    a_i = (x_i - b_i) * integral_0^1 dv/dx_i (b + t (x - b)) dt          sum_i a_i = v(x) - v(b)

Axiomatic attribution (Sundararajan et al. 2017, arXiv 1703.01365), through captum. For a value that is linear in the
observation it gives exactly a = w * (x - b). The error of the second equation (completeness) is reported per
observation.

Deviations from the source: the integral is a Gauss-Legendre sum of ``steps`` points.

Letters: n observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import Attributor
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(Attributor):
    """Integrated gradients of the value with respect to the observation."""

    complete: ClassVar[bool] = True

    steps: int = 32
    """Points at which the gradient is evaluated."""

    def copies(self) -> int:
        """All points are in the same forward pass."""
        return self.steps

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        method = attr.IntegratedGradients(subject.value_with_grad, multiply_by_inputs=True)
        with torch.enable_grad():
            attributions: Tensor = method.attribute(observation, baseline, n_steps=self.steps, method="gausslegendre")
        return attributions
