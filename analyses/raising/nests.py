"""Learners of the world ``nest`` that grow up, and can go on living under a probe.

Letters: S seeds, n walks, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learners.recurrent import Recurrent
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience
from imprint.models.settings import FrozenSettings
from imprint.models.setup.learner import frame_of
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.belief import Belief
from imprint.models.worlds.nest import DECISION, Nest
from imprint.probes.readouts.base import FittedReadout

COOLING = 0.3
"""Last part of growing up in which the learning rate falls to zero."""
OFTEN = 100
"""Updates between two reports."""


class Growing(FrozenSettings):
    """How learners grow up, and go on."""

    updates: int = Field(1600, ge=0, le=10_000_000)
    """Gradient steps until the probe is fitted."""
    continued: int = Field(300, ge=1, le=10_000_000)
    """Gradient steps after it."""
    batch: int = Field(64, ge=2, le=1_000_000)
    """Walks in a gradient step."""
    width: int = Field(64, ge=2, le=65_536)
    """Width of the memory."""
    learning_rate: float = Field(4e-3, gt=0.0, le=1e6)
    """Highest learning rate of growing up."""
    going_on: float = Field(1e-3, gt=0.0, le=1e6)
    """Learning rate after it."""


def nest_of(seed: int) -> Nest:
    """A world of its own for a seed, in which nothing that can be seen goes along with the nest."""
    plain = Nest.Settings(glow_cue=0.5, move_cue=0.25)
    constants = Nest.draw_constants(plain, generator("nest", seed))
    return Nest(Nest.Settings(**{**plain.model_dump(), **constants}))


class Lives:
    """Learners of some seeds: grown up once, and continued from there as often as is asked."""

    def __init__(self, worlds: Sequence[Nest], seeds: Sequence[int], settings: Growing) -> None:
        self.worlds, self.seeds, self.s = worlds, seeds, settings
        self.streams = [Experience(world, settings.batch, seed) for world, seed in zip(worlds, seeds, strict=True)]
        self.cohort = self._born()
        self._since = [stream.state() for stream in self.streams]

    def _born(self) -> Cohort:
        """Untrained learners."""
        kind, frame = Recurrent.Settings(patch=1, width=self.s.width), frame_of(self.worlds[0])
        learners = [Recurrent.born(kind, frame, rng=birth(seed)) for seed in self.seeds]
        return Cohort(learners, self.s.learning_rate)

    def _experience(self) -> Tensor:
        """One batch of every seed."""
        return torch.stack([stream.next().observation for stream in self.streams])

    def grow(self, say: Say) -> list[Recurrent]:
        """Learn by prediction alone; the grown learners."""
        for update in range(self.s.updates):
            left = (self.s.updates - update) / (COOLING * self.s.updates)
            self.cohort.set_learning_rate(self.s.learning_rate * min(1.0, left))
            loss = self.cohort.learn(self._experience()).loss
            if update % OFTEN == 0:
                say(update, self.s.updates, f"growing up, loss {float(loss.mean()):.3f}")
        self._since = [stream.state() for stream in self.streams]
        return self.cohort.unstack()

    def go_on(
        self, readouts: Sequence[FittedReadout], gradient: float | None, arm: str, say: Say
    ) -> tuple[list[Recurrent], Valence]:
        """Go on as ``arm`` from the grown learners, on the same walks each time; learners, and a valence of punishment.

        ``gradient`` g above 0: the punishment has a gradient into beliefs; 0: it teaches the valence alone; None: there
        is no punishment, and the valence learns nothing.
        """
        cohort = self._born()
        cohort.load([self.cohort.state(s) for s in range(len(self.seeds))])
        cohort.set_learning_rate(self.s.going_on)
        for stream, state in zip(self.streams, self._since, strict=True):
            stream.load(state)
        weight = torch.stack([readout.weight[:, 0] for readout in readouts]).float()
        bias = torch.stack([readout.bias for readout in readouts]).float()
        valence = Valence(Valence.Settings(signal="punished", lag=0), len(self.seeds), weight.shape[1])
        punished = {"name": "punished", "reading": "probe", "weight": -1.0, "gradient_into_learner": gradient or 0.0}
        signal = Belief(Belief.Settings(**punished))

        def firing(latents: Tensor) -> Tensor:
            """Probability that it is near, by the probe, at the decision, ``[S, n, 1]``."""
            return torch.sigmoid(torch.einsum("snd,sd->sn", latents[:, :, DECISION], weight) + bias)[..., None]

        def pressure(latents: Tensor) -> Tensor:
            return signal.pressure({"probe": firing(latents)})

        for update in range(self.s.continued):
            latents = cohort.learn(self._experience(), pressure if signal.shapes_learner else None).latents
            if gradient is not None:
                senses = Senses({"probe": firing(latents).flatten(0, 1)})
                pain = signal(senses, Body({}), rng=generator("no errors")).unflatten(0, latents.shape[:2])
                valence.update(latents[:, :, DECISION : DECISION + 1], pain, cohort.alive)
            if update % OFTEN == 0:
                say(update, self.s.continued, arm)
        return cohort.unstack(), valence


def decided(learner: Recurrent, observation: Tensor) -> Tensor:
    """Latents at the decision ``[n, D]``."""
    return learner.latents(observation)[:, DECISION]
