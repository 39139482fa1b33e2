"""layer_integrated_gradients: integrated gradients with the units of a site as the input.

    a_j = (h_j - h_j^b) * integral_0^1 dv/dh_j (h^b + t (h - h^b)) dt        h = activations at x, h^b at the baseline
    sum_j a_j = v(x) - v(x with the site set to h^b)

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) with respect to the activations of a site, through
captum. The straight line between the activations may leave the set of activations that real observations give. It is
the method for tokens: ``site`` is then their embedding, or any later layer.

Deviations from the source: everything outside the site is computed from the observation. Where the value also depends
on the observation past the site, attributions therefore sum to the effect of setting the site to its activations at the
baseline, and not to v(x) - v(b); the value after that is ``baseline_value``.

Letters: n observations, d width of the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import LayerAttributor, gradient_at
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LayerIntegratedGradients(LayerAttributor):
    """Integrated gradients of the value with respect to the units of a site."""

    complete: ClassVar[bool] = True

    steps: int = 32
    """Points at which the gradient is evaluated."""

    def copies(self) -> int:
        """All points are in the same forward pass."""
        return self.steps

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, d]`` of a chunk."""

        def value(activations: Tensor, seen: Tensor) -> Tensor:
            return subject.value_with_grad(seen, edits={self.site: lambda _: activations.clone()})

        activations, _ = gradient_at(subject, observation, self.site)
        with torch.enable_grad():
            attributions: Tensor = attr.IntegratedGradients(value).attribute(
                activations,
                baseline.to(activations).expand_as(activations),
                additional_forward_args=(observation,),
                n_steps=self.steps,
                method="gausslegendre",
            )
        return attributions
