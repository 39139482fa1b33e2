"""Benchmark of a sweep of 600 cells of the nursery against as many separate runs, in CPU seconds.

The grid is world.colour_cue x assessor.lag x steering.0.miss x assessor.closes_at. One of its five upbringings is
raised, read and judged whole (120 cells, six seeds of 51,200 experiences); the four others do the same work, so the
cost is scaled by five. Of separate runs one is made, without what a verdict does not need (sites, pictures, power,
planted controls), and scaled by 600. Then a sweep of short lives is compared with separate runs, cell by cell: verdict,
every probability, and dominance with its interval have to be equal to the last bit.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import Row, arguments, at_least, at_most, show, timed
from imprint.analyses.engine import Cell
from imprint.analyses.evaluate.learners.exam import exam_of, signal_sign
from imprint.analyses.evaluate.learners.latch import files_of, record_of, twins_of
from imprint.analyses.evaluate.learners.pooled import latch_findings
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.sweeps.judging import verdicts_of
from imprint.analyses.evaluate.sweeps.lives import lives_of, readings_of
from imprint.analyses.evaluate.sweeps.plan import plan_of
from imprint.models.files import read_table
from imprint.models.setup.learner import Setup
from imprint.models.store import RunFolder

CUES = [0.34, 0.5, 0.65, 0.8, 0.95]
GRID: dict[str, list[Any]] = {
    "assessor.lag": [0, 1, 2, 3],
    "steering.0.miss": [0.0, 0.1, 0.2, 0.4, 0.6, 0.8],
    "assessor.closes_at": [3200, 6400, 12800, 25600, 51200],
}
SHORT: dict[str, Any] = {"schedule.experiences": 1920, "schedule.seeds": 3, "schedule.ages": 3, "learner.hidden": 24}
SHORT |= {"evaluation.episodes": 600, "evaluation.placebos": 2, "evaluation.resamples": 200}
QUICK: dict[str, list[Any]] = {"assessor.lag": [0, 1], "steering.0.miss": [0.0, 0.4], "assessor.closes_at": [640, None]}
CELLS, CHECKED = 600, 20


def work(cells: list[Cell]) -> None:
    """Do pieces of work one after another in this process."""
    for cell in cells:
        cell.function(*cell.arguments)


def separate(setup: Setup, out: Path) -> pd.DataFrame:
    """What a run of one setup finds of its latch over seeds, by the run's own pieces of work and nothing else."""
    folder = RunFolder(out / setup.run_name)
    procedure = LearnerProcedure(setup, folder)
    work([cell for cell in procedure.raising() if cell.name.startswith("seed")])
    work([cell for cell in procedure.examining(procedure.reached) if cell.name.startswith("latch")])
    exams = [exam_of(setup, number) for number in range(setup.schedule.worlds)]
    designs, world_of = [exam.design for exam in exams], setup.schedule.world_of
    whole = [seed for seed in procedure.seeds if all(file.exists() for file in files_of(folder, seed))]
    records = [record_of(folder, seed, designs[world_of(seed)], world_of(seed)) for seed in whole]
    sign = signal_sign(setup, exams[0].world)
    found = latch_findings(exams[0], records, twins_of(folder, designs), ages=procedure.ages, sign=sign)
    return found[found["seed"].isna() & (found["age"] == procedure.ages[-1])]


def differing(row: pd.Series, found: pd.DataFrame, intended: str) -> list[str]:
    """Columns of a cell that are not what a separate run found, to the last bit."""
    expected: dict[str, Any] = {"verdict": found[found["metric"] == "latch"]["verdict"].item()}
    for item in found[found["metric"] == "probability"].itertuples():
        expected[f"probability|{item.control}"] = item.estimate
    for item in found[(found["metric"] == "dominance") & (found["concept"] != "(interaction)")].itertuples():
        expected[f"dominance|{item.concept}"] = item.estimate
        if item.concept == intended:
            expected |= {"dominance_low": item.low, "dominance_high": item.high}
    return [name for name, value in expected.items() if row.get(name) != value]


def full_size(out: Path, *, quick: bool) -> list[Row]:
    """CPU seconds of one upbringing with its cells, and of one separate run."""
    changes, grid = (SHORT, QUICK) if quick else ({}, GRID)
    plan = plan_of("nursery", grid, changes={**changes, "world.colour_cue": CUES[2]})
    upbringing, times = plan.upbringings[0], {}
    for name, wave in (("lives", lives_of), ("readings", readings_of), ("verdicts", verdicts_of)):
        times[name] = timed(partial(work, wave(upbringing, out)))[1].cpu
    setup = plan.cells[0].setup
    assert isinstance(setup, Setup)
    alone = timed(partial(separate, setup, out / "alone"))[1].cpu
    count, spent = len(plan.cells), sum(times.values())
    rows = [Row(f"{name} of one upbringing, {count} cells", took, "CPU s") for name, took in times.items()]
    scaled = spent * CELLS / count
    note = "15 minutes on two cores are 1,800 CPU seconds"
    return [
        *rows,
        Row("one verdict", spent / count, "CPU s"),
        Row("one separate run, its verdict alone", alone, "CPU s"),
        at_most(1800, f"{CELLS} cells in {CELLS // count} upbringings, scaled", scaled, "CPU s", note=note),
        at_least(10, "separate runs, times the cost of the sweep", alone * CELLS / scaled, "times"),
    ]


def equality(out: Path, *, quick: bool) -> list[Row]:
    """How many cells of a sweep with short lives differ from separate runs."""
    grid = {"world.colour_cue": CUES[1:4:2], **QUICK, "assessor.lag": [0, 1] if quick else [0, 1, 3]}
    plan = plan_of("nursery", grid, changes=SHORT)
    for upbringing in plan.upbringings:
        for wave in (lives_of, readings_of, verdicts_of):
            work(wave(upbringing, out))
    tables = [read_table(f) for u in plan.upbringings for c in verdicts_of(u, out) for f in c.results]
    rows = dict(pd.concat(tables).set_index("cell").iterrows())
    some = plan.cells[:: len(plan.cells) // (2 if quick else CHECKED)][: 2 if quick else CHECKED]
    wrong = {}
    for cell in some:
        assert isinstance(cell.setup, Setup)
        if odd := differing(rows[cell.number], separate(cell.setup, out / "alone"), cell.setup.intended):
            wrong[cell.number] = odd
    note = "; ".join(f"cell {number}: {', '.join(odd)}" for number, odd in wrong.items())
    return [
        at_most(0, f"of {len(some)} cells differ in a bit from separate runs", float(len(wrong)), "cells", note=note)
    ]


def main() -> None:
    """Run the benchmark and print its table."""
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        rows = full_size(Path(folder) / "full", quick=options.quick)
        rows += equality(Path(folder) / "short", quick=options.quick)
    show("sweep of the nursery", rows, as_json=options.json)


if __name__ == "__main__":
    main()
