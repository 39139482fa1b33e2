"""The contract of an assessor: a small readout of the learner's latents, trained by a steering signal.

It is linear in the latents, so that attributions have an exact answer to be compared with, and works on S learners at
once. No gradient flows from value into learner: ``update`` sees detached latents.

:class:`LinearAssessor` is what linear assessors share; a subclass writes only the target of each step:

    error  e(t) = y(t + lag) - v(t)                                          y the target,  v = w . x + b the value
    weight w   <- w + rate * mean_t [ x(t) e(t) ] / mean_t |x(t)|^2          (presynaptic x eligibility x error)

An assessor is the *value* of a setup, which the latch is about, or a column of its ``scorecard``: then its prediction,
the reading, is a sense that steering signals can read (:mod:`imprint.models.steering.base`).

x is the latent after running standardisation: each assessor keeps the mean and variance of what it reads, both frozen
when its window closes. Deviations from the plain delta rule: (1) the step is divided by the mean squared
norm of x (normalised least mean squares, Nagumo & Noda 1967), which makes ``rate`` free of the learner's scale; (2) x
is standardised; (3) updates are averaged over the batch. ``plain`` takes (1), (2) and the bias b away.

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings

ASSESSORS = Family("assessors", "imprint.models.assessors", "Assessor")

FLOOR = 1e-4


class AssessorSettings(FrozenSettings):
    """Settings of every assessor."""

    signal: str
    """Name of the steering signal that trains it."""
    lag: int = Field(1, ge=0, le=10_000_000)
    """It learns to predict at step t the signal at step t + lag."""
    opens_at: int = Field(0, ge=0, le=10**12)
    """Age in experiences at which learning begins."""
    closes_at: int | None = Field(None, ge=0, le=10**12)
    """Age in experiences at which learning ends; None: never."""

    @model_validator(mode="after")
    def _window(self) -> AssessorSettings:
        if self.closes_at is not None and self.closes_at <= self.opens_at:
            raise ValueError(f"closes_at is {self.closes_at}, not after opens_at ({self.opens_at})")
        return self

    def open(self, experiences: int) -> bool:
        """Whether it learns at this age."""
        return experiences >= self.opens_at and (self.closes_at is None or experiences < self.closes_at)


@dataclass(frozen=True)
class Owner:
    """The learner whose latents an assessor reads."""

    seed: int
    """Number of the training seed."""
    site: str
    """Hook of the latents."""
    digest: Callable[[], str] | None = None
    """Gives the SHA-256 of the learner's weights as they are now; None: not to be compared."""


class Assessor(ABC):
    """An assessor of S learners.

    When it learns is up to the lifetime, which asks :meth:`AssessorSettings.open`; its rule reads no window, so that
    assessors that differ only in when they stop are one until then (:mod:`imprint.models.lifetimes.shared`).
    """

    Settings: ClassVar[type[AssessorSettings]] = AssessorSettings
    rule: ClassVar[str]
    """The learning rule in words."""
    kept: ClassVar[tuple[str, ...]] = ("attached",)
    """Attributes ``[S, ...]`` that make up its state."""
    learns: ClassVar[bool] = True
    """Whether a signal teaches it. One that does not is :meth:`attach`-ed to each learner when its window opens."""

    def __init__(self, settings: AssessorSettings, seeds: int, width: int) -> None:
        self.settings = settings
        self.seeds = seeds
        self.width = width
        self.attached = torch.full((seeds,), self.learns)
        """Whether it reads its learner, bool ``[S]``; one that is taught does from the start."""

    def attach(self, s: int, owner: Owner) -> None:
        """Begin to read the latents of the ``s``-th learner. Raises :class:`ImprintError` for one that is not meant."""
        self.attached[s] = True

    @abstractmethod
    def predict(self, latents: Tensor) -> Tensor:
        """Value ``[S, n, T]`` of latents ``[S, n, T, D]``; differentiable in the latents."""

    @abstractmethod
    def update(self, latents: Tensor, signal: Tensor, gate: Tensor) -> Tensor:
        """A learning step from ``signal`` ``[S, n, T]`` where ``gate`` ``[S]`` is true; mean squared errors ``[S]``."""

    @abstractmethod
    def linear(self, seed: int) -> tuple[Tensor, Tensor]:
        """Weight ``[D]`` and bias ``[]`` of one seed: value = latents @ weight + bias."""

    def state(self, seed: int) -> dict[str, Tensor]:
        """Everything one seed's assessor has learned, for a checkpoint: what :attr:`kept` names."""
        return {name: getattr(self, name)[seed].clone() for name in self.kept}

    def load(self, seed: int, state: dict[str, Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, value in state.items():
            getattr(self, name)[seed] = value


class LinearSettings(AssessorSettings):
    """Settings of every linear assessor."""

    rate: float = Field(1.0, gt=0.0, lt=2.0)
    """Learning rate; normalised least mean squares is stable below 2."""
    memory: float = Field(0.99, ge=0.0, lt=1.0)
    """Decay per update of the running mean and variance of the latents."""


class LinearAssessor(Assessor):
    """A linear value of standardised latents, learned by normalised least mean squares."""

    Settings = LinearSettings
    plain: bool = False
    """Raw latents, no bias, and ``rate`` undivided: the textbook rule."""
    kept: ClassVar[tuple[str, ...]] = ("weight", "bias", "mean", "variance", "updates")
    settings: LinearSettings

    def __init__(self, settings: LinearSettings, seeds: int, width: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(settings, seeds, width)
        self.weight = torch.zeros(seeds, width, dtype=dtype)
        self.bias = torch.zeros(seeds, dtype=dtype)
        self.mean = torch.zeros(seeds, width, dtype=dtype)
        self.variance = torch.ones(seeds, width, dtype=dtype)
        self.updates = torch.zeros(seeds, dtype=dtype)

    def _standardise(self, latents: Tensor) -> Tensor:
        if self.plain:
            return latents.to(self.weight.dtype)
        scale = (self.variance + FLOOR).rsqrt()
        return (latents - self.mean[:, None, None]) * scale[:, None, None]

    def _value(self, latents: Tensor) -> Tensor:
        return torch.einsum("sntd,sd->snt", self._standardise(latents), self.weight) + self.bias[:, None, None]

    def predict(self, latents: Tensor) -> Tensor:
        """Value ``[S, n, T]``."""
        return self._value(latents).to(latents.dtype)

    def _observe(self, latents: Tensor, gate: Tensor, rows: Tensor | None = None) -> None:
        """Update the running mean and variance of the latents; ``rows``: as for :meth:`_learn`."""
        self.updates = self.updates + gate.to(self.updates.dtype)
        if self.plain:
            return
        if rows is None:
            mean, variance = latents.mean((1, 2)), latents.var((1, 2), unbiased=False)
        else:
            mean = _mean(latents, rows)
            variance = _mean((latents - mean[:, None, None]).square(), rows)
        keep = torch.minimum(torch.tensor(self.settings.memory), 1.0 - 1.0 / self.updates.clamp(min=1.0))
        keep = torch.where(gate, keep, torch.ones_like(keep))[:, None]
        self.mean = keep * self.mean + (1 - keep) * mean
        self.variance = keep * self.variance + (1 - keep) * variance

    def _learn(self, latents: Tensor, target: Tensor, gate: Tensor, rows: Tensor | None = None) -> Tensor:
        """One step towards ``target`` ``[S, n, T]``, ``lag`` steps ahead; mean squared error ``[S]``.

        ``rows``: the episodes, bool ``[S, n]``, that it learns from; None: all.
        """
        lag = self.settings.lag
        x = self._standardise(latents[:, :, : latents.shape[2] - lag])
        value = torch.einsum("sntd,sd->snt", x, self.weight) + self.bias[:, None, None]
        error = target[:, :, lag:] - value
        pace = self.settings.rate * gate.to(x.dtype)
        norm = torch.ones_like(pace) if self.plain else _mean(x.square().sum(-1), rows) + 1.0
        used = error if rows is None else error * rows[..., None].to(error.dtype)
        count = error[0].numel() if rows is None else (rows.sum(1).clamp(min=1) * error.shape[2])[:, None]
        step = (pace / norm)[:, None] * torch.einsum("sntd,snt->sd", x, used)
        self.weight = self.weight + step / count
        if not self.plain:
            self.bias = self.bias + pace / norm * _mean(error, rows)
        return _mean(error.square(), rows)

    def linear(self, seed: int) -> tuple[Tensor, Tensor]:
        """Weight and bias on raw latents."""
        weight, bias = self.weight[seed], self.bias[seed]
        if not self.plain:
            weight = weight * (self.variance[seed] + FLOOR).rsqrt()
            bias = bias - self.mean[seed] @ weight
        return weight.to(torch.get_default_dtype()), bias.to(torch.get_default_dtype())


def _mean(values: Tensor, rows: Tensor | None) -> Tensor:
    """Mean of ``[S, n, T, ...]`` over steps and episodes, or over those in ``rows`` ``[S, n]``; 0 where none is."""
    if rows is None:
        return values.mean((1, 2))
    part = rows.to(values.dtype) / rows.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("sn,sn...->s...", part, values.mean(2))
