"""What can be read of one concept in learners that a question has raised: the largest selectivity, less its floors.

The selectivity at a site is the balanced accuracy of the grid's probe out of fold, less the highest of its floors
(chance, label shuffles, untrained twins, input history: :func:`imprint.analyses.locate.worlds.highest_floor`).
Beside a learner stand its untrained twins, its labels shuffled among groups, and the same with the concept planted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.exam import SetupExam, exam_of, sites_of
from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.targets import SiteReadings, Targets, readable
from imprint.analyses.locate.worlds import highest_floor
from imprint.models.chance import generator
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.probes.subjects.subject import Subject

STRENGTH = 1.0
"""Planted: the mean of either class lies so many standard deviations of the site's activations from the middle."""


@contextmanager
def lived(setup: Setup, seeds: Sequence[int], say: Say) -> Iterator[RunFolder]:
    """A folder with the lives of some seeds, for as long as it is open; ``say`` hears of the first half of the work.

    Raises :class:`NotMeasurableError` when a seed diverged.
    """
    with tempfile.TemporaryDirectory() as name:
        home = RunFolder(Path(name))
        LearnerLifetime(setup, seeds, home).live(lambda step: say(step.age, 2 * step.total, "lives"))
        for seed in seeds:
            if LearnerLifetime.living_ages(setup, home, seed) != list(setup.planned):
                raise NotMeasurableError(f"seed {seed} diverged: its parameters stopped being finite")
        yield home


class Examined:
    """The exam of one seed: its intended concept alone, at every site, beside the untrained twins in its world."""

    def __init__(self, setup: Setup, home: RunFolder, seed: int) -> None:
        self.home, self.seed, self.name = home, seed, setup.intended
        self.exam, self.sites = exam_of(setup, setup.schedule.world_of(seed)), sites_of(setup)
        concepts = [target for target in self.exam.targets.concepts if target.name == self.name]
        self.targets = replace(self.exam.targets, concepts=concepts)
        bare = self.targets.without_shuffles
        numbers = range(seed * setup.evaluation.twins, (seed + 1) * setup.evaluation.twins)
        twins = [readable(_twin(self.exam, number, self.sites)) for number in numbers]
        self.floors = Floors(self.name, [bare.read_sites(twin) for twin in twins], _inputs(self.exam, bare))

    def subject(self, age: int) -> Subject:
        """The learner at an age."""
        return self.exam.subject(self.home, self.seed, age)

    def activations(self, age: int) -> Mapping[str, Tensor]:
        """Site -> its activations ``[n, D]`` at an age."""
        return readable(self.subject(age).activations(self.exam.batch.observation, self.sites))

    def planted(self, activations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same with the concept written at one site; see :func:`plant`."""
        return plant(activations, self.exam.concepts[self.name].to_numpy(dtype=bool), self.seed)


def _twin(exam: SetupExam, number: int, sites: Sequence[str]) -> Mapping[str, Tensor]:
    """Activations of an untrained twin."""
    learner = LearnerLifetime.twin(exam.setup, number)
    width = learner.latents(exam.batch.observation[:1]).shape[-1]
    subject = Subject.of_learner(learner, exam.world, torch.zeros(width), torch.zeros(()))
    return subject.activations(exam.batch.observation, sites)


def _inputs(exam: SetupExam, targets: Targets) -> dict[tuple[str, str], Reading]:
    """(moment, concept) -> reading of the raw input up to a moment."""
    inputs: dict[tuple[str, str], Reading] = {}
    for moment, step in exam.world.moments.items():
        history = exam.batch.observation[:, : step + 1].flatten(1).numpy()
        read = targets.read_inputs(history)
        inputs |= {(moment, concept): reading for concept, reading in read.items()}
    return inputs


class Floors:
    """What the readings of a concept in one world are compared with."""

    def __init__(
        self, concept: str, untrained: Sequence[SiteReadings], inputs: Mapping[tuple[str, str], Reading]
    ) -> None:
        self.concept, self.untrained, self.inputs = concept, untrained, inputs

    def without(self, twin: int) -> Floors:
        """The same without one of the untrained twins, for that twin itself."""
        return Floors(self.concept, [*self.untrained[:twin], *self.untrained[twin + 1 :]], self.inputs)

    def sites(self, readings: SiteReadings, *, shuffle: int | None = None) -> list[dict[str, Any]]:
        """Selectivity (``statistic``) of the concept at every site, with its ``site``, ``score`` and ``floor``.

        ``shuffle``: number of a label shuffle whose score stands in place of that of the labels.
        """
        rows: list[dict[str, Any]] = []
        for (site, concept), reading in readings.items():
            if concept == self.concept:
                twins = [t[site, concept].sums for t in self.untrained if (site, concept) in t]
                inputs = self.inputs[site.rpartition("@")[2], concept].sums
                nulls = reading.nulls if len(reading.nulls) else np.array([reading.chance])
                beside = replace(reading, nulls=nulls)
                floor = highest_floor(Evidence(beside, np.stack(twins) if twins else None, inputs))
                value = reading.score if shuffle is None else float(reading.nulls[shuffle])
                rows.append({"statistic": value - floor, "site": site, "score": value, "floor": floor})
        return rows

    def found(self, readings: SiteReadings, *, shuffle: int | None = None) -> dict[str, Any]:
        """The row of :meth:`sites` with the largest selectivity."""
        return max(self.sites(readings, shuffle=shuffle), key=lambda row: row["statistic"])


def plant(activations: Mapping[str, Tensor], truth: np.ndarray, seed: int) -> dict[str, Tensor]:
    """Activations with a concept ``[n]`` written along a random direction at one site, drawn from the seed."""
    rng, names = generator("planted site", seed), list(activations)
    site = names[int(torch.randint(0, len(names), (), generator=rng))]
    x = activations[site]
    direction = torch.nn.functional.normalize(torch.randn(x.shape[1], generator=rng), dim=0)
    size = STRENGTH * float((x @ direction).std())
    side = torch.from_numpy(np.where(truth, 1.0, -1.0)).to(x.dtype)
    return {**activations, site: x + size * side[:, None] * direction}
