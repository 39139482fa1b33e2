"""evaluate: the main job. Raise learners, look inside them, judge the latch, write the evidence.

Two waves of cells: (1) lifetimes; (2) the floors, the planted controls, one look and one latch per seed, and pictures.
Then, in the main process, seeds are pooled into findings. Every cell is skipped when its result exists, so a killed run
goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml

from imprint.analyses import engine
from imprint.analyses.base import findings
from imprint.analyses.cells import (
    Exam,
    exam_of,
    floors,
    floors_file,
    live,
    look,
    planted,
    readings_file,
    readings_of,
    sites_of,
)
from imprint.analyses.decision import UNDETERMINED, decide
from imprint.analyses.engine import Cell, Outcome, Progress, Step, run_cells
from imprint.analyses.latch import pool_cells, pool_effects
from imprint.analyses.latch_cells import (
    exam_design,
    files_of,
    judge_latch,
    picture_files,
    pictures,
    record_of,
)
from imprint.analyses.run import AnySetup, Run, planned_ages, read_setup
from imprint.analyses.statistics import student
from imprint.analyses.what_when_where import grid_findings
from imprint.models.chance import generator
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.models.files import StorageError, read_json, read_table, write_bytes, write_json, write_table
from imprint.models.lifetimes.learner import living_ages, steer
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, read_tensors
from imprint.probes.readouts.base import READOUTS

PACKAGES = (
    "torch",
    "transformer-lens",
    "captum",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "gymnasium",
    "minigrid",
    "safetensors",
)
PLANTED_SEED = 0


def evaluate(
    setup: str | Path | Mapping[str, Any] | AlignmentSetup,
    *,
    seeds: int | None = None,
    out: str | Path = "runs",
    backend: str = "local",
    changes: Mapping[str, Any] | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Run a setup and return its findings.

    Arguments:
        setup: shipped name, YAML file, mapping or :class:`Setup`.
        seeds: number of training seeds, if not the setup's own.
        out: folder for runs.
        backend: ``local`` processes, or a ``dask`` or ``ray`` cluster that is already running.
        changes: dotted keys of the setup -> values.
        resume: go on with a run of the same setup; False starts it afresh.
        progress: called with every :class:`imprint.analyses.engine.Step`.
    """
    started = time.time()
    if backend not in engine.BACKENDS:
        raise unknown_name("backend", backend, engine.BACKENDS)
    whole = {**(changes or {}), **({"schedule.seeds": seeds} if seeds is not None else {})}
    chosen = load_setup(setup, changes=whole)
    assert isinstance(chosen, Setup | AgentSetup)
    job = _job(chosen)
    job.rehearse(chosen)
    folder = RunFolder(Path(out) / chosen.run_name)
    _prepare(chosen, folder, resume)
    if _whole(folder):
        return Run(folder.path)
    outcomes = job.waves(chosen, folder, backend, progress)
    table = findings(pd.concat([job.pool(chosen, folder, outcomes, progress), _failures(chosen, outcomes)]))
    write_bytes(folder.path / "findings.csv", table.to_csv(index=False).encode())
    _record(chosen, folder, outcomes, started)
    write_table(folder.findings_file, table)
    return Run(folder.path)


class _Job(NamedTuple):
    """What is done with a kind of setup."""

    rehearse: Callable[[Any], None]
    waves: Callable[[Any, RunFolder, str, Progress | None], list[Outcome]]
    pool: Callable[[Any, RunFolder, list[Outcome], Progress | None], pd.DataFrame]


def _job(setup: AnySetup) -> _Job:
    if isinstance(setup, Setup):
        return _Job(_rehearse, _waves, _findings)
    from imprint.analyses import evaluate_agents

    return _Job(evaluate_agents.rehearse, evaluate_agents.waves, evaluate_agents.pool)


def _whole(folder: RunFolder) -> bool:
    """Whether a run is finished and nothing in it failed; failed cells are tried again."""
    record = folder.path / "run.json"
    return folder.findings_file.exists() and record.exists() and not read_json(record)["failed"]


def _rehearse(setup: Setup) -> None:
    """Build every part once and let it meet two episodes.

    What does not fit is said before anything is written.
    """
    world = setup.make_world()
    steer(setup.make_signals(), world, world.sample(2, rng=generator("rehearsal")), generator("rehearsal"))
    learner = setup.make_learner(frame_of(world), rng=generator("rehearsal"))
    setup.make_assessor(1, int(learner.latents(world.sample(1, rng=generator("rehearsal")).observation).shape[-1]))
    READOUTS.load(setup.evaluation.readout)
    exam_of(setup)


def _prepare(setup: AnySetup, folder: RunFolder, resume: bool) -> None:
    """Make the folder, or check that it is this setup's own."""
    text = yaml.safe_dump(setup.resolved(), sort_keys=False, allow_unicode=True)
    if folder.setup_file.exists():
        kept = read_setup(folder)
        if kept.digest != setup.digest:
            raise ImprintError(f"{folder.path} belongs to another setup; choose another folder with --out.")
        if not resume:
            _clear(folder)
    write_bytes(folder.setup_file, text.encode())
    write_json(folder.path / "begun.json", _begun(folder, setup))


def _begun(folder: RunFolder, setup: AnySetup) -> dict[str, Any]:
    """Versions the run was begun with; going on with others would mix two experiments in one table."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    path = folder.path / "begun.json"
    if path.exists():
        before = read_json(path)["versions"]
        changed = [f"{n} {before.get(n)} -> {v}" for n, v in versions.items() if before.get(n) != v]
        if changed:
            raise ImprintError(
                f"{folder.path} was begun with other versions ({'; '.join(changed)}). Start afresh with --no-resume."
            )
    return {"setup": setup.run_name, "versions": versions}


def _clear(folder: RunFolder) -> None:
    """Remove what an earlier run of the same setup left; only files of names we write."""
    for pattern in (
        "seed-*/age-*.safetensors",
        "random-reward/seed-*/age-*.safetensors",
        "cells/*",
        "artefacts/*",
        "findings.*",
        "run.json",
        "begun.json",
        "report.html",
    ):
        for path in folder.path.glob(pattern):
            try:
                path.unlink()
            except OSError as error:
                raise StorageError(f"cannot remove {path}: {error.strerror}.") from error


def _waves(setup: Setup, folder: RunFolder, backend: str, progress: Progress | None) -> list[Outcome]:
    data, path, watch = setup.resolved(), folder.path, folder.path / ".progress"
    numbers = list(range(setup.schedule.seeds))
    size = setup.schedule.together
    ages = setup.schedule.planned
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


def _failures(setup: AnySetup, outcomes: list[Outcome]) -> pd.DataFrame:
    base = {"analysis": "lifetime", "setup": setup.run_name, "metric": "failed_cell", "verdict": "failed"}
    return findings([{**base, "control": o.cell, "why": o.error} for o in outcomes if o.error is not None])


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _locate(setup: Setup, folder: RunFolder, exam: Exam, seeds: range) -> pd.DataFrame:
    regression = {t.name: t.regression for t in exam.targets}
    readings = {s: readings_of(folder, s, regression) for s in seeds if readings_file(folder, s).exists()}
    cells = [(a, s, c) for a in setup.schedule.planned for s in sites_of(setup) for c in setup.located]
    return grid_findings(
        setup.run_name, readings, _floors(folder, setup), exam.problems, cells=cells, alpha=setup.evaluation.alpha,
        resamples=setup.evaluation.resamples, rng=_rng("locate"),
    )  # fmt: skip


def _floors(folder: RunFolder, setup: Setup) -> dict[str, np.ndarray]:
    if not floors_file(folder).exists():
        return {}
    tensors, _ = read_tensors(floors_file(folder))
    out = {key: value.numpy() for key, value in tensors.items() if key.startswith("inputs|")}
    twins = range(setup.evaluation.twins)
    for key in dict.fromkeys(k.rpartition("|")[0] for k in tensors if k.startswith("untrained|")):
        out[key] = np.stack([tensors[f"{key}|{t}"].numpy() for t in twins])
    return out


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
    for age in setup.schedule.planned:
        sums = [r.shares[age] for r in records.values() if age in r.shares and not r.shares[age].constant]
        shares = pool_cells(sums, names, resamples=setup.evaluation.resamples, rng=_rng(f"shares {age}"))
        why = "" if sums else "the value does not vary at this age, or no seed reached it"
        rows += [{**base, "metric": "share", "age": age, "why": why, **r} for r in _renamed(shares, "share")]
    last = setup.schedule.planned[-1]
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
        kept = [age for age in setup.schedule.planned if folder.checkpoint(seed, age).exists()]
        good = living_ages(setup, folder, seed)
        base = {"analysis": "lifetime", "setup": setup.run_name, "seed": seed, "seeds": 1}
        if len(good) < len(kept):
            rows.append({**base, "metric": "diverged", "age": good[-1] if good else None, "estimate": 1.0,
                         "verdict": "diverged",
                         "why": f"loss or parameters stopped being finite after age {good[-1] if good else 'none'}; "
                         "that age is this seed's last good one"})  # fmt: skip
    return findings(rows)


def _record(setup: AnySetup, folder: RunFolder, outcomes: list[Outcome], started: float) -> None:
    """Provenance; the only file of a run that depends on when and where it was made."""
    write_json(
        folder.path / "run.json",
        {
            "setup": setup.run_name,
            "ages": list(planned_ages(setup)),
            "seeds": setup.schedule.seeds,
            "versions": {
                "imprint": _version(),
                "python": platform.python_version(),
                **{p: metadata.version(p) for p in PACKAGES},
            },
            "commit": _commit(),
            "machine": {
                "system": platform.system(),
                "processor": platform.machine(),
                "cores": engine.available_cores(),
            },
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.time() - started, 1),
            "failed": [{"cell": f.cell, "error": f.error} for f in outcomes if f.error is not None],
            "cell_seconds": {f.cell: f.seconds for f in outcomes},
        },
    )


def _version() -> str:
    try:
        return metadata.version("imprint")
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """Commit of the source tree this was run from, if it is one."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
