"""The contract of a stream: an endless supply of examples, each an input and what should be said about it.

A stream is what a question needs when it is about learning itself: independent examples, a target, and constants that
are drawn once. It differs from a world (:mod:`imprint.models.worlds.base`), whose concepts can be changed one at a time
and whose episodes are learned without a target.

Letters: n examples, I inputs, O targets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor

from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

STREAMS = Family("streams", "imprint.models.streams", "Stream")


class Examples(NamedTuple):
    """Some examples."""

    x: Tensor
    """Inputs, float ``[n, I]``."""
    y: Tensor
    """Targets, float ``[n, O]``."""


class Stream(ABC):
    """One stream with its constants, which are drawn from ``rng`` when it is made."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings

    def __init__(self, settings: BaseModel, *, rng: torch.Generator) -> None:
        self.settings = settings
        self.begin(rng)

    @abstractmethod
    def begin(self, rng: torch.Generator) -> None:
        """Draw what is constant."""

    @abstractmethod
    def draw(self, n: int, *, rng: torch.Generator) -> Examples:
        """``n`` independent examples."""
