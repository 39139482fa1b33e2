"""Runs for trackers: every number with an age is a curve; what is missing is said; both trackers read it back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.reports.reading.run import load_run
from imprint.reports.trackers.export import export_to
from imprint.reports.trackers.tracked import OVER_SEEDS, Tracked, tracked
from tests.commands.commands import answered, refused
from tests.reports import example_run

NAME = "latch/share - caregiver"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example_run.write(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def run(folder: Path) -> Tracked:
    return tracked(load_run(folder))


def test_every_number_with_an_age_is_a_point_of_a_curve(run: Tracked) -> None:
    table = example_run.table().dropna(subset=["age", "estimate"])
    assert set(run.curves) == {OVER_SEEDS, *(f"seed-{seed}" for seed in example_run.SEEDS)}
    points = sum(len(curve) for group in run.curves.values() for curve in group.values())
    assert points == len(table) + table["low"].notna().sum() + table["high"].notna().sum()
    shares = table[(table["metric"] == "share") & (table["concept"] == "caregiver") & table["seed"].isna()]
    assert run.curves[OVER_SEEDS][NAME] == list(zip(shares["age"], shares["estimate"], strict=True))
    assert run.settings["world.kind"] == "nursery" and run.words["verdict"] == "intended"


def test_names_hold_nothing_that_a_tracker_refuses(run: Tracked) -> None:
    names = {name for group in run.curves.values() for name in group}
    assert not [name for name in names if set(name) & set("<>@:=`'\"&")] and all(name.count("/") == 1 for name in names)


def test_what_cannot_be_exported_is_one_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'tensorboard'"):
        export_to("tensorbord", folder, tmp_path)
    data = load_run(folder)
    with pytest.raises(ImprintError, match="no finding with an age"):
        tracked(replace(data, findings=data.findings.iloc[:0]))
    assert "--format" in refused(capsys, "export", str(folder), "--to", "mlflow", "--format", "svg")


def test_a_tracker_that_is_not_installed_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tensorboard", "tensorboard.compat.proto.event_pb2"):  # one may have been imported before
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImprintError, match=r"pip install 'imprint\[tensorboard\]'"):
        export_to("tensorboard", folder, tmp_path)


def test_tensorboard_reads_the_curves_back(
    folder: Path, run: Tracked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = answered(capsys, "export", str(folder), "--to", "tensorboard", "--out", str(tmp_path))["files"]
    assert len(files) == len(run.curves)
    events = EventAccumulator(str(tmp_path / run.name / OVER_SEEDS)).Reload()
    read = [(scalar.step, scalar.value) for scalar in events.Scalars(NAME)]
    np.testing.assert_allclose(read, run.curves[OVER_SEEDS][NAME], rtol=1e-6)
    assert b"intended" in events.Tensors("verdict")[0].tensor_proto.string_val[0]


def test_mlflow_reads_the_curves_back(folder: Path, run: Tracked, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    assert export_to("mlflow", folder, tmp_path)
    client = MlflowClient(tracking_uri=tmp_path.resolve().as_uri())
    experiment = client.get_experiment_by_name("imprint")
    assert experiment is not None
    runs = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {run.name, *(f"seed-{seed}" for seed in example_run.SEEDS)}
    own = runs[run.name]
    history = client.get_metric_history(own.info.run_id, NAME)
    read = sorted((point.step, point.value) for point in history)
    np.testing.assert_allclose(read, run.curves[OVER_SEEDS][NAME])
    assert own.data.params["world.kind"] == "nursery" and own.data.tags["verdict"] == "intended"
    names = {Path(file.path).name for file in client.list_artifacts(own.info.run_id)}
    assert {"findings.parquet", "setup.yaml"} <= names
    kept = pd.read_parquet(client.download_artifacts(own.info.run_id, "findings.parquet", str(tmp_path)))
    assert len(kept) == len(example_run.table())
