"""expansion: many units with fixed sparse random wiring, and one layer on them that learns to predict the next frame.

    h_t = winners( W_fixed [frame_{t-3}; ...; frame_t] )      :mod:`imprint.models.wiring`; these are the latents
    prediction = W h_t + b                                     of the sensory channels of frame t+1
    loss = mean over t < T of  | prediction - frame_{t+1} |^2 / 2

Nothing before the last layer ever learns: what is known in the latents was known at birth, and a value that an assessor
learns on them is what one delta layer can make of random mixtures. The layer is taught by any learning rule
(:mod:`imprint.models.rules.base`); ``rule: three_factor`` is the readout of a Purkinje cell, which is told whether what
it did of its own accord was good, and backpropagation through this one layer is the delta rule.

Deviations: (1) frames before an episode are zeros; (2) the fixed weights are kept as parameters, which no gradient
reaches, so that a checkpoint holds them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Layered, Taught, check_window
from imprint.models.wiring import Sheet, Wiring, compete, connect


class Expansion(Layered):
    """Fixed random expansion of a window of frames, with a linear readout."""

    class Settings(Wiring):
        window: int = Field(4, ge=1, le=10_000)
        """Frames that it sees at once, the present one included."""

    latents_learn = False
    latent_hook = "hook_expansion"
    read_points = ("hook_expansion",)
    chain = ("readout",)

    def __init__(self, settings: Expansion.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        check_window(settings.window, frame)
        self.s = settings
        self.winners = settings.winners
        sheet = Sheet(frame.height, frame.width, settings.window * frame.channels)
        drawn = torch.Generator().manual_seed(int(torch.randint(0, 2**31 - 1, ())))
        self.wires = nn.Parameter(connect(settings, sheet, rng=drawn), requires_grad=False)
        self.readout = nn.Linear(settings.width, frame.sensory_channels * frame.height * frame.width)
        self.hook_expansion = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    def inputs(self, observation: Tensor) -> Tensor:
        """Activities of the expansion ``[n, T, U]``."""
        flat, steps = observation.flatten(2), observation.shape[1]
        padded = F.pad(flat, (0, 0, self.s.window - 1, 0))
        seen = torch.cat([padded[:, i : i + steps] for i in range(self.s.window)], dim=-1)
        activity: Tensor = self.hook_expansion(compete(seen @ self.wires.detach().mT, self.winners))
        return activity

    def targets(self, observation: Tensor) -> Tensor:
        """The next frames' sensory channels ``[n, T - 1, d]``."""
        return observation[:, 1:, : self.frame.sensory_channels].flatten(2)

    def forward(self, observation: Tensor) -> Tensor:
        """Activities of the expansion ``[n, T, U]``."""
        return self.inputs(observation)

    def objective(self, observation: Tensor) -> Taught:
        """Half the squared error of the next frame, summed over its pixels."""
        latents = self(observation)
        # One row per moment: many learners at once would otherwise copy the readout for every episode.
        error = self.readout(latents[:, :-1].flatten(0, 1)) - self.targets(observation).flatten(0, 1)
        return Taught(0.5 * error.square().sum(-1).mean(), latents)
