"""feedback_alignment: errors come back over fixed random weights, and the forward weights come to agree with them.

    d_l = (B_{l+1}^T d_{l+1}) tanh'(a_l),      B_l random, of the shape of W_l, never changed

Lillicrap, Cownden, Tweed & Akerman 2016 (doi:10.1038/ncomms13276). Deviation from the source: B_l is normal with the
variance 1 / d_{l-1} of initial forward weights, not a tuned uniform.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, slope, synapses


class FeedbackAlignment(Rule):
    """Errors of the layer above over fixed random weights."""

    locality = "feedback"

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """Feedback weights ``[S, d_l, d_{l-1}]`` from layer 2 on."""
        pairs = itertools.pairwise(widths[1:])
        return {f"feedback.{i}": self.normal(above, below) / below**0.5 for i, (below, above) in enumerate(pairs)}

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by errors that came over the feedback weights."""
        h = network.activities(x)
        deltas = [h[-1] - y]
        for layer in reversed(range(network.hidden)):
            deltas.insert(0, (deltas[0] @ self.own[f"feedback.{layer}"]) * slope(h[layer + 1]))
        return network.changes(h, deltas, network.losses(h[-1], y).mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + U."""
        return 2 * synapses(widths) + synapses(widths, 2)
