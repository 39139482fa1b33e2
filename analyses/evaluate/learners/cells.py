"""The cells of a run: raise some seeds, measure the floors, look into one seed.

Each is a pure function of (resolved setup, run folder, what to do). Floors are measured once per run, since every seed
is examined on the same held-out episodes: randomly initialised twins at every site, and the raw input history up to
every moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imprint.analyses import engine
from imprint.analyses.evaluate.learners.exam import exam_of, sites_of
from imprint.analyses.locate.reading import read
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.analyses.locate.targets import input_readings, unreadable
from imprint.models.files import write_table
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, write_tensors
from imprint.probes.readouts.base import READOUTS
from imprint.probes.subjects.subject import Subject


def live(data: dict[str, Any], path: Path, seeds: tuple[int, ...], name: str) -> None:
    """Raise some seeds from birth to the last planned age."""
    torch.set_num_threads(1)
    setup, folder = Setup(**data), RunFolder(path)
    lifetime = LearnerLifetime(setup, seeds, folder)

    def report(step: Progress) -> None:
        if (step.age // setup.schedule.batch) % 20 == 0 or step.age == step.total:
            note = "loss " + " ".join(f"{loss:.2f}" for loss in step.loss)
            engine.say(path / ".progress", name, step.age, step.total, note)

    lifetime.live(report)


def floors(data: dict[str, Any], path: Path) -> None:
    """Readings of randomly initialised twins at every site and of the input history at every moment."""
    torch.set_num_threads(1)
    setup, folder = Setup(**data), RunFolder(path)
    exam, sites = exam_of(setup), sites_of(setup)
    bare = [t.real() for t in exam.targets]
    engine_ = READOUTS.load(setup.evaluation.readout)()
    tensors: dict[str, Tensor] = {}
    for t in range(setup.evaluation.twins):
        learner = LearnerLifetime.twin(setup, t)
        width = learner.latents(exam.batch.observation[:1]).shape[-1]
        subject = Subject.of_learner(learner, exam.world, torch.zeros(width), torch.zeros(()))
        for site, x in subject.activations(exam.batch.observation, sites).items():
            for target, reading in zip(bare, read(x, bare, exam.fold, exam.groups, engine_), strict=True):
                tensors[f"untrained|{site}|{target.name}|{t}"] = torch.from_numpy(reading.sums)
        engine.say(path / ".progress", "floors", t + 1, setup.evaluation.twins + 1, "untrained twins")
    for moment, step in exam.world.moments.items():
        history = exam.batch.observation[:, : step + 1].flatten(1).numpy()
        for reading, target in zip(input_readings(history, exam.targets, exam.fold, exam.groups), bare, strict=True):
            tensors[f"inputs|{moment}|{target.name}"] = torch.from_numpy(reading.sums)
    write_tensors(floors_file(folder), tensors, cell="floors")


def look(data: dict[str, Any], path: Path, seed: int) -> None:
    """Readings of every concept at every site and age of one seed."""
    torch.set_num_threads(1)
    setup, folder = Setup(**data), RunFolder(path)
    exam, sites, ages = exam_of(setup), sites_of(setup), setup.planned
    engine_ = READOUTS.load(setup.evaluation.readout)()
    tensors: dict[str, Tensor] = {}
    for i, age in enumerate(ages):
        kept = LearnerLifetime.revive(setup, folder, seed, age)
        if not kept.alive:
            break
        subject = Subject.of_learner(kept.learner, exam.world, kept.weight, kept.bias)
        for site, x in subject.activations(exam.batch.observation, sites).items():
            if unreadable(x):
                continue
            for target, reading in zip(
                exam.targets, read(x, exam.targets, exam.fold, exam.groups, engine_), strict=True
            ):
                tensors[f"sums|{age}|{site}|{target.name}"] = torch.from_numpy(reading.sums)
                tensors[f"nulls|{age}|{site}|{target.name}"] = torch.from_numpy(reading.nulls)
                tensors[f"noise|{age}|{site}|{target.name}"] = torch.tensor(reading.noise, dtype=torch.float64)
        engine.say(path / ".progress", f"locate-seed-{seed}", i + 1, len(ages), f"age {age}")
    write_tensors(readings_file(folder, seed), tensors, cell=f"locate-seed-{seed}")


def planted(path: Path, seed: int) -> None:
    """The planted controls: are the instruments right on learners whose insides are known?"""
    from imprint.analyses.planted.learners import self_check

    torch.set_num_threads(1)
    write_table(path, self_check(seed))
