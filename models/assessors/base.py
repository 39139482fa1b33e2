"""The contract of an assessor: a small readout of the learner's latents, taught by a steering signal.

Linear in the latents, so that attribution has an exact oracle. It works on S learners at once. No gradient flows from
value into beliefs: ``update`` sees detached latents.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.worlds.base import MemberSettings


class AssessorSettings(MemberSettings):
    """Settings every assessor has."""

    signal: str
    """Name of the steering signal that teaches it."""
    lag: int = Field(1, ge=0)
    """It learns to say at step t what the signal will be at t + lag."""
    opens_at: int = Field(0, ge=0)
    """Experiences before learning opens."""
    closes_at: int | None = None
    """Experiences after which learning is closed; never, if empty."""

    @model_validator(mode="after")
    def _window(self) -> AssessorSettings:
        if self.closes_at is not None and self.closes_at <= self.opens_at:
            raise ValueError(f"closes_at is {self.closes_at}, not after opens_at ({self.opens_at})")
        return self

    def open(self, experiences: int) -> bool:
        """Whether it learns at this age."""
        return experiences >= self.opens_at and (self.closes_at is None or experiences < self.closes_at)


class Assessor(ABC):
    """Abstract assessor of S learners."""

    Settings: ClassVar[type[AssessorSettings]] = AssessorSettings
    rule: ClassVar[str]
    """The learning rule in words: delta, three-factor or TD."""

    def __init__(self, settings: AssessorSettings, seeds: int, width: int) -> None:
        self.settings = settings
        self.seeds = seeds
        self.width = width

    @abstractmethod
    def predict(self, latents: Tensor) -> Tensor:
        """Value ``[S, n, T]`` of latents ``[S, n, T, D]``; differentiable in the latents."""

    @abstractmethod
    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """One learning step from ``signal`` ``[S, n, T]`` where ``gate`` ``[S]`` is true.

        Returns the mean squared error ``[S]``.
        """

    @abstractmethod
    def linear(self, seed: int) -> tuple[Tensor, Tensor]:
        """Weight ``[D]`` and bias ``[]`` of one seed: value = latents @ weight + bias."""

    @abstractmethod
    def state(self, seed: int) -> dict[str, Tensor]:
        """Everything one seed's assessor has learned, for a checkpoint."""

    @abstractmethod
    def load(self, seed: int, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
