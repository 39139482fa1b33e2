"""averager: an encoder of frames whose running mean predicts the next frame."""

import torch
from torch import nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Learner, Taught
from imprint.models.settings import FrozenSettings


class Averager(Learner):
    """Latent t is the mean of the encodings of frames 0 to t."""

    class Settings(FrozenSettings):
        """What a setup may say under ``learner:``."""

        width: int = 32
        """D, width of encodings and latents."""

    latent_hook = "hook_mean"
    read_points = ("hook_encoding", "hook_mean")

    def __init__(self, settings, frame):
        super().__init__(settings, frame)
        pixels = frame.height * frame.width
        self.encoder = nn.Linear(frame.channels * pixels, settings.width)
        self.decoder = nn.Linear(settings.width, frame.sensory_channels * pixels)
        self.hook_encoding, self.hook_mean = HookPoint(), HookPoint()
        self.setup()

    def forward(self, observation):
        """Latents ``[n, T, D]``."""
        encoding = self.hook_encoding(torch.relu(self.encoder(observation.flatten(2))))
        count = torch.arange(1, encoding.shape[1] + 1)[:, None]
        return self.hook_mean(encoding.cumsum(1) / count)

    def objective(self, observation):
        """Mean squared error of the next frame's sensory channels."""
        latents = self(observation)
        following = observation[:, 1:, : self.frame.sensory_channels].flatten(2)
        return Taught((self.decoder(latents[:, :-1]) - following).square().mean(), latents)
