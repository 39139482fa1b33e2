"""hebbian: hidden units compete for every input, and those that win move towards it; only the output sees the target.

    q_i = (w_i . x) / |w_i| + b_i,   the ``winners`` with the largest q_i have y_i = w_i . x, all others y_i = 0
    change of w_i = - mean of y_i (x - y_i w_i)               Oja's rule: Hebb's, with a decay that keeps |w_i| near 1
    change of b_i = (how often i wins) - winners / d          a unit that wins too often becomes harder to excite
    output: delta rule,  d_L h_{L-1}^T

Oja 1982 (doi:10.1007/BF00275687) with k winners (Rumelhart & Zipser 1985; compare Krotov & Hopfield 2019,
doi:10.1073/pnas.1820458116). Hidden layers learn without any error, reward or target; so what they come to know is what
their input is like. Deviations: (1) the network's forward pass stays that of all rules (all units, tanh), winners decide
about learning alone; (2) the threshold's homeostasis.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule
from imprint.models.settings import FrozenSettings


class Hebbian(Rule):
    """Oja's rule for the winners of each hidden layer, and a delta rule for the output."""

    class Settings(FrozenSettings):
        winners: int = Field(8, ge=1, le=65_536)
        """Units of a hidden layer that learn from a row."""

    settings: Settings
    locality = "broadcast"

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes of winners, and of the output by its error."""
        h, rows = network.activities(x), x.shape[1]
        weights, biases = [], []
        for layer in range(network.hidden):
            weight, below = network.weights[layer], h[layer]
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
