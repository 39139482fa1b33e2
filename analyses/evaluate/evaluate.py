"""evaluate: the main job. Raise learners, look inside them, judge the latch, write the evidence.

Two waves of cells: (1) lifetimes; (2) the floors, the planted controls, one look and one latch per seed, and pictures.
Then, in the main process, seeds are pooled into findings. Every cell is skipped when its result exists, so a killed run
goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from imprint.analyses import engine
from imprint.analyses.engine import Outcome, Progress
from imprint.analyses.evaluate.learners.procedure import _findings, _rehearse, _waves
from imprint.analyses.evaluate.procedure import failure_rows
from imprint.analyses.evaluate.run import AnySetup, Run, planned_ages, read_setup
from imprint.analyses.findings import findings
from imprint.analyses.provenance import PACKAGES, commit, version
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import StorageError, read_json, write_bytes, write_json, write_table
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder


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
    table = findings(pd.concat([job.pool(chosen, folder, outcomes, progress), failure_rows(chosen, outcomes)]))
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
    from imprint.analyses.evaluate.agents import procedure as evaluate_agents

    return _Job(evaluate_agents.rehearse, evaluate_agents.waves, evaluate_agents.pool)


def _whole(folder: RunFolder) -> bool:
    """Whether a run is finished and nothing in it failed; failed cells are tried again."""
    record = folder.path / "run.json"
    return folder.findings_file.exists() and record.exists() and not read_json(record)["failed"]


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


def _record(setup: AnySetup, folder: RunFolder, outcomes: list[Outcome], started: float) -> None:
    """Provenance; the only file of a run that depends on when and where it was made."""
    write_json(
        folder.path / "run.json",
        {
            "setup": setup.run_name,
            "ages": list(planned_ages(setup)),
            "seeds": setup.schedule.seeds,
            "versions": {
                "imprint": version(),
                "python": platform.python_version(),
                **{p: metadata.version(p) for p in PACKAGES},
            },
            "commit": commit(),
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
