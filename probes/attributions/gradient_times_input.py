"""gradient_times_input: the value's gradient at the observation, times the difference from the baseline.

    a_i = (x_i - b_i) * dv/dx_i (x)

The first-order Taylor estimate of each element's contribution (Shrikumar et al. 2016, arXiv 1605.01713), through
captum, in one backward pass. It is exact for a value that is linear in the observation. Otherwise it may be far off:
where the value saturates, the gradient vanishes even at the elements that determine the value.

Deviations from the source: the difference is taken from ``baseline``, as in all methods here, so that methods can be
compared; ``baseline="zeros"`` is the published form.

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
        """``[n, ...]``: captum's method on the value as a function of the difference from the baseline."""
        method = attr.InputXGradient(lambda difference: subject.value_with_grad(baseline + difference))
        with torch.enable_grad():
            attributions: Tensor = method.attribute((observation - baseline).requires_grad_())
        return attributions
