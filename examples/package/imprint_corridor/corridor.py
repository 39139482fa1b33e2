"""corridor: somebody walks by, with food or without; a bell goes along with food nine times in ten."""

import pandas as pd
import torch

from imprint.models.steering.base import Senses
from imprint.models.worlds.base import World


class Corridor(World):
    """Three frames of 4 x 4 pixels: the smell's two parts lie in channel 0, the bell in channel 1."""

    factors = {"food": (False, True), "bell": (False, True)}
    moments = {"passing": 1}
    decision = "passing"
    constants = ()

    def draw_factors(self, n, rng):
        """Training distribution: the bell errs once in ten."""
        food = torch.rand(n, generator=rng) < 0.5
        return pd.DataFrame({"food": food, "bell": food ^ (torch.rand(n, generator=rng) < 0.1)})

    def draw_noise(self, n, rng):
        """The sign of the first smell, and noise on every pixel."""
        return {"smell": torch.randn(n, generator=rng).sign(), "pixels": torch.randn(n, 3, 2, 4, 4, generator=rng)}

    def render(self, concepts, noise):
        """Frames ``[n, 3, 2, 4, 4]``; food is the product of both smells, so no pixel alone shows it."""
        food, bell = (torch.where(torch.tensor(concepts[[name]].to_numpy()), 1.0, -1.0) for name in self.factors)
        frames = 0.1 * noise["pixels"]
        frames[:, :, 0, 0] += noise["smell"][:, None, None]
        frames[:, :, 0, 1] += (noise["smell"][:, None] * food)[..., None]
        frames[:, :, 1, 2] += bell[..., None]
        return frames

    def senses(self, batch, names=None):
        """``taste`` is 1 at every step of an episode with food."""
        food = torch.tensor(batch.concepts["food"].to_numpy()).float()
        return Senses({"taste": food[:, None].expand(-1, 3)})
