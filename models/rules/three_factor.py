"""three_factor: what a unit did of its own accord is remembered at its synapses, and a reward says whether to keep it.

    a'_l = a_l + sigma xi_l
    eligibility = xi_l h'_{l-1}^T / sigma              presynaptic activity x what the postsynaptic unit did unprompted
    change of W_l = - mean of (reward - expected) eligibility,      reward = - loss' of the row
    expected <- expected + rate (mean reward - expected)            a running mean, no quiet pass

Williams 1992 (doi:10.1007/BF00992696, the case of Gaussian units); Frémaux & Gerstner 2016
(doi:10.3389/fncir.2015.00085) for the three factors. Unlike ``node_perturbation`` the network is never run without
noise, so that the third factor is a reward prediction error that a body can have; it pays with a larger variance.
Deviation: the expected reward is one number a seed, not a function of the input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.rules.base import Changes, Network, Rule, synapses
from imprint.models.settings import FrozenSettings


class ThreeFactor(Rule):
    """Eligibility of noise, gated by a reward prediction error."""

    class Settings(FrozenSettings):
        sigma: float = Field(0.3, gt=0.0, le=10.0)
        """Standard deviation of the noise on every unit's drive."""
        rate: float = Field(0.05, gt=0.0, le=1.0)
        """Rate of the running mean of the reward."""

    settings: Settings
    locality = "broadcast"
    follows_gradient = 45.0

    def initial(self, widths: Sequence[int]) -> dict[str, Tensor]:
        """The expected reward of every seed, which is not known before the first batch."""
        return {"expected": torch.full((len(self.rngs),), torch.nan)}

    def changes(self, network: Network, x: Tensor, y: Tensor) -> Changes:
        """Changes by the reward that was not expected."""
        s = self.settings
        noise = [s.sigma * self.normal(x.shape[1], width) for width in network.widths[1:]]
        h = network.activities(x, noise)
        reward = -network.losses(h[-1], y)
        mean = reward.mean(1)
        expected = torch.where(self.own["expected"].isnan(), mean, self.own["expected"])
        self.own["expected"] = expected + s.rate * (mean - expected)
        surprise = (reward - expected[:, None])[..., None] / s.sigma**2
        return network.changes(h, [-surprise * each for each in noise], -mean)

    def multiply_adds(self, widths: Sequence[int]) -> int:
        """2F."""
        return 2 * synapses(widths)
