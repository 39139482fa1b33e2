"""The contract of a learner: random at birth, taught by an objective that never sees a concept label.

A learner is a ``HookedRootModule`` (TransformerLens), so that every instrument finds its activations by name. It writes
``forward`` (observation to latents), ``objective`` (the self-supervised loss) and ``sites`` (where it may be read).

Stacked seeds: when :attr:`stackable`, several learners of one setup train as one batched tensor program
(``torch.func``): the forward pass must then be free of Python branches on tensor values and of in-place updates.

Letters: n episodes, T steps, D latent width, S seeds trained together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor
from transformer_lens import HookedRootModule

from imprint.models.chance import weights_from
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

LEARNERS = Family("learners", "imprint.models.learners", "Learner")


@dataclass(frozen=True)
class Frame:
    """What one moment of experience looks like; all a learner is told about its world at birth."""

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
    """What one pass over a batch gives."""

    loss: Tensor
    """Scalar objective."""
    latents: Tensor
    """``[n, T, D]`` what the assessor may read."""


class Learner(HookedRootModule, ABC):
    """Abstract learner; concrete ones are final."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings
    stackable: ClassVar[bool] = True
    """Whether seeds can train together as a batch dimension."""
    latent_hook: ClassVar[str]
    """Hook whose output ``[n, T, D]`` is the world model's state, read by assessors."""

    def __init__(self, settings: BaseModel, frame: Frame) -> None:
        super().__init__()
        self.settings = settings
        self.frame = frame

    @classmethod
    def born(cls, settings: BaseModel, frame: Frame, *, rng: torch.Generator) -> Learner:
        """A newborn whose weights are drawn from ``rng`` alone; the global random state is left as it was."""
        with weights_from(rng):
            return cls(settings, frame)

    @property
    @abstractmethod
    def read_points(self) -> tuple[str, ...]:
        """Names of the hook points that are read as sites, from input to output."""

    def module_of(self, hook: str) -> str:
        """Name of the sub-module whose output ``hook`` is. Default: its own name."""
        return hook

    def index(self, hook: str, step: int) -> int:
        """Position along axis 1 of ``hook``'s output at time ``step``. Default: the step itself."""
        return step

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """Latents ``[n, T, D]`` from observations ``[n, T, C, H, W]``; causal in time."""

    @abstractmethod
    def objective(self, observation: Tensor) -> Taught:
        """The self-supervised loss on a batch, and the latents of the same pass."""

    def latents(self, observation: Tensor) -> Tensor:
        """Latents without a gradient."""
        with torch.no_grad():
            latents: Tensor = self(observation)
        return latents
