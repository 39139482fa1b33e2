"""direct_feedback_alignment: the output's error reaches every layer at once, over fixed random weights of its own.

    d_l = (B_l^T d_L) tanh'(a_l),      B_l random ``[d_L, d_l]``, never changed

Nøkland 2016 (arXiv 1609.01596). The error is a signal that is broadcast: nothing of the layers in between is needed.
Deviation from the source: B_l is normal with variance 1 / d_L.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, slope, synapses


class DirectFeedbackAlignment(Rule):
    """The output's error over fixed random weights."""

    locality = "broadcast"

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """Feedback weights ``[S, d_L, d_l]`` of every hidden layer."""
        last = widths[-1]
        return {f"feedback.{i}": self.normal(last, width) / last**0.5 for i, width in enumerate(widths[1:-1])}

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by the broadcast error."""
        h = network.activities(x)
        error = h[-1] - y
        hidden = [(error @ self.own[f"feedback.{i}"]) * slope(h[i + 1]) for i in range(network.hidden)]
        return network.changes(h, [*hidden, error], network.losses(h[-1], y).mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + d_L (d_1 + ... + d_{L-1})."""
        return 2 * synapses(widths) + widths[-1] * sum(widths[1:-1])
