"""The contract of a learner: a network with random initial weights and an objective that never sees a concept label.

A learner is a ``HookedRootModule`` (TransformerLens), so that every instrument finds its activations by name. It writes
``forward`` (observation to latents), ``objective`` (the self-supervised loss) and ``read_points`` (where it is read).

Learners that are :attr:`Learner.stackable` train together, several seeds as one batched program (``torch.func``); their
forward pass must be free of Python branches on tensor values and of in-place updates.

Letters: n episodes, T steps, D latent width, S seeds trained together.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from imprint.models.chance import Born
from imprint.models.errors import ImprintError
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

LEARNERS = Family("learners", "imprint.models.learners", "Learner")


@dataclass(frozen=True)
class Frame:
    """Shape of one episode of a world; all that a learner is built from."""

    steps: int
    """T, frames per episode."""
    channels: int
    """C, including action planes."""
    height: int
    """H in pixels."""
    width: int
    """W in pixels."""
    action_channels: int = 0
    """How many trailing channels are action planes."""

    @property
    def sensory_channels(self) -> int:
        """Channels that are not action planes."""
        return self.channels - self.action_channels


class Taught(NamedTuple):
    """Result of one pass over a batch."""

    loss: Tensor
    """``[]`` objective."""
    latents: Tensor
    """``[n, T, D]``, which assessors read."""


class Learner(Born, HookedRootModule, ABC):
    """A learner of the sequence of observations; subclasses are final."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings
    stackable: ClassVar[bool] = True
    """Whether seeds can train together with a leading seed axis."""
    latents_learn: ClassVar[bool] = True
    """Whether what is learned changes the latents; otherwise no gradient runs through them."""

    def __init__(self, settings: BaseModel, frame: Frame) -> None:
        super().__init__()
        self.settings = settings
        self.frame = frame

    @property
    @abstractmethod
    def latent_hook(self) -> str:
        """Hook whose output ``[n, T, D]`` is the latents that assessors read."""

    @property
    @abstractmethod
    def read_points(self) -> tuple[str, ...]:
        """Names of the hook points that are read as sites, from input to output."""

    def module_of(self, hook: str) -> str:
        """Name of the sub-module whose output holds ``hook``. Default: ``hook`` itself."""
        return hook

    def index(self, hook: str, step: int) -> int:
        """Position of ``step`` along axis 1 of ``hook``'s output. Default: the step itself."""
        return step

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Latents ``[n, T, D]`` from observations ``[n, T, C, H, W]``; causal in time."""

    @abstractmethod
    def objective(self, observation: Tensor) -> Taught:
        """The self-supervised loss on a batch, and the latents of the same pass."""

    def routed_objective(self, observation: Tensor, taught: Tensor) -> Taught:
        """:meth:`objective` whose gradient reaches only the latents that are ``taught``, bool ``[n, T, D]``.

        The latents that are given back have their whole gradient.
        """
        whole: list[Tensor] = []

        def route(latents: Tensor, hook: HookPoint) -> Tensor:
            whole.append(latents)
            return torch.where(taught, latents, latents.detach())

        with self.hooks(fwd_hooks=[(self.latent_hook, route)]):
            loss = self.objective(observation).loss
        return Taught(loss, whole[0])

    def latents(self, observation: Tensor) -> Tensor:
        """Latents ``[n, T, D]`` without a gradient."""
        with torch.no_grad():
            latents: Tensor = self(observation)
        return latents


class Layered(Learner):
    """A learner that is a chain of linear layers with tanh between them, so that every learning rule can teach it."""

    @property
    @abstractmethod
    def chain(self) -> tuple[str, ...]:
        """Names of the linear modules from input to output."""

    @abstractmethod
    def inputs(self, observation: Tensor) -> Tensor:
        """What the first layer sees at every step, ``[n, T, d_0]``."""

    @abstractmethod
    def targets(self, observation: Tensor) -> Tensor:
        """What the last layer is to give at every step but the last, ``[n, T - 1, d_L]``."""


class Writing(NamedTuple):
    """Result of writing a batch into a learner."""

    taught: Taught
    """Objective and latents from before it."""
    parameters: dict[str, Tensor]
    """New values of the parameters that are written."""


class Written(Learner):
    """A learner that no gradient and no learning rule teaches: it writes what it experiences into itself."""

    @abstractmethod
    def write(self, observation: Tensor) -> Writing:
        """What a batch ``[n, T, C, H, W]`` leaves behind."""


def check_window(window: int, frame: Frame) -> None:
    """Raise :class:`ImprintError` for a learner that would see more frames at once than an episode has."""
    if window > frame.steps:
        raise ImprintError(
            f"learner.window is {window}, but episodes of this world have {frame.steps} frames; expected at most "
            f"{frame.steps}."
        )


def tile_count(frame: Frame, patch: int) -> int:
    """How many square tiles of ``patch`` pixels a side make up a frame. Raises :class:`ImprintError` if they do not."""
    divisor = math.gcd(frame.height, frame.width)
    if divisor % patch:
        fits = [str(size) for size in range(1, divisor + 1) if divisor % size == 0]
        raise ImprintError(
            f"learner.patch is {patch}, but frames are {frame.height} x {frame.width} pixels; expected a patch that "
            f"divides both: {', '.join(fits)}."
        )
    return (frame.height // patch) * (frame.width // patch)


def tiles_of(observation: Tensor, patch: int) -> Tensor:
    """The tiles of frames ``[n, T, C, H, W]``, row by row, each flat: ``[n, T, tiles, C patch^2]``."""
    n, steps, channels, height, width = observation.shape
    pixels = observation.flatten(2)
    order = _order_of_tiles(channels, height, width, patch).to(pixels.device)
    return pixels.gather(2, order.expand(pixels.shape)).reshape(n, steps, -1, channels * patch * patch)


@cache
def _order_of_tiles(channels: int, height: int, width: int, patch: int) -> Tensor:
    """Which pixel of a flat frame each pixel of the tiles is, int64 ``[C H W]``.

    Pixels are picked in half the time of a permuted copy.
    """
    with torch.inference_mode(mode=False):  # kept: it must serve gradients too
        pixels = torch.arange(channels * height * width)
        tiles = pixels.reshape(channels, height // patch, patch, width // patch, patch)
        return tiles.permute(1, 3, 0, 2, 4).flatten()
