"""One upbringing, many steerings: learners live once, and every way of steering them reads along.

What a learner comes to know does not depend on the steering signals, on their errors, or on what an assessor makes of
them, unless a signal shapes the learner (:attr:`imprint.models.setup.learner.Setup.shapes_learner`). So setups that
differ in nothing else share one lifetime:

    steering    setups with equal signals, and an equal scorecard, draw them once, from the stream of errors that each
                would have alone
    track       setups whose assessors are equal apart from ``closes_at`` are one assessor, taught as in a run
    variant     a track at the age at which its own window closes: a copy is kept there, for nothing is learned after

Every number is therefore that of a run of the setup alone, to the bit: learners and assessors do what they do there,
on tensors of the same shapes.

Tensors of a checkpoint besides those of learners and experience (t counts tracks, k steerings):

    track.<t>.<name>                what the assessor of a track has learned
    closed.<t>.<age>.<name>         the same when a window closed at ``age``; only from then on
    steering.<k>                    state of a stream of errors
    scorecard.<k>.<name>            what the columns of a scorecard have learned

Letters: S seeds, n episodes, T steps, D latent width.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from imprint.models.lifetimes.learner import LearnerLifetime, Steered
from imprint.models.setup.learner import Setup
from imprint.models.steering.base import Body, Senses
from imprint.models.store import RunFolder, part_of, with_prefix
from imprint.models.worlds.base import Batch, World

CLOSING = "closes_at"
"""The setting of an assessor in which the variants of one track differ."""


class Variant(NamedTuple):
    """Where the assessor of one setup is found."""

    track: int
    closes_at: int | None
    """Age at which it stops to learn; None: never."""


@dataclass(frozen=True)
class Along:
    """What reads along on one upbringing."""

    setups: tuple[Setup, ...]
    """One for each track, whose assessor never closes."""
    steering: tuple[int, ...]
    """Number of the steering of each track."""
    closing: tuple[tuple[int | None, ...], ...]
    """Ages at which the windows of each track close; None where one stays open."""
    variants: tuple[Variant, ...]
    """Of every setup that was given."""

    @classmethod
    def of(cls, setups: Sequence[Setup]) -> Along:
        """What is needed for setups that share an upbringing."""
        steerings: dict[str, int] = {}
        tracks: dict[tuple[int, str], int] = {}
        apart: list[Setup] = []
        variants = []
        for setup in setups:
            signals = json.dumps([setup.steering, setup.scorecard], sort_keys=True)
            steering = steerings.setdefault(signals, len(steerings))
            open_ended = {**setup.assessor, CLOSING: None}
            key = (steering, json.dumps(open_ended, sort_keys=True))
            if key not in tracks:
                tracks[key] = len(tracks)
                apart.append(setup.model_copy(update={"assessor": open_ended}))
            variants.append(Variant(tracks[key], setup.assessor[CLOSING]))
        closing = [{v.closes_at for v in variants if v.track == track} for track in range(len(apart))]
        return cls(
            tuple(apart),
            tuple(steering for steering, _ in tracks),
            tuple(tuple(sorted(ages, key=lambda age: (age is None, age))) for ages in closing),
            tuple(variants),
        )

    @staticmethod
    def kept(variant: Variant, tensors: dict[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
        """What a variant has learned by the age of a checkpoint, and a name: variants of one name have one value."""
        if closed := part_of(tensors, name := f"closed.{variant.track}.{variant.closes_at}."):
            return name, closed
        name = f"track.{variant.track}."
        return name, part_of(tensors, name)


class SensedOnce:
    """A world whose senses and body of one batch are computed once, however many steerings read them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._senses: dict[frozenset[str] | None, Senses] = {}
        self._body: Body | None = None

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """The world's senses."""
        key = None if names is None else frozenset(names)
        if key not in self._senses:
            self._senses[key] = self.world.senses(batch, names)
        return self._senses[key]

    def body(self, batch: Batch) -> Body:
        """The world's body."""
        if self._body is None:
            self._body = self.world.body(batch)
        return self._body


class SharedLifetime(LearnerLifetime):
    """Some seeds that live once for many setups; the first stands for all in everything but what reads along."""

    def __init__(self, setups: Sequence[Setup], seeds: Sequence[int], folder: RunFolder) -> None:
        super().__init__(setups[0], seeds, folder)
        self.along = Along.of(setups)
        self.tracks = [Steered(setup, seeds, self.width) for setup in self.along.setups]
        first = {steering: track for track, steering in reversed(list(enumerate(self.along.steering)))}
        self.sensing = {steering: self.tracks[track] for steering, track in sorted(first.items())}
        self.closed: dict[tuple[int, int], list[dict[str, Tensor]]] = {}
        """Track and age -> what the assessor of each seed had learned when a window closed."""

    def attach(self) -> None:
        """Attach what reads along without being taught."""
        for steered in self.tracks:
            steered.attach(self.cohort, self.age)

    def read_along(
        self, batches: Sequence[Batch], latents: Tensor, alive: Tensor, felt: Mapping[str, Tensor] | None = None
    ) -> None:
        """Teach every track of which a window is still open, then keep copies where windows close."""
        going = [t for t, closing in enumerate(self.along.closing) if closing[-1] is None or closing[-1] > self.age]
        worlds = [SensedOnce(world) for world in self.worlds]
        for k in sorted({self.along.steering[t] for t in going}):
            signals = self.sensing[k].sense(worlds, batches, latents)
            for t in (t for t in going if self.along.steering[t] == k):
                self.tracks[t].teach(latents, signals, alive, self.age)
            self.sensing[k].scorecard.update(latents, signals, alive, self.age)
        later = self.age + self.setup.schedule.batch
        for t, closing in enumerate(self.along.closing):
            for age in closing:
                if age is not None and age <= later and (t, age) not in self.closed:
                    self.closed[t, age] = [self.tracks[t].assessor.state(s) for s in range(len(self.seeds))]

    def state_along(self, s: int) -> dict[str, Tensor]:
        """Every track, its copies, every scorecard and stream of errors; see the module docstring."""
        state = {f"steering.{k}": steered.errors[s].get_state() for k, steered in self.sensing.items()}
        for k, steered in self.sensing.items():
            state |= with_prefix(f"scorecard.{k}.", steered.scorecard.state(s))
        for t, steered in enumerate(self.tracks):
            state |= with_prefix(f"track.{t}.", steered.assessor.state(s))
        for (t, age), copies in self.closed.items():
            state |= with_prefix(f"closed.{t}.{age}.", copies[s])
        return state

    def load_along(self, s: int, state: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_along` gave."""
        for k, steered in self.sensing.items():
            steered.errors[s].set_state(state[f"steering.{k}"])
            steered.scorecard.load(s, part_of(state, f"scorecard.{k}."))
        for t, steered in enumerate(self.tracks):
            steered.assessor.load(s, part_of(state, f"track.{t}."))
            for age in self.along.closing[t]:
                if copy := part_of(state, f"closed.{t}.{age}."):
                    assert age is not None
                    self.closed.setdefault((t, age), [{} for _ in self.seeds])[s] = copy
