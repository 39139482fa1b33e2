"""gradient_times_input: the value's slope at the observation, times the distance from the baseline.

    a_i = (x_i - b_i) * dv/dx_i (x)

The first-order Taylor estimate of what each element adds (Shrikumar et al. 2016, arXiv 1605.01713), through captum, in
one backward pass. It is exact for a value linear in the observation, and promises nothing for a curved one: where the
value saturates, its gradient vanishes although the element decided it.

Deviations from the source: the distance is taken from ``baseline``, as in every other method here, so that methods can
be compared; ``baseline="zeros"`` is the published form.

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
class GradientTimesInput(Attributor):
    """Gradient of the value times (observation - baseline)."""

    complete: ClassVar[bool] = False

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """``[n, ...]``: captum's method on the value as a function of the distance from the baseline."""
        method = attr.InputXGradient(lambda distance: subject.value_with_grad(baseline + distance))
        with torch.enable_grad():
            found: Tensor = method.attribute((observation - baseline).requires_grad_())
        return found
