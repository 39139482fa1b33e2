"""What a sweep does for all cells of an upbringing at once: raise the learners, read them, and read untrained twins.

A file ``cells/read-<k>-<digest>.safetensors`` of the upbringing's folder holds latents at the world's decision moment
(letters: n held-out rows, n' of them changed, D width), of seed k examined as one ``evaluation`` says:

    latents|<age>                   [n, D]      at every age at which the seed had not diverged; at the last of these
                                                on the rows of a latch, before on those of the exam
    changed|<concept>|<l>           [n', D]     at the last, of rows whose concept was changed to its l-th level

and ``cells/twins-<digest>.safetensors`` the value ``[n]`` of the t-th untrained twin under ``value|<t>``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imprint.analyses.engine import Cell, Reporter
from imprint.analyses.evaluate.learners.exam import rows_of_exam
from imprint.analyses.evaluate.procedure import train
from imprint.analyses.evaluate.sweeps.plan import Upbringing, groups_of_seeds
from imprint.analyses.latch.effects import counterfactuals
from imprint.analyses.latch.latch import balanced_rows
from imprint.models.chance import generator
from imprint.models.errors import ImprintError
from imprint.models.files import write_json
from imprint.models.learners.base import Learner
from imprint.models.lifetimes.shared import SharedLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, write_tensors
from imprint.models.worlds.base import Batch, World
from imprint.probes.subjects.subject import Subject

BATCH = 512
"""Rows in one forward pass, as where a subject's value is read in a run, so that numbers have the same bits."""


def lives_of(upbringing: Upbringing, folder: Path) -> list[Cell]:
    """Cells of work that train the seeds of an upbringing."""
    setup, home, work = upbringing.setups[0], RunFolder(folder / upbringing.name), []
    for group in groups_of_seeds(setup):
        name = f"{upbringing.name} seeds {group[0]}-{group[-1]}"
        results = tuple(home.checkpoint(seed, age) for seed in group for age in setup.planned)
        make = partial(SharedLifetime, upbringing.setups, group, home)
        work.append(timed(folder, Cell(name, train, (make, Reporter(folder / ".progress", name)), results)))
    return work


def readings_of(upbringing: Upbringing, folder: Path) -> list[Cell]:
    """Cells of work that read the trained seeds, and untrained twins, for every way in which cells examine them."""
    home, work = RunFolder(folder / upbringing.name), []
    for setups in examined_alike(upbringing.setups):
        setup, digest = setups[0], evaluation_digest(setups[0])
        for seed in (seed for group in groups_of_seeds(setup) for seed in group):
            if home.checkpoint(seed, setup.planned[-1]).exists():
                name, file = f"{upbringing.name} read {seed} {digest}", read_file(home, seed, setup)
                work.append(timed(folder, Cell(name, read_seed, (setups, home, seed), (file,))))
        name = f"{upbringing.name} twins {digest}"
        work.append(timed(folder, Cell(name, read_twins, (setup, home), (twins_file(home, setup),))))
    return work


def examined_alike(setups: Iterable[Setup]) -> list[tuple[Setup, ...]]:
    """Setups in groups of equal ``evaluation``."""
    found: dict[str, list[Setup]] = {}
    for setup in setups:
        found.setdefault(evaluation_digest(setup), []).append(setup)
    return [tuple(alike) for alike in found.values()]


def evaluation_digest(setup: Setup) -> str:
    """Eight hexadecimal digits of how a setup is examined."""
    return hashlib.sha256(json.dumps(setup.resolved()["evaluation"], sort_keys=True).encode()).hexdigest()[:8]


def read_file(home: RunFolder, seed: int, setup: Setup) -> Path:
    """Latents of one seed."""
    return home.path / "cells" / f"read-{seed}-{evaluation_digest(setup)}.safetensors"


def twins_file(home: RunFolder, setup: Setup) -> Path:
    """Values of untrained twins."""
    return home.path / "cells" / f"twins-{evaluation_digest(setup)}.safetensors"


def read_seed(setups: Sequence[Setup], home: RunFolder, seed: int) -> None:
    """Latents of one seed at every age, and at the last of the rows whose concepts were changed."""
    setup = setups[0]
    world, batch = rows_of_exam(setup, setup.schedule.world_of(seed))
    tensors: dict[str, Tensor] = {}
    ages = SharedLifetime.living_ages(setup, home, seed)
    for age in ages:
        learner, _ = SharedLifetime.network_at(setup, home, seed, age)
        if age == ages[-1]:
            batch = balanced_rows(world, setup.evaluation.episodes)
            concepts = list(dict.fromkeys(name for other in setups for name in (other.intended, *other.proxies)))
            tensors |= _changed(learner, world, batch, concepts)
        tensors[f"latents|{age}"] = _latents(learner, world, batch.observation)
    write_tensors(read_file(home, seed, setup), tensors)


def _changed(learner: Learner, world: World, batch: Batch, concepts: Sequence[str]) -> dict[str, Tensor]:
    """Latents of rows whose concepts were changed; those that the world cannot change are left out, as in a run."""
    tensors: dict[str, Tensor] = {}
    for concept in concepts:
        try:
            changed = [
                _latents(learner, world, there.observation) for _, there in counterfactuals(world, batch, concept)
            ]
        except ImprintError:
            continue
        tensors |= {f"changed|{concept}|{level}": latents for level, latents in enumerate(changed)}
    return tensors


def read_twins(setup: Setup, home: RunFolder) -> None:
    """Values of the untrained twins that :func:`imprint.analyses.evaluate.learners.latch.measure_twins` measures."""
    exams = {number: rows_of_exam(setup, number) for number in range(setup.schedule.worlds)}
    values = {}
    for t in range(setup.evaluation.latch_twins):
        world, batch = exams[setup.schedule.world_of(t)]
        learner = SharedLifetime.twin(setup, t)
        weight = torch.randn(
            int(learner.latents(batch.observation[:1]).shape[-1]), generator=generator("untrained value", t)
        )
        subject = Subject.of_learner(learner, world, weight, torch.zeros(()), whole=False)
        values[f"value|{t}"] = subject.values(batch.observation)
    write_tensors(twins_file(home, setup), values)


def _latents(learner: Learner, world: World, observation: Tensor) -> Tensor:
    """Latents ``[n, D]`` at the decision moment."""
    if world.decision is None:
        raise ImprintError(f"{type(world).__name__} names no decision moment, at which the value is read.")
    step = world.moments[world.decision]
    return torch.cat([learner.latents(rows[:, : step + 1])[:, step] for rows in observation.split(BATCH)])


def timed(folder: Path, cell: Cell) -> Cell:
    """The same piece of work, which also leaves the CPU time that it took."""
    return Cell(cell.name, _timed, (cell.function, cell.arguments, cost_file(folder, cell.name)), cell.results)


def cost_file(folder: Path, name: str) -> Path:
    """CPU seconds of a piece of work; no result, since they are never the same twice."""
    return folder / ".costs" / f"{name}.json"


def _timed(function: Callable[..., None], arguments: tuple[Any, ...], file: Path) -> None:
    began = time.process_time()
    function(*arguments)
    write_json(file, {"seconds": time.process_time() - began})
