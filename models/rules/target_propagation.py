"""target_propagation: every layer gets a target, sent down by an inverse of the layer above that is learned, too.

    t_L = prediction - step d_L
    t_l = h_l + g_{l+1}(t_{l+1}) - g_{l+1}(h_{l+1}),       g_l(h) = tanh(V_l h + c_l), the inverse of layer l
    change of W_l = - mean of (tanh'(a_l) (t_l - h_l)) h_{l-1}^T / step
    V_l, c_l learn to give back h_{l-1} + noise from what layer l makes of it, by the delta rule

Difference target propagation (Lee, Zhang, Fischer & Bengio 2015, arXiv 1412.7525). Deviations from the source: (1) the
last hidden layer's target comes through a learned inverse, too, where the source takes the gradient, so that no
forward weight is transported; (2) inverse and forward weights learn in the same step; (3) the change is divided by the
``step``, so that its scale is that of a gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, slope, synapses
from imprint.models.settings import FrozenSettings


class TargetPropagation(Rule):
    """Targets through learned inverses."""

    class Settings(FrozenSettings):
        step: float = Field(0.1, gt=0.0, le=10.0)
        """How far the output's target lies from the prediction, in units of the error."""
        noise: float = Field(0.1, gt=0.0, le=10.0)
        """Standard deviation of the noise on activities that an inverse learns to give back."""
        inverse_rate: float = Field(0.1, gt=0.0, le=10.0)
        """Rate of the delta rule of the inverses."""

    settings: Settings
    locality = "feedback"

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """Inverses of layers 2 ... L: ``[S, d_{l-1}, d_l]`` and ``[S, d_{l-1}]``."""
        own = {}
        for i, (below, above) in enumerate(itertools.pairwise(widths[1:])):
            own[f"inverse.{i}"] = self.normal(below, above) / above**0.5
            own[f"offset.{i}"] = torch.zeros(len(self.rngs), below)
        return own

    def inverted(self, i: int, above: Tensor) -> Tensor:
        """What the inverse of layer i + 2 takes for the cause of ``above``, ``[S, B, d_{i+1}]``."""
        return torch.tanh(torch.baddbmm(self.own[f"offset.{i}"][:, None], above, self.own[f"inverse.{i}"].mT))

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes towards the layers' targets; the inverses learn."""
        h, s = network.activities(x), self.settings
        hidden = range(network.hidden)
        target = h[-1] - s.step * (h[-1] - y)
        deltas = [h[-1] - y]
        for i in reversed(hidden):
            target = h[i + 1] + self.inverted(i, target) - self.inverted(i, h[i + 2])
            deltas.insert(0, (h[i + 1] - target) * slope(h[i + 1]) / s.step)
        for i in hidden:
            self._learn_inverse(i, network, h[i + 1])
        return network.changes(h, deltas, network.losses(h[-1], y).mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + 5U: two inverses of every target, and three products to teach an inverse."""
        return 2 * synapses(widths) + 5 * synapses(widths, 2)

    def _learn_inverse(self, i: int, network: Network, cause: Tensor) -> None:
        """One step of the inverse of layer i + 2 on its own noisy causes."""
        noisy = cause + self.settings.noise * self.normal(*cause.shape[1:])
        above = network.layer(i + 1, noisy)
        guess = self.inverted(i, above)
        error = (guess - noisy) * slope(guess)
        rate = self.settings.inverse_rate / cause.shape[1]
        self.own[f"inverse.{i}"] -= rate * (error.mT @ above)
        self.own[f"offset.{i}"] -= rate * error.sum(1)
