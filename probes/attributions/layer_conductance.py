"""layer_conductance: how much of the change of value passes through each unit of a site.

    a_j = integral_0^1 dv/dh_j * dh_j/dt  dt          h(t) = activations at b + t (x - b)
    sum_j a_j = v(x) - v(b)   where everything that reaches the value passes through the site

Conductance (Dhamdhere, Sundararajan & Yan 2019, arXiv 1805.12233), through captum: integrated gradients with respect to
the observation, split by the unit of the site that they pass through. Where the value also depends on the observation
past the site (one position of a sequence, one branch of a skip connection), that part is the completeness error. There
is no line between two tokens; ``path`` names the site, for instance their embedding, along whose activations it runs.

Deviations from the source: the integral is a sum over ``steps`` equal intervals of the gradient at the start of the
interval times the exact change of the unit over it; it is exact where the value is linear in the units.

Letters: n observations, d width of the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from captum import attr
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import (
    LayerAttributor,
    constant_like,
    first_site,
    gradient_at,
    require_gradient,
    start_at,
)
from imprint.probes.subjects.site import Edit
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LayerConductance(LayerAttributor):
    """Conductance of the units of a site."""

    complete: ClassVar[bool] = True

    steps: int = 128
    """Number of intervals."""
    path: str | None = None
    """Site at which the line begins at the baseline and ends at the activations; None: the observation itself."""

    def copies(self) -> int:
        """All points are in the same forward pass."""
        return self.steps + 1

    def start(self, subject: Subject, observation: Tensor) -> Tensor:
        """The baseline observation ``[1, ...]``, or the activations ``[1, d]`` of the path's site."""
        if self.path is not None:
            return start_at(subject, observation, self.path, self.baseline)
        if not observation.is_floating_point():
            raise ImprintError(
                f"observations are {str(observation.dtype)[6:]} (tokens), and no line leads from one to another: let "
                f"it run at their embedding, path={first_site(subject, observation)!r}."
            )
        return constant_like(observation, self.baseline)

    def check(self, subject: Subject, observation: Tensor) -> None:
        """Refuse a value that is not differentiable in the site, or along the path."""
        super().check(subject, observation)
        if self.path is None:
            require_gradient(subject, observation)
        else:
            gradient_at(subject, observation, self.path)

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, d]`` of a chunk."""
        tap = Tap()

        def value(point: Tensor, seen: Tensor) -> Tensor:
            edits: dict[str, Edit] = {self.path: lambda _: point.clone()} if self.path is not None else {}
            before: Edit = edits.get(self.site, lambda a: a)
            edits[self.site] = lambda a: cast("Tensor", tap(before(a))).clone()
            return subject.value_with_grad(point if self.path is None else seen, edits=edits)

        end = observation if self.path is None else gradient_at(subject, observation, self.path)[0]
        with torch.enable_grad():
            attributions: Tensor = attr.LayerConductance(value, tap).attribute(
                end,
                baselines=baseline.to(end),
                additional_forward_args=(observation,),
                n_steps=self.steps,
                method="riemann_trapezoid",
            )
        return attributions

    def reference(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """``[n]`` value that the attributions start from: of the baseline observation, or with the path at its own."""
        if self.path is None:
            return subject.values(baseline).expand(len(observation))
        return subject.values(observation, edits={self.path: lambda a: baseline.to(a).repeat(len(a), 1)})


class Tap(nn.Module):
    """Returns the activations ``[n, d]`` of a site unchanged; captum hooks it in place of the model's module."""

    def forward(self, activations: Tensor) -> Tensor:
        """A copy of the activations."""
        return activations.clone()
