"""predictive_coding: units settle between what is predicted of them and what they have to explain; then weights learn.

    e_l = v_l - tanh(W_l v_{l-1} + b_l)            the error of every layer; v_0 = x and v_L = y are held
    v_l <- v_l - step [ e_l - W_{l+1}^T (tanh'(a_{l+1}) e_{l+1}) ],      ``settling`` times, from the forward pass on
    change of W_l = - mean of (tanh'(a_l) e_l) v_{l-1}^T

Whittington & Bogacz 2017 (doi:10.1162/NECO_a_00949). What has to be explained is shared out among the layers, so that
its changes are those of backpropagation only as the output's precision goes to zero; its claim to follow the gradient
is about small output errors. Deviations from the source: (1) activities, not potentials, are the values of the units
(its equations with the nonlinearity outside of the sum); (2) a fixed number of plain steps, so that with few of them
lower layers learn more slowly.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, slope, synapses
from imprint.models.settings import FrozenSettings


class PredictiveCoding(Rule):
    """Errors of units that settle."""

    class Settings(FrozenSettings):
        settling: int = Field(32, ge=1, le=10_000)
        """Steps in which the units settle."""
        step: float = Field(0.1, gt=0.0, le=1.0)
        """Size of such a step."""

    settings: Settings
    locality = "transport"
    follows_gradient = 35.0

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by the errors that are left when the units have settled."""
        h = network.activities(x)
        held, last = [*h[:-1], y], network.hidden
        for _ in range(self.settings.settling if last else 0):
            errors, scaled = self._errors(network, held, h[1])
            for layer in range(1, last + 1):
                back = scaled[layer] @ network.weights[layer]
                held[layer] = held[layer] - self.settings.step * (errors[layer - 1] - back)
        deltas = [-error for error in self._errors(network, held, h[1])[1]]
        return network.changes(held, deltas, network.losses(h[-1], y).mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F + (2 settling + 1) U: what the inputs predict of the first layer stays as it is while units settle."""
        return 2 * synapses(widths) + (2 * self.settings.settling + 1) * synapses(widths, 2)

    @staticmethod
    def _errors(network: Network, held: list[Tensor], first: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Errors of layers 1 ... L, and the same times the slope of what predicts them; ``first``: of layer 1."""
        errors, scaled = [], []
        for layer, above in enumerate(held[1:]):
            predicted = network.layer(layer, held[layer]) if layer else first
            errors.append(above - predicted)
            scaled.append(errors[-1] if layer == network.hidden else errors[-1] * slope(predicted))
        return errors, scaled
