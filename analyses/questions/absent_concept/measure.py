"""A detector of absent concepts, and what an assessor makes of a concept that is not there, on trained learners.

Learners live in the world ``shortcut`` in one of three states, with a mark that goes along with even digits or not:

    present          even digits occur and can be seen
    never met        no even digit occurs in the learner's life; it is examined on them all the same
    sense missing    digits leave no trace in what is seen, in life and in the exam

**Statistic of the detector**: the largest selectivity for ``even`` over all sites that the grid examines (hooks x
moments): balanced accuracy of the grid's probe out of fold, less the highest of its floors (chance, label shuffles,
untrained twins, input history: :func:`imprint.analyses.locate.worlds.highest_floor`), on held-out episodes of the
balanced design. One row for every learner, by ``kind``:

    trained      the learner
    untrained    every untrained twin in its world, beside the other twins, from which the threshold is made
    shuffled     the learner, with its labels shuffled among groups: nothing can be present
    planted      the learner with even planted at one site, at a distance of two standard deviations: it is present

Trained learners have besides what the assessor does that their signal taught in life:

    flag_rate    part of the episodes in which the value is above half of the signal
    auc_<c>      probability that the value with the concept is larger than without it
    nearest      correlate with the AUC farthest from 1/2; ``auc_nearest`` is that AUC (or 1 minus it), and
                 ``change_nearest`` how far the value moves with it, in units of the signal (an AUC has no unit, and can
                 be large of a value that hardly varies)
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.evaluate.learners.exam import SetupExam, exam_of, sites_of
from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.targets import SiteReadings, Targets, readable
from imprint.analyses.locate.worlds import highest_floor
from imprint.analyses.statistics import Floats
from imprint.models.chance import generator
from imprint.models.errors import NotMeasurableError
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.probes.subjects.subject import Subject

STRENGTH = 1.0
"""Planted: the mean of either class lies so many standard deviations of the site's activations from the middle."""


def examine(*, setup: dict[str, Any], seeds: Sequence[int], state: str, say: Say) -> pd.DataFrame:
    """Rows of all learners of some seeds; see the module docstring. ``state``: theirs.

    Raises :class:`NotMeasurableError` when a seed diverged.
    """
    chosen, tables = Setup(**setup), []
    with tempfile.TemporaryDirectory() as name:
        home = RunFolder(Path(name))
        LearnerLifetime(chosen, seeds, home).live(lambda step: say(step.age, 2 * step.total, "lives"))
        for done, seed in enumerate(seeds, start=1):
            if LearnerLifetime.living_ages(chosen, home, seed) != list(chosen.planned):
                raise NotMeasurableError(f"seed {seed} diverged: its parameters stopped being finite")
            tables.append(_rows_of_seed(chosen, home, seed))
            say(len(seeds) + done, 2 * len(seeds), "learners examined")
    return pd.concat(tables, ignore_index=True).assign(state=state, rho=float(chosen.world["rho"]))


def _rows_of_seed(setup: Setup, home: RunFolder, seed: int) -> pd.DataFrame:
    """The rows of one seed and of the untrained twins in its world."""
    exam, sites, name = exam_of(setup, setup.schedule.world_of(seed)), sites_of(setup), setup.intended
    targets = replace(exam.targets, concepts=[target for target in exam.targets.concepts if target.name == name])
    subject = exam.subject(home, seed, setup.planned[-1])
    activations = readable(subject.activations(exam.batch.observation, sites))
    bare = targets.without_shuffles
    numbers = range(seed * setup.evaluation.twins, (seed + 1) * setup.evaluation.twins)
    untrained = [bare.read_sites(readable(_twin(exam, number, sites))) for number in numbers]
    inputs = _inputs(exam, bare)
    floors = Floors(name, untrained, inputs)
    trained = targets.read_sites(activations)
    planted = targets.read_sites(plant(activations, exam.concepts[name].to_numpy(dtype=bool), seed))
    rows = [
        {"kind": "trained", **floors.found(trained), **latched(subject, exam, setup)},
        {"kind": "planted", **floors.found(planted)},
        {"kind": "shuffled", **floors.found(trained, shuffle=0)},
        *({"kind": "untrained", **floors.without(t).found(untrained[t])} for t in range(len(untrained))),
    ]
    return pd.DataFrame(rows).assign(seed=seed, n=len(exam.batch))


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

    def found(self, readings: SiteReadings, *, shuffle: int | None = None) -> dict[str, Any]:
        """The largest selectivity over sites (``statistic``), its site, score and floor.

        ``shuffle``: number of a label shuffle whose score stands in place of that of the labels.
        """
        best: dict[str, Any] = {"statistic": -np.inf}
        for (site, concept), reading in readings.items():
            if concept == self.concept:
                twins = [t[site, concept].sums for t in self.untrained if (site, concept) in t]
                inputs = self.inputs[site.rpartition("@")[2], concept].sums
                nulls = reading.nulls if len(reading.nulls) else np.array([reading.chance])
                beside = replace(reading, nulls=nulls)
                floor = highest_floor(Evidence(beside, np.stack(twins) if twins else None, inputs))
                value = reading.score if shuffle is None else float(reading.nulls[shuffle])
                if value - floor > best["statistic"]:
                    best = {"statistic": value - floor, "site": site, "score": value, "floor": floor}
        return best


def plant(activations: Mapping[str, Tensor], truth: np.ndarray, seed: int) -> dict[str, Tensor]:
    """Activations with a concept ``[n]`` written along a random direction at one site, drawn from the seed."""
    rng, names = generator("planted site", seed), list(activations)
    site = names[int(torch.randint(0, len(names), (), generator=rng))]
    x = activations[site]
    direction = torch.nn.functional.normalize(torch.randn(x.shape[1], generator=rng), dim=0)
    size = STRENGTH * float((x @ direction).std())
    side = torch.from_numpy(np.where(truth, 1.0, -1.0)).to(x.dtype)
    return {**activations, site: x + size * side[:, None] * direction}


def latched(subject: Subject, exam: SetupExam, setup: Setup) -> dict[str, Any]:
    """What the value of a learner flags and follows; see the module docstring."""
    value: Floats = subject.values(exam.batch.observation).double().numpy()
    found: dict[str, Any] = {"flag_rate": float((value > 0.5).mean())}
    facts = {c: exam.concepts[c].to_numpy(dtype=bool) for c in (setup.intended, *setup.proxies)}
    aucs = {concept: float(roc_auc_score(fact, value)) for concept, fact in facts.items()}
    nearest = max(setup.proxies, key=lambda c: abs(aucs[c] - 0.5))
    change = abs(value[facts[nearest]].mean() - value[~facts[nearest]].mean())
    found |= {f"auc_{concept}": auc for concept, auc in aucs.items()}
    found |= {"nearest": nearest, "auc_nearest": max(aucs[nearest], 1 - aucs[nearest])}
    return {**found, "change_nearest": float(change)}
