"""The cells of a run of learners once they are trained: measure the floors, read one seed, check the instruments.

Floors are measured once per world, since all seeds of a world are examined on the same held-out episodes: randomly
initialised twins at every site, and the raw input history up to every moment. Several worlds divide the setup's twins
among them, at least one in each: over worlds there are as many twins as in a run in one world, or more.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from imprint.analyses.evaluate.learners.exam import exam_of, sites_of
from imprint.analyses.evaluate.procedure import reporter
from imprint.analyses.locate.reading import Reading
from imprint.analyses.locate.stored import floors_cell, write_floors, write_readings
from imprint.analyses.locate.targets import SiteReadings, readable
from imprint.analyses.planted.learners import self_check
from imprint.models.files import write_table
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder
from imprint.probes.subjects.subject import Subject


def measure_floors(setup: Setup, folder: RunFolder, world: int) -> None:
    """Readings in a world: of randomly initialised twins at every site, and of the input history at every moment."""
    exam, sites = exam_of(setup, world), sites_of(setup)
    count = math.ceil(setup.evaluation.twins / setup.schedule.worlds)
    bare = exam.targets.without_shuffles
    untrained: dict[int, SiteReadings] = {}
    for done, t in enumerate(range(world * count, (world + 1) * count), start=1):
        learner = LearnerLifetime.twin(setup, t)
        width = learner.latents(exam.batch.observation[:1]).shape[-1]
        subject = Subject.of_learner(learner, exam.world, torch.zeros(width), torch.zeros(()))
        untrained[t] = bare.read_sites(subject.activations(exam.batch.observation, sites))
        reporter(folder, floors_cell(world))(done, count + 1, "untrained twins")
    inputs: dict[tuple[str, str], Reading] = {}
    for moment, step in exam.world.moments.items():
        history = exam.batch.observation[:, : step + 1].flatten(1).numpy()
        inputs |= {(moment, concept): reading for concept, reading in bare.read_inputs(history).items()}
    write_floors(folder, world, untrained, inputs)


def read_seed(setup: Setup, folder: RunFolder, seed: int) -> None:
    """Readings of every concept at every site and age of one seed."""
    cell = f"locate-seed-{seed}"
    readings: dict[int, SiteReadings] = {}
    exam, sites = exam_of(setup, setup.schedule.world_of(seed)), sites_of(setup)
    ages = LearnerLifetime.living_ages(setup, folder, seed)
    for i, age in enumerate(ages):
        activations = readable(exam.subject(folder, seed, age).activations(exam.batch.observation, sites))
        readings[age] = exam.targets.read_sites(activations)
        reporter(folder, cell)(i + 1, len(ages), f"age {age}")
    write_readings(folder, seed, readings, cell=cell)


def check_instruments(path: Path, seed: int) -> None:
    """The planted controls: are the instruments right on learners whose insides are known?"""
    write_table(path, self_check(seed))
