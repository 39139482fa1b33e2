"""hebbian: hidden units compete for every input, and those that win move towards it; only the output sees the target.

    u = (x - m) / |x - m|                              m the running mean of x, one number per presynaptic unit
    q_i = w_i . u / |w_i| + b_i                        y_i = w_i . u for the ``winners`` with the largest q_i, others 0
    change of w_i = - mean of y_i (u - y_i w_i)        Oja's rule: Hebb's, with a decay that keeps |w_i| near 1
    change of b_i = (how often i wins) - winners / d   a unit that wins too often becomes harder to excite
    output: delta rule,  d_L h_{L-1}^T

Oja 1982 (doi:10.1007/BF00275687) with k winners (Rumelhart & Zipser 1985; compare Krotov & Hopfield 2019,
doi:10.1073/pnas.1820458116). Hidden layers learn without any error, reward or target; so what they come to know is
what their input is like. Deviations: (1) the network's forward pass stays that of all rules (all units, tanh), winners
decide about learning alone; (2) input less its mean, of unit length; (3) the threshold's homeostasis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, synapses
from imprint.models.settings import FrozenSettings


class Hebbian(Rule):
    """Oja's rule for the winners of each hidden layer, and a delta rule for the output."""

    class Settings(FrozenSettings):
        winners: int = Field(4, ge=1, le=65_536)
        """Units of a hidden layer that learn from a row."""
        rate: float = Field(0.01, gt=0.0, le=1.0)
        """Rate of the running mean of what a layer sees."""

    settings: Settings
    locality = "broadcast"

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """Means ``[S, d]`` of what every hidden layer sees, not known before the first batch."""
        return {f"mean.{i}": torch.full((len(self.rngs), d), torch.nan) for i, d in enumerate(widths[:-2])}

    def _centred(self, name: str, x: Tensor) -> Tensor:
        """Rows less the running mean that is kept as ``name``, of unit length."""
        now, known = x.mean(1), self.own[name]
        mean = torch.where(known.isnan(), now, known + self.settings.rate * (now - known))
        self.own[name] = mean
        return torch.nn.functional.normalize(x - mean[:, None], dim=-1)

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes of winners, and of the output by its error."""
        h, rows = network.activities(x), x.shape[1]
        weights, biases = [], []
        for layer in range(network.hidden):
            weight, below = network.weights[layer], self._centred(f"mean.{layer}", h[layer])
            match = below @ weight.mT
            rank = match / weight.norm(dim=-1).clamp_min(1e-12)[:, None] + network.biases[layer][:, None]
            count = min(self.settings.winners, weight.shape[1])
            won = torch.zeros_like(rank).scatter_(-1, rank.topk(count).indices, 1.0)
            driven = won * match
            weights.append(((driven * match).sum(1)[..., None] * weight - driven.mT @ below) / rows)
            biases.append(won.mean(1) - count / weight.shape[1])
        error = h[-1] - y
        weights.append(error.mT @ h[-2] / rows)
        return Changes(network.losses(h[-1], y).mean(1), weights, [*biases, error.mean(1)])

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + H, with H the weights of hidden layers, whose winners take a pass of their own."""
        return 2 * synapses(widths) + synapses(widths[:-1])
