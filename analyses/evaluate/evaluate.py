"""Run a setup: train its seeds, examine them beside their controls, pool the evidence and write it down.

What is done with learners and with agents: :mod:`imprint.analyses.evaluate.procedure`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from imprint.analyses.engine import Backend, Progress, opened, require_backend
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.analyses.evaluate.procedure import Pooling, Procedure
from imprint.analyses.evaluate.record import LEFTOVERS, write_findings
from imprint.analyses.evaluate.run import AnySetup, Run, TrainedSetup, read_setup
from imprint.analyses.registration import OF_RUNS, Session, begin, replaced, require_same, results_in, source_of
from imprint.models.errors import ImprintError
from imprint.models.files import StorageError, alone_in, read_record, write_bytes
from imprint.models.memory import within_memory
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.raw import with_seeds
from imprint.models.setup.study import StudySetup
from imprint.models.store import RunFolder


def evaluate(
    setup: str | Path | Mapping[str, Any] | AlignmentSetup,
    *,
    seeds: int | None = None,
    out: str | Path = "runs",
    backend: str = "local",
    address: str | None = None,
    changes: Mapping[str, Any] | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    replicates: str | None = None,
) -> Run:
    """Run a setup and return its findings.

    What was chosen is registered before the first result (:mod:`imprint.analyses.registration`). Raises
    :class:`ImprintError` for a setup that does not fit together, and for a folder that another process works on or
    that was begun with other versions, on another CPU capability or under another rule. A cluster is refused before
    anything is written when it does not answer, or a worker has other versions or does not see the folder.

    Arguments:
        setup: shipped name, YAML file, mapping or :class:`Setup`.
        seeds: number of training seeds, if not the setup's own; worlds are no more than those.
        out: folder for runs.
        backend: ``local`` processes, or a ``dask`` or ``ray`` cluster that is already running (``docs/cluster.md``).
        address: where that cluster answers, such as ``tcp://host:8786``; by default the one this process has joined.
        changes: dotted keys of the setup -> values.
        resume: go on with a run of the same setup; False starts it afresh.
        progress: called with every :class:`imprint.analyses.engine.Step`.
        replicates: registration of the run that this one repeats on other seeds.
    """
    started = time.time()
    require_backend(backend, address)
    whole = with_seeds(changes, seeds)
    chosen = setup if isinstance(setup, AlignmentSetup) and not whole else load_setup(setup, changes=whole)
    assert isinstance(chosen, Setup | AgentSetup)
    folder = RunFolder(Path(out) / chosen.run_name)
    procedure = procedure_of(chosen, RunFolder(folder.path.absolute()))
    with opened(backend, address, folder=folder.path) as workers:
        with within_memory():
            procedure.rehearse()
        with alone_in(folder.path):
            if prepare(procedure, workers, resume=resume, replicates=replicates):
                return Run.of(folder.path, setup=chosen)
            outcomes = procedure.run(workers, progress)
            table = procedure.findings(outcomes, progress)
            write_findings(procedure, outcomes, table, started=started)
    return Run.of(folder.path, setup=chosen, findings=table)


def procedure_of(setup: TrainedSetup, folder: RunFolder) -> Procedure[Any]:
    """How a setup of this kind is evaluated."""
    if isinstance(setup, Setup):
        return LearnerProcedure(setup, folder)
    from imprint.analyses.evaluate.agents.procedure import AgentProcedure

    return AgentProcedure(setup, folder)


def pooling_of(setup: AnySetup, folder: RunFolder) -> Pooling[Any]:
    """How what was measured under a setup of this kind becomes findings."""
    if isinstance(setup, AgentStudySetup):
        from imprint.analyses.evaluate.agent_studies.pooling import AgentStudyPooling

        return AgentStudyPooling(setup, folder)
    if not isinstance(setup, StudySetup):
        return procedure_of(setup, folder)
    from imprint.analyses.evaluate.studies.pooling import StudyPooling

    return StudyPooling(setup, folder)


def prepare(procedure: Procedure[Any], workers: Backend, *, resume: bool, replicates: str | None) -> bool:
    """Make the folder, or check that it is this setup's own; register. Whether the run is finished."""
    setup, folder, rule = procedure.setup, procedure.folder, source_of(procedure.rule)
    text = yaml.safe_dump(setup.resolved(), sort_keys=False, allow_unicode=True).encode()
    earlier = _seen_under_another_rule(setup, folder)
    if folder.setup_file.exists():
        if folder.setup_file.read_bytes() != text and read_setup(folder).digest != setup.digest:
            raise ImprintError(f"{folder.path} belongs to another setup; choose another folder with --out.")
        if not resume:
            earlier += replaced(folder.path, rule)
            _clear(folder)
    record = folder.path / "run.json"
    if folder.findings_file.exists() and record.exists() and not read_record(record).get("failed"):
        require_same(folder.path, rule, Session.here(workers.machine))
        return True
    write_bytes(folder.setup_file, text)
    begin(
        folder.path,
        setup.resolved(),
        rule,
        empty=not results_in(folder.path, OF_RUNS),
        earlier=earlier,
        replicates=replicates,
        computing=workers.machine,
    )
    return False


def _seen_under_another_rule(setup: TrainedSetup, folder: RunFolder) -> list[str]:
    """Finished runs beside this one that differ from it in nothing but the decision: their results could be seen."""
    own, seen = _apart_from_decision(setup.resolved()), []
    for file in sorted(folder.path.parent.glob(f"{setup.name}-*/setup.yaml")):
        if file.parent != folder.path and (file.parent / "findings.parquet").exists():
            try:
                other = read_setup(RunFolder(file.parent)).resolved()
            except ImprintError:
                continue
            if _apart_from_decision(other) == own:
                seen.append(file.parent.name)
    return seen


def _apart_from_decision(resolved: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resolved.items() if key not in ("decision", "description", "question")}


def _clear(folder: RunFolder) -> None:
    """Remove what an earlier run of the same setup left; only files of names we write."""
    for path in (path for pattern in LEFTOVERS for path in folder.path.glob(pattern)):
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}.") from error
