"""How a setup of learners is evaluated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.engine import Cell, Outcome, Progress, Step, run_cells
from imprint.analyses.evaluate.learners.cells import floors, live, look, planted
from imprint.analyses.evaluate.learners.exam import Exam, exam_of, sites_of
from imprint.analyses.evaluate.learners.latch import exam_design, files_of, judge_latch, record_of
from imprint.analyses.evaluate.learners.pictures import picture_files, pictures
from imprint.analyses.findings import findings
from imprint.analyses.latch.decision import decide
from imprint.analyses.latch.latch import pool_cells, pool_effects
from imprint.analyses.locate.grid import grid_findings
from imprint.analyses.locate.stored import floors_file, read_floors, readings_file, readings_of
from imprint.analyses.statistics import student
from imprint.analyses.verdicts import UNDETERMINED
from imprint.models.chance import generator
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.files import read_table
from imprint.models.lifetimes.learner import LearnerLifetime, signals_of
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.store import RunFolder
from imprint.probes.readouts.base import READOUTS

PLANTED_SEED = 0


def _rehearse(setup: Setup) -> None:
    """Build every part once and let it meet two episodes.

    What does not fit is said before anything is written.
    """
    world = setup.make_world()
    signals_of(setup.make_signals(), world, world.sample(2, rng=generator("rehearsal")), generator("rehearsal"))
    learner = setup.make_learner(frame_of(world), rng=generator("rehearsal"))
    setup.make_assessor(1, int(learner.latents(world.sample(1, rng=generator("rehearsal")).observation).shape[-1]))
    READOUTS.load(setup.evaluation.readout)
    exam_of(setup)


def _waves(setup: Setup, folder: RunFolder, backend: str, progress: Progress | None) -> list[Outcome]:
    data, path, watch = setup.resolved(), folder.path, folder.path / ".progress"
    numbers = list(range(setup.schedule.seeds))
    size = setup.schedule.together
    ages = setup.planned
    first: list[Cell] = []
    for start in range(0, len(numbers), size):
        seeds = tuple(numbers[start : start + size])
        name = f"seeds {seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
        results = tuple(folder.checkpoint(seed, age) for seed in seeds for age in ages)
        first.append(Cell(name, live, (data, path, seeds, name), results))
    outcomes = run_cells(first, backend=backend, watch=watch, progress=progress)
    raised = [seed for seed in numbers if folder.checkpoint(seed, ages[-1]).exists()]
    if not raised:
        raise ImprintError(
            "no seed reached its last age: " + "; ".join(f"{f.cell}: {f.error}" for f in outcomes if f.error)
        )
    planted_file = folder.cell("planted")
    second = [
        Cell("floors", floors, (data, path), (floors_file(folder),)),
        Cell("planted controls", planted, (planted_file, PLANTED_SEED), (planted_file,)),
    ]
    second += [Cell(f"locate-seed-{s}", look, (data, path, s), (readings_file(folder, s),)) for s in raised]
    second += [Cell(f"latch-seed-{s}", judge_latch, (data, path, s), files_of(folder, s)) for s in raised]
    second.append(Cell("pictures", pictures, (data, path, raised[0]), picture_files(folder)))
    return outcomes + run_cells(second, backend=backend, watch=watch, progress=progress)


def _findings(setup: Setup, folder: RunFolder, outcomes: list[Outcome], progress: Progress | None) -> pd.DataFrame:
    if progress is not None:
        progress(Step("findings", 0, 1, "pooling over seeds"))
    exam = exam_of(setup)
    seeds = range(setup.schedule.seeds)
    tables = [_lifetime_rows(setup, folder), _locate(setup, folder, exam, seeds), _latch(setup, folder, exam, seeds)]
    if (checked := folder.cell("planted")).exists():
        tables.append(findings(read_table(checked)).assign(setup=setup.run_name))
    if progress is not None:
        progress(Step("findings", 1, 1, "done"))
    return findings(pd.concat([t for t in tables if len(t)], ignore_index=True))


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _locate(setup: Setup, folder: RunFolder, exam: Exam, seeds: range) -> pd.DataFrame:
    regression = {t.name: t.regression for t in exam.targets}
    readings = {s: readings_of(folder, s, regression) for s in seeds if readings_file(folder, s).exists()}
    cells = [(a, s, c) for a in setup.planned for s in sites_of(setup) for c in setup.located]
    return grid_findings(
        setup.run_name, readings, read_floors(folder, setup), exam.problems, cells=cells, alpha=setup.evaluation.alpha,
        resamples=setup.evaluation.resamples, rng=_rng("locate"),
    )  # fmt: skip


def _latch(setup: Setup, folder: RunFolder, exam: Exam, seeds: range) -> pd.DataFrame:
    """Per-seed rows, shares pooled at every age, effects and the verdict pooled at the last."""
    names, base = (setup.intended, *setup.proxies), {"analysis": "latch", "setup": setup.run_name}
    try:
        design = exam_design(setup, exam)
    except NotMeasurableError as error:
        return findings(
            [{**base, "metric": "latch", "concept": setup.intended, "verdict": UNDETERMINED, "why": str(error)}]
        )
    records = {s: record_of(setup, folder, s, design) for s in seeds if all(f.exists() for f in files_of(folder, s))}
    rows: list[dict[str, Any]] = []
    shares = pd.DataFrame()
    for age in setup.planned:
        sums = [r.shares[age] for r in records.values() if age in r.shares and not r.shares[age].constant]
        shares = pool_cells(sums, names, resamples=setup.evaluation.resamples, rng=_rng(f"shares {age}"))
        why = "" if sums else "the value does not vary at this age, or no seed reached it"
        rows += [{**base, "metric": "share", "age": age, "why": why, **r} for r in _renamed(shares, "share")]
    last = setup.planned[-1]
    finished = [r for r in records.values() if last in r.shares]
    measured = {c: [r.effects[c] for r in finished if c in r.effects] for c in names}
    effects = pool_effects(measured, resamples=setup.evaluation.resamples, rng=_rng("effects"))
    rows += [{**base, "metric": "effect", "age": last, **r} for r in _renamed(effects, "effect")]
    verdict = decide(shares, effects, setup.decision, intended=setup.intended)
    top = shares.iloc[0]
    rows.append(
        {**base, "metric": "latch", "concept": setup.intended, "age": last, "estimate": top["share"], "low": top["low"],
         "high": top["high"], "n": top["n"], "seeds": top["seeds"], "verdict": verdict.verdict, "why": verdict.why}
    )  # fmt: skip
    per_seed = [r.findings for r in records.values()]
    return findings(pd.concat([findings(rows), *per_seed, *_mean_erasure(per_seed, base)], ignore_index=True))


def _renamed(table: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.rename(columns={name: "estimate"}).to_dict("records")]


def _mean_erasure(per_seed: list[pd.DataFrame], base: dict[str, str]) -> list[pd.DataFrame]:
    """Erasure and attribution averaged over seeds, interval by Student's t over seeds."""
    if not per_seed:
        return []
    table = pd.concat(per_seed, ignore_index=True)
    table = table[table["metric"].isin(["erasure_loss", "attribution"])]
    rows = []
    keys = ["metric", "concept", "site", "control", "age"]
    for key, part in table.groupby(keys, dropna=False, sort=False):
        values = part["estimate"].dropna().to_numpy()
        mean, reach = student(values)
        rows.append({**base, **dict(zip(keys, key, strict=True)), "estimate": mean, "low": mean - reach,
                     "high": mean + reach, "seeds": len(values),
                     "n": part["n"].sum() if part["n"].notna().any() else None})  # fmt: skip
    return [findings(rows)]


def _lifetime_rows(setup: Setup, folder: RunFolder) -> pd.DataFrame:
    """Diverged seeds, each with its last good age."""
    rows = []
    for seed in range(setup.schedule.seeds):
        kept = [age for age in setup.planned if folder.checkpoint(seed, age).exists()]
        good = LearnerLifetime.living_ages(setup, folder, seed)
        base = {"analysis": "lifetime", "setup": setup.run_name, "seed": seed, "seeds": 1}
        if len(good) < len(kept):
            rows.append({**base, "metric": "diverged", "age": good[-1] if good else None, "estimate": 1.0,
                         "verdict": "diverged",
                         "why": f"loss or parameters stopped being finite after age {good[-1] if good else 'none'}; "
                         "that age is this seed's last good one"})  # fmt: skip
    return findings(rows)
