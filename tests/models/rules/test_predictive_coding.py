"""Predictive coding against the gradient of its energy, whose minimum over the units another optimiser finds."""

from __future__ import annotations

from itertools import pairwise

import torch

from imprint.models.rules.base import Network
from imprint.models.rules.predictive_coding import PredictiveCoding


def test_settled_units_ask_for_the_gradient_of_the_least_energy() -> None:
    """The energy is half the sum of squared errors; at its minimum its gradient is that with the units held."""
    rng = torch.Generator().manual_seed(0)
    widths, rows = (4, 6, 5, 3), 7
    weights = [torch.randn(1, b, a, generator=rng).double() / a**0.5 for a, b in pairwise(widths)]
    biases = [torch.randn(1, b, generator=rng).double() / 5 for b in widths[1:]]
    net = Network(weights, biases)
    x, y = (torch.randn(1, rows, width, generator=rng).double() for width in (widths[0], widths[-1]))

    def energy(network: Network, units: list[torch.Tensor]) -> torch.Tensor:
        held = [x, *units, y]
        return sum(0.5 * (held[i + 1] - network.layer(i, held[i])).square().sum() for i in range(3)) / rows  # type: ignore[return-value]

    units = [unit.clone().requires_grad_() for unit in net.activities(x)[1:-1]]
    exact = {"max_iter": 5000, "tolerance_grad": 1e-13, "tolerance_change": 0}
    optimiser = torch.optim.LBFGS(units, line_search_fn="strong_wolfe", **exact)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = energy(net, units)
        loss.backward()
        return loss

    optimiser.step(closure)
    leaves = [weight.clone().requires_grad_() for weight in weights]
    energy(Network(leaves, biases), [unit.detach() for unit in units]).backward()
    rule = PredictiveCoding(PredictiveCoding.Settings(settling=2000, step=0.1))
    rule.start(widths, (0,))
    for asked, leaf in zip(rule.changes(net, x, y).weights, leaves, strict=True):
        torch.testing.assert_close(asked, leaf.grad, rtol=1e-4, atol=1e-6)
