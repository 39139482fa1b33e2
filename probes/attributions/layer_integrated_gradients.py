"""layer_integrated_gradients: integrated gradients with the units of a site as the input.

    a_j = (h_j - h_j^b) * integral_0^1 dv/dh_j (h^b + t (h - h^b)) dt        h = activations at x, h^b at the baseline
    sum_j a_j = v(x) - v(x with the site set to h^b)

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) from the site on, through captum. It asks what the
units' own values add, whatever put them there; the straight path in the site may leave the activations that real
observations give.

Deviations from the source: the rest of the pass keeps the observation, so on a site that carries only part of the way
the attributions add up to the effect of resetting the site, not the whole observation. That effect is the reference
that ``baseline_value`` holds.

Letters: n observations, d width of the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import LayerAttributor, gradient_at, tapped
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LayerIntegratedGradients(LayerAttributor):
    """Integrated gradients from the value to the units of a site."""

    complete: ClassVar[bool] = True

    steps: int = 32
    """Points on the way."""

    def copies(self) -> int:
        """All points of an observation go through the model together."""
        return self.steps

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, d]`` of a chunk."""
        value, tap = tapped(subject, self.site)
        with torch.enable_grad():
            found: Tensor = attr.LayerIntegratedGradients(value, tap).attribute(
                observation, baselines=baseline, n_steps=self.steps, method="gausslegendre"
            )
        return found

    def reference(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """``[n]`` value of the observations with the site set to its activations at the baseline."""
        start, _ = gradient_at(subject, baseline, self.site)
        return subject.values(observation, edits={self.site: lambda a: start.repeat(len(a), 1)})
