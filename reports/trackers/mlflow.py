"""A run as a run of MLflow in a folder of this machine: curves over seeds, and a nested run for each seed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from imprint.reports.trackers.tracked import OVER_SEEDS, Tracked

EXPERIMENT = "imprint"
LONGEST, TOGETHER = 500, 100
"""Characters of a parameter, and parameters in a call: limits of MLflow."""


def write(run: Tracked, target: Path) -> None:
    """Write an experiment ``imprint`` into the file store ``target``; the step is the age. Needs ``mlflow``.

    A file store needs no database and no server. MLflow 3 reads and writes one only where MLFLOW_ALLOW_FILE_STORE says
    so, which is set for this process if it is not; ``mlflow migrate-filestore`` takes the store over to a database.
    """
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    target.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=target.resolve().as_uri())
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = client.create_experiment(EXPERIMENT) if known is None else known.experiment_id
    now = int(time.time() * 1000)
    whole = client.create_run(experiment, run_name=run.name, tags=dict(run.words)).info.run_id
    params = [Param(key, text[:LONGEST]) for key, text in run.settings.items()]
    for start in range(0, len(params), TOGETHER):
        client.log_batch(whole, params=params[start : start + TOGETHER])
    for group, curves in run.curves.items():
        nested = {"mlflow.parentRunId": whole}
        own = whole if group == OVER_SEEDS else client.create_run(experiment, run_name=group, tags=nested).info.run_id
        points = [Metric(name, value, now, age) for name, curve in curves.items() for age, value in curve]
        for start in range(0, len(points), TOGETHER):
            client.log_batch(own, metrics=points[start : start + TOGETHER])
        if own != whole:
            client.set_terminated(own)
    client.log_batch(whole, tags=[RunTag("imprint.run", run.name)])
    for file in run.files:
        client.log_artifact(whole, str(file))
    client.set_terminated(whole)
