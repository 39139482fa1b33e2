"""The contract of a steering signal: a hardcoded function of crude features that cannot read what was learned.

A steering signal reads :class:`Senses` (raw features available at birth) and :class:`Body` (internal state), never a
learned activation. The types enforce it: both containers refuse tensors that carry a gradient, and a signal refuses
anything that is not one of them. A signal has no ``torch.nn`` parameter. (Steering subsystem: Byrnes, "Intro to
brain-like-AGI safety", posts 2 and 3.)

What was learned reaches steering in one way only: the columns of a setup's ``scorecard`` are small readouts of the
learner's latents, and the *reading* of a column, one number per step, is a sense called like the column. It carries no
gradient, so beliefs are not bent towards what is rewarded. The exception has to be asked for and is stated by
:attr:`Signal.shapes_learner`: a signal whose ``gradient_into_learner`` is above 0 adds a term to the learner's loss.

Letters: S seeds, n episodes, T steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
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


class ErrorProfile(SignalSettings):
    """Settings of a signal that errs as a real innate detector does."""

    miss: float = Field(0.0, ge=0.0, le=1.0)
    """Probability that a signal is lost, at every step anew."""
    false_alarm: float = Field(0.0, ge=0.0, le=1.0)
    """Probability of a signal where there should be none, at every step anew."""
    delay: int = Field(0, ge=0, le=10_000_000)
    """Steps between what is sensed and the signal."""


def with_errors(true: Tensor, profile: ErrorProfile, rng: torch.Generator, *, alarm: float = 1.0) -> Tensor:
    """``true`` ``[n, T]`` late by the delay, with steps lost that are not 0, and ``alarm`` at some that are 0."""
    late = F.pad(true, (profile.delay, 0))[:, : true.shape[1]] if profile.delay < true.shape[1] else true * 0.0
    silent = late == 0
    kept = ~silent & (torch.rand(true.shape, generator=rng) >= profile.miss)
    alarmed = silent & (torch.rand(true.shape, generator=rng) < profile.false_alarm)
    return torch.where(kept, late, 0.0) + alarm * alarmed.to(late.dtype)


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
        """Names of the senses, readings and earlier signals that it reads; nothing else is computed for it."""

    @property
    def shapes_learner(self) -> bool:
        """Whether it changes what the learner comes to know, by a gradient through a reading. Default: no.

        Lives of setups that differ only in signals that do not are the same, and can be shared.
        """
        return False

    def pressure(self, values: Mapping[str, Tensor]) -> Tensor:
        """What it adds to the learner's loss, ``[S]``, when :attr:`shapes_learner`.

        ``values``: what it reads, name -> ``[S, n, T]``; readings are differentiable.
        """
        raise TypeError(f"{type(self).__name__} does not shape the learner.")

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
        low, high = torch.tensor(self.range, dtype=signal.dtype).tolist()  # 0.6 is above 0.6 in single precision
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
