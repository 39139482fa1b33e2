"""The contract of an evaluation: what ``imprint run`` does with a setup, whether its subjects watch or act.

    rehearse    every part is built once, so that a setup that does not fit is refused before anything is written
    raise       the seeds are trained, some together, and kept at every planned age
    examine     every seed that reached its last age is measured, beside its controls
    pool        what was measured is pooled over seeds into findings

Raising and examining are two waves of cells. A cell is a pure function of the setup and its own arguments that leaves
its results in the run folder, and is skipped when these exist, so that a killed run goes on where it stopped and ends
with the same bytes. Pooling happens in the main process. A kind of setup is a subclass of :class:`Procedure`, in
``learners/`` or ``agents/``. A study, whose models are trained elsewhere, has :class:`Pooling` alone (``studies/``).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses import engine
from imprint.analyses.engine import WATCHED_EVERY, Backend, Cell, Outcome, Say, Step, run_cells
from imprint.analyses.evaluate.run import AnySetup, TrainedSetup
from imprint.analyses.findings import findings
from imprint.analyses.locate.grid import grid_findings
from imprint.analyses.locate.stored import Floors, Readings, read_floors, read_readings, readings_file
from imprint.analyses.locate.targets import Targets
from imprint.models.errors import UnfinishedError
from imprint.models.files import read_table
from imprint.models.lifetimes.lifetime import Lifetime, Progress
from imprint.models.store import RunFolder

S = TypeVar("S", bound=AnySetup)
P = TypeVar("P", bound=TrainedSetup)

METRICS = {
    "worlds": {"constant": "a constant of a world: `concept` names the setting, `why` holds its value"},
    "lifetime": {
        "diverged": "1: the seed diverged; `age` is its last good one",
        "failed_cell": "1: a cell of work failed; `control` names it, `why` is its error",
        "training_success": "part of the last training episodes that attain the intended goal",
    },
}


class Pooling(ABC, Generic[S]):
    """How what was measured of some seeds at some ages becomes findings; what was measured lies in one run folder."""

    rule: ClassVar[tuple[str, ...]]
    """Modules that turn what was measured into a verdict; their source is registered before the first result."""

    def __init__(self, setup: S, folder: RunFolder, *, ages: Sequence[int], seeds: Sequence[int]) -> None:
        self.setup, self.folder, self.ages, self.seeds = setup, folder, tuple(ages), seeds

    @property
    @abstractmethod
    def reached(self) -> list[int]:
        """Seeds that reached the last age."""

    @abstractmethod
    def raising(self) -> list[Cell]:
        """Cells that train the seeds, and those that need no trained seed."""

    @abstractmethod
    def examining(self, seeds: Sequence[int]) -> list[Cell]:
        """Cells that examine the ``seeds`` that reached their last age, and their controls."""

    @abstractmethod
    def pooling(self) -> Iterable[pd.DataFrame]:
        """Tables of findings, per seed and over seeds, from what the cells left."""

    def findings(self, outcomes: Sequence[Outcome], progress: engine.Progress | None) -> pd.DataFrame:
        """All findings of the run, with a row for every cell that failed."""
        if progress is not None:
            progress(Step("findings", 0, 1, "pooling over seeds"))
        tables = [table for table in (*self.pooling(), _failures(outcomes)) if len(table)]
        if progress is not None:
            progress(Step("findings", 1, 1, "done"))
        whole = findings(pd.concat(tables, ignore_index=True).assign(setup=self.setup.run_name))
        if self.setup.world_count > 1:
            whole["world"] = whole["world"].fillna(whole["seed"] % self.setup.world_count)
        return whole

    def grid(
        self,
        readings: Mapping[int, Readings],
        floors: Mapping[int, Floors],
        targets: Sequence[Targets],
        cells: Sequence[tuple[int, str, str]],
    ) -> pd.DataFrame:
        """Which concepts can be read at which site and age.

        ``readings`` and ``floors``: of each seed. ``targets``: of each world. ``cells``: (age, site, concept).
        """
        return grid_findings(
            readings,
            floors,
            {concept: why for of_world in targets for concept, why in of_world.problems.items()},
            cells=cells,
            alpha=self.setup.evaluation.alpha,
            resamples=self.setup.evaluation.resamples,
            rng=resampling_rng("locate"),
        )


class Procedure(Pooling[P]):
    """How one setup is evaluated in one run folder."""

    lifetime: ClassVar[type[Lifetime[Any, Any]]]
    """What trains the seeds."""

    def __init__(self, setup: P, folder: RunFolder) -> None:
        first = setup.schedule.first_seed
        super().__init__(setup, folder, ages=setup.planned, seeds=range(first, first + setup.schedule.seeds))

    @property
    def reached(self) -> list[int]:
        """Seeds with a checkpoint of the last age."""
        return [seed for seed in self.seeds if self.folder.checkpoint(seed, self.ages[-1]).exists()]

    @abstractmethod
    def rehearse(self) -> None:
        """Build every part once; raises :class:`ImprintError` for parts that do not fit together."""

    def run(self, backend: Backend, progress: engine.Progress | None) -> list[Outcome]:
        """Raise, then examine. Raises :class:`UnfinishedError` when no seed reached its last age."""
        watch = _progress_folder(self.folder)
        outcomes = run_cells(self.raising(), backend=backend, watch=watch, progress=progress)
        seeds = self.reached
        if not seeds:
            errors = "; ".join(f"{o.cell}: {o.error}" for o in outcomes if o.error)
            raise UnfinishedError(f"no seed reached its last age: {errors}")
        return outcomes + run_cells(self.examining(seeds), backend=backend, watch=watch, progress=progress)

    def worlds(self) -> pd.DataFrame:
        """A row for every constant of every world."""
        row = {"analysis": "worlds", "metric": "constant"}
        of_each = enumerate(self.setup.worlds)
        return findings(
            [{**row, "world": world, "concept": name, "why": _text(v)} for world, c in of_each for name, v in c.items()]
        )

    def diverged(self) -> pd.DataFrame:
        """A row for every seed that diverged, with its last good age."""
        rows = []
        for seed in self.seeds:
            good = self.lifetime.living_ages(self.setup, self.folder, seed)
            if len(good) < sum(self.folder.checkpoint(seed, age).exists() for age in self.ages):
                last = f"loss or parameters stopped being finite after age {good[-1] if good else 'none'}"
                why = {"verdict": "diverged", "why": f"{last}; that age is this seed's last good one"}
                about = {"age": good[-1] if good else None, "seed": seed, "seeds": 1}
                rows.append({"analysis": "lifetime", "metric": "diverged", "estimate": 1.0, **about, **why})
        return findings(rows)

    def located(self, targets: Sequence[Targets], *, sites: Iterable[str], concepts: Sequence[str]) -> pd.DataFrame:
        """Which concepts can be read at which site and age, beside the run's floors; ``targets``: of each world."""
        regression = {target.name: target.regression for of_world in targets for target in of_world.concepts}
        stored = [seed for seed in self.seeds if readings_file(self.folder, seed).exists()]
        floors = [read_floors(self.folder, world) for world in range(len(targets))]
        return self.grid(
            {seed: read_readings(self.folder, seed, regression) for seed in stored},
            {seed: floors[self.setup.schedule.world_of(seed)] for seed in stored},
            targets,
            [(age, site, concept) for age in self.ages for site in sites for concept in concepts],
        )

    def raising_cells(self, setup: P, folder: RunFolder, seeds: Sequence[int], *, name: str) -> list[Cell]:
        """Cells that train seeds into ``folder``, as many together as the setup says."""
        size, cells = setup.schedule.together, []
        for group in (tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)):
            label = f"{name} {group[0]}-{group[-1]}" if len(group) > 1 else f"{name.removesuffix('s')} {group[0]}"
            results = tuple(folder.checkpoint(seed, age) for seed in group for age in setup.planned)
            report = reporter(self.folder, label)
            cells.append(Cell(label, train, (partial(self.lifetime, setup, group, folder), report), results))
        return cells


def train(make_lifetime: Callable[[], Any], say: Say) -> None:
    """Train some seeds to the last planned age, reporting as often as progress is looked at."""
    reported = 0.0

    def report(step: Progress) -> None:
        nonlocal reported
        if step.age == step.total or time.monotonic() - reported > WATCHED_EVERY:
            reported = time.monotonic()
            say(step.age, step.total, "loss " + " ".join(f"{loss:.2f}" for loss in step.loss))

    make_lifetime().live(report)


def independent(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Estimates that are known, of independent units: of seeds of one world, or means over the seeds of each world."""
    known = rows.dropna(subset=["estimate"])
    each = known.groupby("world")["estimate"].mean() if known["world"].nunique() > 1 else known["estimate"]
    return each.to_numpy(dtype=np.float64)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def stored_tables(files: Iterable[Path]) -> list[pd.DataFrame]:
    """Tables that cells left; those of cells that failed are missing."""
    return [read_table(file) for file in files if file.exists()]


def reporter(folder: RunFolder, cell: str) -> engine.Reporter:
    """Leaves the progress of a cell in the folder of its run."""
    return engine.Reporter(_progress_folder(folder), cell)


def _progress_folder(folder: RunFolder) -> Path:
    return folder.path / ".progress"


def resampling_rng(name: str) -> np.random.Generator:
    """The stream of resamples of one part of the findings; the same in every run."""
    return np.random.default_rng(list(name.encode()))


def _failures(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    row = {"analysis": "lifetime", "metric": "failed_cell", "verdict": "failed"}
    return findings([{**row, "control": o.cell, "why": o.error} for o in outcomes if o.error is not None])
