"""Learners that grow up in one nursery, and how well the reward of every genome goes along with the concept in them.

A *genome* is a hardcoded rule that turns what a learner has become into a reward, without knowing the learner. All are
read on the same held-out episodes, in which no proxy goes along with the caregiver, at the world's decision moment:

    unit       the activity of one unit whose index is fixed (of every unit, so that evolution can choose among them:
               G0 and G1, :mod:`imprint.analyses.questions.genomes.evolution`)
    sensor     the crude detector as it fires in that moment (G2)
    assessor   a linear value of the latents, taught by the reward from that detector one step ahead (G3)
    imprinted  the same, taught within a window that opens late in life (or at birth), and frozen after it (G4)
    region     the mean of the first latents, or the first latent; with gradient routing these are taught by marked
               steps alone (:mod:`imprint.models.learning.routing`)
    oracle     a ridge probe, fitted with labels on balanced episodes of the handwriting that learners grow up with
    swapped    the oracle's probe of the next seed of the same batch, read at the same addresses
    noise      as the assessor, with a detector that fires as often with her as without her

    area       under the ROC curve, for the concept: how often an animal that chooses the better rewarded of two scenes
               chooses the one with the concept
    effect     mean reward with it less mean reward without it, in standard deviations; of the concept and of the cue
    latch      effect of the concept / (both effects), magnitudes

Populations differ in where they come from: ``fresh``, each with initial weights of its own; ``shared``, all with the
initial weights of one birth; ``inherited``, all with the weights and optimiser of one ancestor in the middle of its
life, from which each goes on with experience of its own; ``newborn``, whose weights never change; ``routed``, in which
marked steps teach the region and nothing else; ``routed, shared rest``, in which all steps teach the rest.

Letters: S seeds, n episodes, T steps, D latent width, U units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.statistics import areas
from imprint.models.chance import generator
from imprint.models.learners.base import Learner
from imprint.models.lifetimes.learner import LearnerLifetime, ideal_signals
from imprint.models.lifetimes.shared import SharedLifetime
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder
from imprint.models.worlds.base import Batch, World
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.subjects.subject import Subject

POPULATIONS = ("fresh", "shared", "inherited", "newborn", "routed", "routed, shared rest")
ANCESTOR = 7919
"""Seed of the birth that is shared, and of the ancestor from whom is inherited."""
TRIED = {
    "assessor": "G3 assessor",
    "noise": "assessor, uninformative signal",
    "late": "G4 imprinted, late window",
    "early": "G4 imprinted, window at birth",
}
"""How learners are steered: name -> the genome's."""
SENSOR, ORACLE, SWAPPED, REGIONS = (
    "G2 raw sensor",
    "oracle",
    "oracle of another seed",
    ("region, mean", "region, first unit"),
)
REGION = 8
"""Latents of the region, routed or not."""
HELD_OUT, TAUGHT = 1500, 3000
"""Episodes on which rewards are read, and labelled ones of the oracle."""
SMALLEST = 1e-6
"""Part of its largest size by which a reward must change to be more than rounding of single precision."""
STILL = 1e-9
"""Learning rate of learners whose weights do not change."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Exam:
    """Episodes on which rewards are read."""

    world: World
    batch: Batch
    """Held out and balanced."""
    labelled: Batch
    """Balanced, of the handwriting that learners grow up with: for the oracle."""
    setup: Setup

    @classmethod
    def of(cls, setup: Setup) -> Exam:
        """The same for every seed."""
        world = setup.make_world()
        rng = generator("genomes")
        held_out = world.held_out().sample(HELD_OUT, rng=rng, design="balanced")
        return cls(world, held_out, world.sample(TAUGHT, rng=rng, design="balanced"), setup)

    @property
    def step(self) -> int:
        """The decision moment."""
        assert self.world.decision is not None
        return self.world.moments[self.world.decision]

    def row(self, reward: Tensor) -> dict[str, float]:
        """Area and both effects of one reward ``[n]``."""
        return {name: float(values[0]) for name, values in self.judged(reward[:, None]).items()}

    def judged(self, rewards: Tensor) -> dict[str, NDArray[np.float64]]:
        """Area and both effects of rewards ``[n, U]``; a reward that is always the same has area .5 and no effect."""
        x = rewards.double().numpy()
        present, cue = (
            self.batch.concepts[name].to_numpy(dtype=bool) for name in (self.setup.intended, self.setup.proxies[0])
        )
        moves = np.ptp(x, axis=0) > SMALLEST * np.abs(x).max(0)
        scale = np.where(moves, x.std(0), np.inf)
        effects = {
            name: (x[where].mean(0) - x[~where].mean(0)) / scale for name, where in (("concept", present), ("cue", cue))
        }
        return {"area": areas(x, np.repeat(present[:, None], x.shape[1], 1)), **effects}


def steerings(setup: Setup, closes: int) -> dict[str, Setup]:
    """Setups that differ in what reads along; names are those of :data:`TRIED`."""
    resolved = setup.resolved()
    window = {**resolved["assessor"], "kind": "imprinting", "threshold": 0.3, "events": closes}
    detectors = [signal["kind"] == "detector" for signal in resolved["steering"]]
    uninformed = [{"miss": 0.5, "false_alarm": 0.5} if detects else {} for detects in detectors]
    blind = [{**signal, **errors} for signal, errors in zip(resolved["steering"], uninformed, strict=True)]
    changes: dict[str, dict[str, Any]] = {
        "assessor": {},
        "noise": {"steering": blind},
        "late": {"assessor": {**window, "opens_at": 3 * setup.schedule.experiences // 4}},
        "early": {"assessor": window},
    }
    return {name: load_setup({**resolved, **change}, expect=Setup) for name, change in changes.items()}


def raise_and_read(
    *, setup: Mapping[str, Any], seeds: Sequence[int], population: str, role: str, closes: int, say: Say
) -> pd.DataFrame:
    """One row per seed and genome, and of every unit; columns as in the module docstring, and ``role`` as given.

    ``closes``: warm touches after which an imprinting window shuts.
    """
    plan = load_setup(setup, expect=Setup)
    exam = Exam.of(plan)
    named = steerings(plan, closes) if (population, role) == ("fresh", "evaluation") else {"assessor": plan}
    life = lived(list(named.values()), seeds, population, say)
    rows: Rows = []
    learners: list[Learner] = life.cohort.unstack()
    probes = [oracle(exam, learner) for learner in learners]
    for s, (seed, learner) in enumerate(zip(seeds, learners, strict=True)):
        own: Rows = list(units_of(exam, learner))
        if role == "evaluation":
            latents = latents_at(exam, learner, exam.batch)
            tracks = life.tracks if isinstance(life, SharedLifetime) else [life.steered]
            readings = {TRIED[name]: track.assessor.linear(s) for name, track in zip(named, tracks, strict=True)}
            readings |= {ORACLE: probes[s], SWAPPED: probes[(s + 1) % len(probes)]}
            rewards = {name: latents @ weight + bias for name, (weight, bias) in readings.items()}
            size = REGION if plan.routing is None else plan.routing.units
            rewards |= dict(zip(REGIONS, (latents[:, :size].mean(1), latents[:, 0]), strict=True))
            rewards[SENSOR] = sensed(exam, seed)
            own += [{"genome": name, **exam.row(reward)} for name, reward in rewards.items()]
        rows += [{"seed": seed, "population": population, "role": role, **row} for row in own]
        say(s + 1, len(seeds), f"{population}: rewards of seed {seed}")
    return pd.DataFrame(rows)


def lived(setups: Sequence[Setup], seeds: Sequence[int], population: str, say: Say) -> LearnerLifetime:
    """Learners at the end of their lives, and what has read along."""
    total, where = setups[0].planned[-1], RunFolder(Path("unused"))
    life = (
        SharedLifetime(setups, seeds, where) if setups[0].routing is None else LearnerLifetime(setups[0], seeds, where)
    )
    if population == "inherited":
        total, ancestor = total // 2, SharedLifetime(setups[:1], [ANCESTOR], where)
        while ancestor.age < setups[0].planned[-1] // 2:
            ancestor.step()
            say(ancestor.age, 2 * total, "training the ancestor")
        life.cohort.load([ancestor.cohort.state(0)] * len(seeds))
    while life.age < total:
        loss = life.step()
        if life.age % (20 * setups[0].schedule.batch) == 0:
            say(life.age, total, f"training learners ({population}), loss {float(loss.mean()):.2f}")
    return life


def latents_at(exam: Exam, learner: Learner, batch: Batch) -> Tensor:
    """Latents ``[n, D]`` at the decision moment."""
    shown = batch.observation[:, : exam.step + 1]
    return torch.cat([learner.latents(part)[:, exam.step] for part in shown.split(512)])


def oracle(exam: Exam, learner: Learner) -> tuple[Tensor, Tensor]:
    """Direction ``[D]`` of the probe that was fitted with labels, and no bias, which no number here depends on."""
    present = exam.labelled.concepts[exam.setup.intended].to_numpy(dtype=bool)
    fitted = Ridge().fit(latents_at(exam, learner, exam.labelled).numpy(), present).fitted_
    return fitted.direction[:, 0].float(), torch.zeros(())


def sensed(exam: Exam, seed: int) -> Tensor:
    """The raw detector ``[n]`` in the decision moment, with its errors."""
    detector = next(part for part in exam.setup.steering if part["kind"] == "detector")
    signals = ideal_signals(exam.setup, exam.world.held_out(), exam.batch, f"genomes, sensor of {seed}")
    return signals[detector["name"]][:, exam.step]


def units_of(exam: Exam, learner: Learner) -> Rows:
    """Rows of every unit of every site of the learner at the decision moment."""
    hooks, rows = [f"{hook}@{exam.world.decision}" for hook in learner.read_points], []
    width = latents_at(exam, learner, exam.batch.rows(slice(1))).shape[1]
    subject = Subject.of_learner(learner, exam.world, torch.zeros(width), torch.zeros(()))
    for site, activity in subject.activations(exam.batch.observation, hooks).items():
        numbers = pd.DataFrame(exam.judged(activity)).assign(genome="unit", site=site, unit=range(activity.shape[1]))
        rows += numbers.to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
