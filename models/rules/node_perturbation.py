"""node_perturbation: every unit is jostled, and what made the loss smaller is done more.

    a'_l = a_l + sigma xi_l,      change of W_l = mean of  (loss' - loss) xi_l / sigma  h'_{l-1}^T

Fiete & Seung 2006 (doi:10.1103/PhysRevLett.97.048104); Werfel, Xie & Seung 2005. The mean over noise is the gradient as
sigma goes to 0; its variance grows with the number of units. One number is broadcast: how much worse the row went than
without noise, which takes a second, quiet pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, synapses
from imprint.models.settings import FrozenSettings


class NodePerturbation(Rule):
    """Correlation of noise with the loss, against a quiet pass."""

    class Settings(FrozenSettings):
        sigma: float = Field(0.01, gt=0.0, le=10.0)
        """Standard deviation of the noise on every unit's drive."""

    settings: Settings
    locality = "broadcast"
    follows_gradient = 20.0

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by noise and the loss that it cost."""
        sigma = self.settings.sigma
        noise = [sigma * self.normal(x.shape[1], width) for width in network.widths[1:]]
        quiet = network.losses(network.activities(x)[-1], y)
        h = network.activities(x, noise)
        cost = (network.losses(h[-1], y) - quiet)[..., None] / sigma**2
        return network.changes(h, [cost * each for each in noise], quiet.mean(1))

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """3F: two passes, and the outer products."""
        return 3 * synapses(widths)
