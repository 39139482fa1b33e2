"""backprop: the gradient of the loss, carried back through the transposed forward weights.

    d_l = (W_{l+1}^T d_{l+1}) tanh'(a_l),      change of W_l = mean of d_l h_{l-1}^T

Rumelhart, Hinton & Williams 1986 (doi:10.1038/323533a0). It teaches every learner: one that is not layered is taught
through automatic differentiation of its objective (:mod:`imprint.models.learning.cohort`).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, slope, synapses


class Backprop(Rule):
    """The exact gradient."""

    locality = "transport"
    follows_gradient = 0.1
    layered = False

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """The gradient of the loss."""
        h = network.activities(x)
        deltas = [h[-1] - y]
        for weight, activity in zip(network.weights[:0:-1], h[-2:0:-1], strict=True):
            deltas.insert(0, (deltas[0] @ weight) * slope(activity))
        return network.changes(h, deltas, network.losses(h[-1], y).mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + U."""
        return 2 * synapses(widths) + synapses(widths, 2)
