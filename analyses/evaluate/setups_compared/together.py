"""Runs of setups whose learners live alike: they are raised once, and what is measured of them alone is measured once.

Setups that differ only in steering, assessor or words share a life (:mod:`imprint.analyses.evaluate.sweeps.plan`). The
life leaves in the folder of each run what a life of its own would leave there, byte for byte
(:mod:`imprint.models.lifetimes.dealt`), so that every run is finished, reported and verified by itself. Where setups
also ask for the same concepts in the same way, the floors and readings of one run are those of the others; they are
copied, under the registration of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from imprint.analyses.engine import Cell, Progress, opened, run_cells
from imprint.analyses.evaluate.evaluate import prepare, procedure_of
from imprint.analyses.evaluate.learners.latch import twins_file
from imprint.analyses.evaluate.procedure import reporter, train
from imprint.analyses.evaluate.setups_compared.numbers import TOGETHER
from imprint.analyses.evaluate.sweeps.lives import cost_file
from imprint.analyses.evaluate.sweeps.plan import groups_of_seeds, life_of
from imprint.analyses.locate.stored import floors_file, readings_file
from imprint.models.files import alone_in, read_record, write_json
from imprint.models.lifetimes.dealt import DealtLifetime
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder, read_tensors, write_tensors

OF_THE_FILE = ("digest", "format", "registration")
"""Entries of a header that belong to one file and not to what it holds."""


def living_alike(setups: Iterable[Any]) -> list[tuple[Setup, ...]]:
    """Setups in groups of two or more whose learners live the same lives."""
    groups: dict[str, list[Setup]] = {}
    for setup in setups:
        if isinstance(setup, Setup) and not setup.shapes_learner and setup.assessor["closes_at"] is None:
            groups.setdefault(json.dumps(life_of(setup), sort_keys=True), []).append(setup)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def raise_together(setups: Sequence[Setup], out: str | Path, *, progress: Progress | None = None) -> None:
    """Raise the learners of setups that live alike, once, into the run folders of all; what is there is kept.

    Raises :class:`imprint.models.errors.ImprintError` as :func:`imprint.evaluate` does. Seeds that cannot be raised
    are left to the runs themselves.
    """
    procedures = [procedure_of(setup, RunFolder((Path(out) / setup.run_name).absolute())) for setup in setups]
    folders = [procedure.folder for procedure in procedures]
    with opened("local", folder=folders[0].path) as workers, ExitStack() as alone:
        for procedure in procedures:
            procedure.rehearse()
            alone.enter_context(alone_in(procedure.folder.path))
            prepare(procedure, workers, resume=True, replicates=None)
        cells = []
        for group in groups_of_seeds(setups[0]):
            name = f"seeds {group[0]}-{group[-1]}, {len(setups)} setups"
            files = tuple(f.checkpoint(seed, age) for f in folders for seed in group for age in setups[0].planned)
            work = (partial(DealtLifetime, setups, group, folders), reporter(folders[0], name))
            cells.append(Cell(name, train, work, files))
        outcomes = run_cells(cells, backend=workers, watch=folders[0].path / ".progress", progress=progress)
        for folder in folders:
            file = cost_file(folder.path, TOGETHER)
            before = float(read_record(file)["seconds"]) if file.exists() else 0.0
            write_json(file, {"seconds": before + sum(outcome.cpu for outcome in outcomes) / len(folders)})


def take_over(setup: Setup, others: Iterable[Setup], out: str | Path) -> int:
    """Copy into the run of ``setup`` what finished runs of ``others``, who live alike, measured of the same learners.

    Returns the number of copied files. What is there already is left as it is.
    """
    own, copied = RunFolder(Path(out) / setup.run_name), 0
    for other in others:
        theirs = RunFolder(Path(out) / other.run_name)
        if other is setup or not theirs.findings_file.is_file() or _examined(other) != _examined(setup):
            continue
        for source, target in zip(_measured(setup, theirs), _measured(setup, own), strict=True):
            if source.exists() and not target.exists():
                tensors, header = read_tensors(source)
                write_tensors(target, tensors, **{k: v for k, v in header.items() if k not in OF_THE_FILE})
                copied += 1
    return copied


def _measured(setup: Setup, folder: RunFolder) -> list[Path]:
    """Files of a run that no signal and no assessor has a part in."""
    seeds = (seed for group in groups_of_seeds(setup) for seed in group)
    floors = (floors_file(folder, world) for world in range(setup.schedule.worlds))
    return [twins_file(folder), *floors, *(readings_file(folder, seed) for seed in seeds)]


def _examined(setup: Setup) -> tuple[Any, ...]:
    """What decides how the learners of setups that live alike are read."""
    return (life_of(setup), setup.evaluation, setup.intended, setup.proxies, setup.concepts)
