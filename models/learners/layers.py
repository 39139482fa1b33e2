"""layers: a plain deep network that predicts the next frame from the last few; it can be taught by any learning rule.

    x_t = [frame_{t-3}; ...; frame_t]          flat, zeros before birth of the episode
    h_1 = tanh(W_1 x_t + b_1), ...,            the latents are the last hidden layer
    prediction = W_L h_{L-1} + b_L             of the sensory channels of frame t+1
    loss = mean over t < T of  | prediction - frame_{t+1} |^2 / 2

Nothing in it is built in for images or time, so that what it comes to know can be put down to its learning rule
(:mod:`imprint.models.rules.base`, whose network it is).
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Layered, Taught, check_window
from imprint.models.settings import FrozenSettings


class Layers(Layered):
    """Multilayer perceptron on a window of frames."""

    class Settings(FrozenSettings):
        hidden: tuple[int, ...] = (128, 64)
        """Units of the hidden layers from input to output; the last are the latents."""
        window: int = Field(4, ge=1, le=10_000)
        """Frames that it sees at once, the present one included."""

        @field_validator("hidden")
        @classmethod
        def _some(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
            if not 1 <= len(hidden) <= 64 or not all(1 <= width <= 65_536 for width in hidden):
                raise ValueError(f"{list(hidden)}; expected 1 to 64 widths of 1 to 65,536 units")
            return hidden

    def __init__(self, settings: Layers.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        check_window(settings.window, frame)
        self.s = settings
        seen = settings.window * frame.channels * frame.height * frame.width
        shown = frame.sensory_channels * frame.height * frame.width
        widths = (seen, *settings.hidden, shown)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.hooks_hidden = nn.ModuleList(HookPoint() for _ in settings.hidden)
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def chain(self) -> tuple[str, ...]:
        """The linear modules from input to output."""
        return tuple(f"layers.{i}" for i in range(len(self.layers)))

    @property
    def read_points(self) -> tuple[str, ...]:
        """Every hidden layer."""
        return tuple(f"hooks_hidden.{i}" for i in range(len(self.s.hidden)))

    @property
    def latent_hook(self) -> str:
        """The last hidden layer."""
        return self.read_points[-1]

    def inputs(self, observation: Tensor) -> Tensor:
        """Windows of frames ``[n, T, d_0]``."""
        flat, steps = observation.flatten(2), observation.shape[1]
        padded = F.pad(flat, (0, 0, self.s.window - 1, 0))
        return torch.cat([padded[:, i : i + steps] for i in range(self.s.window)], dim=-1)

    def targets(self, observation: Tensor) -> Tensor:
        """The next frames' sensory channels ``[n, T - 1, d_L]``."""
        return observation[:, 1:, : self.frame.sensory_channels].flatten(2)

    def forward(self, observation: Tensor) -> Tensor:
        """The last hidden layer ``[n, T, D]``."""
        activity = self.inputs(observation)
        for layer, hook in zip(list(self.layers)[:-1], self.hooks_hidden, strict=True):
            activity = hook(torch.tanh(layer(activity)))
        return activity

    def objective(self, observation: Tensor) -> Taught:
        """Half the squared error of the next frame, summed over its pixels."""
        latents = self(observation)
        error = self.layers[-1](latents[:, :-1]) - self.targets(observation)
        return Taught(0.5 * error.square().sum(-1).mean(), latents)
