"""Run a setup: train its seeds, examine them beside their controls, pool the evidence and write it down.

What is done with learners and with agents: :mod:`imprint.analyses.evaluate.procedure`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from imprint.analyses import engine
from imprint.analyses.engine import Outcome, Progress
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.procedure import Procedure
from imprint.analyses.evaluate.run import AnySetup, Run, read_setup
from imprint.analyses.provenance import commit, package_versions, software
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import StorageError, read_json, write_bytes, write_json, write_table
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup, with_seeds
from imprint.models.store import RunFolder

LEFTOVERS = (
    "seed-*/age-*.safetensors",
    "random-reward/seed-*/age-*.safetensors",
    "cells/*",
    "artefacts/*",
    "findings.*",
    "run.json",
    "begun.json",
    "report.html",
)
"""Files that a run leaves, and that starting it afresh removes."""


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
        seeds: number of training seeds, if not the setup's own; worlds are no more than those.
        out: folder for runs.
        backend: ``local`` processes, or a ``dask`` or ``ray`` cluster that is already running.
        changes: dotted keys of the setup -> values.
        resume: go on with a run of the same setup; False starts it afresh.
        progress: called with every :class:`imprint.analyses.engine.Step`.
    """
    started = time.time()
    if backend not in engine.BACKENDS:
        raise unknown_name("backend", backend, engine.BACKENDS)
    whole = with_seeds(setup, seeds, changes)
    chosen = setup if isinstance(setup, AlignmentSetup) and not whole else load_setup(setup, changes=whole)
    assert isinstance(chosen, Setup | AgentSetup)
    folder = RunFolder(Path(out) / chosen.run_name)
    procedure = _procedure(chosen, folder)
    procedure.rehearse()
    _prepare(chosen, folder, resume)
    record = folder.path / "run.json"
    if folder.findings_file.exists() and record.exists() and not read_json(record)["failed"]:
        return Run.of(folder.path, setup=chosen)
    outcomes = procedure.run(backend, progress)
    table = procedure.findings(outcomes, progress)
    write_bytes(folder.path / "findings.csv", table.to_csv(index=False).encode())
    _record(chosen, folder, outcomes, started)
    write_table(folder.findings_file, table)
    return Run.of(folder.path, setup=chosen, findings=table)


def _procedure(setup: AnySetup, folder: RunFolder) -> Procedure[Any]:
    if isinstance(setup, Setup):
        return LearnerProcedure(setup, folder)
    from imprint.analyses.evaluate.agents.procedure import AgentProcedure

    return AgentProcedure(setup, folder)


def _prepare(setup: AnySetup, folder: RunFolder, resume: bool) -> None:
    """Make the folder, or check that it is this setup's own."""
    text = yaml.safe_dump(setup.resolved(), sort_keys=False, allow_unicode=True).encode()
    if folder.setup_file.exists():
        if folder.setup_file.read_bytes() != text and read_setup(folder).digest != setup.digest:
            raise ImprintError(f"{folder.path} belongs to another setup; choose another folder with --out.")
        if not resume:
            _clear(folder)
    write_bytes(folder.setup_file, text)
    _check_versions(folder)
    write_json(folder.path / "begun.json", {"setup": setup.run_name, "versions": package_versions()})


def _check_versions(folder: RunFolder) -> None:
    """Refuse to go on with other versions: that would mix two experiments in one table."""
    path = folder.path / "begun.json"
    if not path.exists():
        return
    before = read_json(path)["versions"]
    changed = [f"{n} {before.get(n)} -> {v}" for n, v in package_versions().items() if before.get(n) != v]
    if changed:
        raise ImprintError(
            f"{folder.path} was begun with other versions ({'; '.join(changed)}). Start afresh with --no-resume."
        )


def _clear(folder: RunFolder) -> None:
    """Remove what an earlier run of the same setup left; only files of names we write."""
    for path in (path for pattern in LEFTOVERS for path in folder.path.glob(pattern)):
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}.") from error


def _record(setup: AnySetup, folder: RunFolder, outcomes: Sequence[Outcome], started: float) -> None:
    """Provenance; the only file of a run that depends on when and where it was made."""
    machine = {"system": platform.system(), "processor": platform.machine(), "cores": engine.available_cores()}
    record = {
        "setup": setup.run_name,
        "ages": list(setup.planned),
        "seeds": setup.schedule.seeds,
        "versions": software(),
        "commit": commit(),
        "machine": machine,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "failed": [{"cell": o.cell, "error": o.error} for o in outcomes if o.error is not None],
        "cell_seconds": {o.cell: o.seconds for o in outcomes},
    }
    write_json(folder.path / "run.json", record)
