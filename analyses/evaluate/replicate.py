"""Repeat a registered run on seeds that nobody had chosen, or could have known of, when it was registered.

The new seeds follow from the run's registration and from how often it was repeated before, so that whoever repeats it
cannot pick them. A run with the same verdict raises the first one's level of evidence to ``replicated``
(:mod:`imprint.analyses.verification.verify`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from imprint.analyses.engine import Progress
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run, open_finished
from imprint.analyses.registration import registration_of
from imprint.models.errors import ImprintError
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.load import load_setup
from imprint.models.setup.study import StudySetup

FIRST, SPAN = 10_000, 10**9
"""Lowest first seed of a repetition, and how many there are to draw from."""


def replicate(
    path: str | Path, *, backend: str = "local", address: str | None = None, progress: Progress | None = None
) -> Run:
    """Run the setup of a finished, registered run again on other seeds, beside it; goes on with one that was stopped.

    Arguments are those of :func:`imprint.analyses.evaluate.evaluate.evaluate`. Raises :class:`ImprintError` for a run
    that was not registered or is itself a repetition.
    """
    run = open_finished(path)
    if isinstance(run.setup, StudySetup | AgentStudySetup):
        raise ImprintError(f"{run.path} is a study: its models were trained elsewhere. Add other seeds to a new study.")
    _ = run.findings  # damaged ones, of which the same could not be said, are refused before any work
    registered = registration_of(run.path)
    if registered is None:
        raise ImprintError(
            f"{run.path} was not registered before its results, so nothing can be replicated; run it anew."
        )
    if registered.replicates is not None:
        raise ImprintError(f"{run.path} is itself a repetition; replicate the run that it repeats.")
    beside, count = run.path.resolve().parent, 0
    while True:
        drawn = hashlib.sha256(f"{registered.registration} {count}".encode()).hexdigest()
        setup = load_setup(run.setup, changes={"schedule.first_seed": FIRST + int(drawn[:12], 16) % SPAN})
        if not (beside / setup.run_name / "findings.parquet").exists():
            where: dict[str, Any] = {"out": beside, "backend": backend, "address": address}
            return evaluate(setup, **where, progress=progress, replicates=registered.registration)
        count += 1
