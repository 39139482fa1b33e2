"""The contract of a steering signal: a hardcoded function of crude features that cannot read what was learned.

A steering signal reads :class:`Senses` (raw features available at birth) and :class:`Body` (internal state), never a
learned activation. The types enforce it: both containers refuse tensors that carry a gradient, and a signal refuses
anything that is not one of them. A signal has no ``torch.nn`` parameter. (Steering subsystem: Byrnes, "Intro to
brain-like-AGI safety", posts 2 and 3.)

Letters: n episodes, T steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from imprint.models.errors import ImprintError, unknown_name
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

STEERING = Family("steering", "imprint.models.steering", "Signal")


@dataclass(frozen=True)
class _Raw:
    """Named finite tensors without a gradient."""

    values: Mapping[str, Tensor]
    kind: ClassVar[str]
    """What one of them is called in errors."""

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{self.kind} {name!r} is a {type(value).__name__}; expected a torch.Tensor.")
            if value.requires_grad or value.grad_fn is not None:
                raise TypeError(
                    f"{self.kind} {name!r} carries a gradient, so it was computed by something that learns; "
                    "expected a raw feature or body state."
                )
            if not bool(torch.isfinite(value).all()):
                raise ImprintError(f"{self.kind} {name!r} holds NaN or infinite values.")
        object.__setattr__(self, "values", dict(self.values))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.values:
            raise unknown_name(self.kind, name, self.values)
        return self.values[name]


class Senses(_Raw):
    """Crude raw features, name -> float tensor ``[n, T]``, computed by the world or by an earlier steering signal."""

    kind = "sense"

    def plus(self, name: str, value: Tensor) -> Senses:
        """These senses and one more, for signals that read the output of an earlier signal."""
        if name in self.values:
            raise ImprintError(f"two steering signals are both called {name!r}; give each its own name.")
        return Senses({**self.values, name: value})


class Body(_Raw):
    """Internal state, name -> float tensor ``[n]`` (hunger, ...)."""

    kind = "body state"


class SignalSettings(FrozenSettings):
    """Settings of every signal."""

    name: str
    """Name under which later signals and the assessor read this signal."""


class Signal(ABC):
    """A hardcoded function of senses and body. Subclasses write :meth:`compute` and state their range and unit."""

    Settings: ClassVar[type[SignalSettings]] = SignalSettings
    unit: ClassVar[str]
    """What one unit of the output means."""

    def __init__(self, settings: SignalSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def reads(self) -> frozenset[str]:
        """Names of the senses and earlier signals that it reads; nothing else is computed for it."""

    @property
    @abstractmethod
    def range(self) -> tuple[float, float]:
        """Lowest and highest output."""

    @abstractmethod
    def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> Tensor:
        """The signal ``[n, T]``; its random errors, if any, are drawn from ``rng``."""

    def adjusted(self, senses: Senses, body: Body) -> dict[str, Tensor]:
        """Innate adjustable variables after these steps: body states ``[n]`` for the next call. Default: none."""
        return {}

    def __call__(self, senses: Senses, body: Body, *, rng: torch.Generator) -> Tensor:
        """The signal ``[n, T]``, checked to be raw and inside :attr:`range`."""
        if type(senses) is not Senses or type(body) is not Body:
            raise TypeError(
                f"{type(self).__name__} was given {type(senses).__name__} and {type(body).__name__}; "
                "a steering signal reads Senses and Body only, never latents."
            )
        signal = self.compute(senses, body, rng)
        low, high = self.range
        if signal.requires_grad:
            raise TypeError(f"{type(self).__name__} returned a tensor with a gradient; steering is hardcoded.")
        if float(signal.min()) < low or float(signal.max()) > high:
            raise ImprintError(
                f"{type(self).__name__} left its range [{low}, {high}]: "
                f"{float(signal.min()):.3g} to {float(signal.max()):.3g}."
            )
        return signal


def steer(
    signals: Sequence[Signal], senses: Senses, body: Body, rng: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """All steering signals, name -> ``[n, T]``, and the innate adjustable variables as these steps leave them, ``[n]``.

    Later signals may read earlier ones. ``body`` holds, besides the body states, the adjustable variables as the steps
    before left them.
    """
    outputs: dict[str, Tensor] = {}
    adjusted: dict[str, Tensor] = {}
    for signal in signals:
        value = signal(senses, body, rng=rng)
        adjusted |= signal.adjusted(senses, body)
        outputs[signal.settings.name] = value
        senses = senses.plus(signal.settings.name, value)
    return outputs, adjusted
