"""integrated_gradients: the value's gradient, averaged on the way from a baseline to the observation.

    a_i = (x_i - b_i) * integral_0^1 dv/dx_i (b + t (x - b)) dt          sum_i a_i = v(x) - v(b)

Axiomatic attribution (Sundararajan et al. 2017, arXiv 1703.01365), through captum. For a value that is linear in the
observation it is exact: a = w * (x - b). The second equation (completeness) is reported as an error per observation.

Deviations from the source: the integral is a Gauss-Legendre sum of ``steps`` points.

Letters: n observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from captum import attr
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import Attribution, Attributor, constant_like
from imprint.probes.subject import Subject


@dataclass(frozen=True)
class IntegratedGradients(Attributor):
    """Integrated gradients from the value to the observation."""

    baseline: str = "mean"
    """``mean`` of the observations, or ``zeros``."""
    steps: int = 32
    """Points on the way."""
    rows: int = 1024
    """Most observations in one pass (points times episodes)."""

    def __call__(self, subject: Subject, observation: Tensor) -> Attribution:
        """Attributions ``[n, ...]`` of the value. The observation must be of a float type."""
        if not observation.is_floating_point():
            raise ImprintError(f"observations are {observation.dtype}; integrated gradients need a float observation.")
        start = constant_like(observation, self.baseline)
        method = attr.IntegratedGradients(subject.value_with_grad, multiply_by_inputs=True)
        with torch.enable_grad():
            found = method.attribute(
                observation.detach(),
                baselines=start,
                n_steps=self.steps,
                method="gausslegendre",
                internal_batch_size=max(self.rows, len(observation)),
            )
        value = subject.values(observation)
        baseline_value = subject.values(start).expand(len(observation))
        return Attribution(found.detach(), value, baseline_value)
