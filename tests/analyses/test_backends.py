"""Cells on Dask and Ray: the bytes of local ones, whatever becomes of the workers; what does not fit is refused."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imprint.analyses.backends import base, census
from imprint.analyses.backends.base import Cluster, Lost
from imprint.analyses.backends.census import Probe, describe, differing, probe_for, program, require_fit
from imprint.analyses.engine import Backend, Cell, Outcome, Step, opened, run_cells
from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.learners.procedure import LearnerProcedure
from imprint.models.errors import ImprintError, UnfinishedError
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder
from tests.known.clusters import dask_cluster, free_port, ray_cluster, written_after_kills
from tests.known.tiny import TINY

pytestmark = pytest.mark.long

FEW = {**TINY, "schedule.together": 1, "schedule.experiences": 64, "schedule.ages": 2}


def trained(out: Path, backend: Backend) -> dict[str, str]:
    """SHA-256 of what the cells left that train two seeds, each in a cell of its own."""
    procedure = LearnerProcedure(load_setup("nursery", changes=FEW), RunFolder(out))
    cells = procedure.raising_cells(procedure.setup, procedure.folder, procedure.seeds, name="seeds")
    assert [one.error for one in run_cells(cells, backend=backend, watch=out / ".progress")] == [None, None]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in out.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("local")
    with opened("local", folder=out, jobs=1) as here:
        digests = trained(out, here)
    assert len(digests) == 4
    return digests


def survived(out: Path, backend: Backend, times: int) -> list[str | None]:
    """Errors of three cells, of which the second kills its worker at first."""
    cells = [Cell(str(i), written_after_kills, (out / str(i), times * (i == 1)), (out / str(i),)) for i in range(3)]
    steps: list[Step] = []
    outcomes = run_cells(cells, backend=backend, watch=out / "watch", progress=steps.append)
    assert [one.cell for one in outcomes] == ["0", "1", "2"]
    assert {step.cell for step in steps if step.note in ("done", "failed")} == {"0", "1", "2"}
    assert [cell.done for cell in cells] == [one.error is None for one in outcomes]
    return [one.error for one in outcomes]


@pytest.fixture(scope="module")
def on_dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as address:
        yield address


def test_dask_gives_the_same_bytes_and_survives_its_workers(
    on_dask: str, local: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers have other working directories
    with opened("dask", on_dask, folder=Path("run")) as workers:
        assert not list(tmp_path.iterdir())
        assert trained(tmp_path / "run", workers) == local
        for wave in ("raising", "locating", "judging"):  # a worker is killed in each, as in a run
            (tmp_path / wave).mkdir()
            assert survived(tmp_path / wave, workers, times=1) == [None, None, None]


def test_ray_gives_the_same_bytes_and_survives_its_workers(local: dict[str, str], tmp_path: Path) -> None:
    with ray_cluster(), opened("ray", folder=tmp_path / "run") as workers:
        assert not list(tmp_path.iterdir())
        assert trained(tmp_path / "run", workers) == local
        assert survived(tmp_path, workers, times=1) == [None, None, None]


class Scripted(Cluster):
    """A cluster whose workers do with every try of a cell what a script says."""

    exact, tries = True, 3

    def __init__(self, script: dict[str, list[str]], gone: bool = False) -> None:
        super().__init__({}, "nowhere")
        self.script, self.gone, self.given = script, gone, list[str]()

    def submit(self, cell: Cell) -> Any:
        self.given.append(cell.name)
        handle = (cell, len(self.given))
        if not self.gone:
            self.ended.put(handle)
        return handle

    def outcome(self, handle: Any) -> Outcome | Lost:
        cell, _ = handle
        word = self.script[cell.name].pop(0)
        if word == "done":
            cell.results[0].touch()
        return Lost("its worker was killed") if word == "lost" else Outcome(cell.name, None, 1.0)

    def count(self) -> int:
        return 0

    def cancel(self, handles: Any) -> None:
        self.gone = True


def test_a_cell_is_given_up_after_three_losses_and_believed_only_when_its_results_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "ARRIVED_WITHIN", 0.0)
    script = {"a": ["lost", "done"], "b": ["lost"] * 3, "c": ["claims"] * 3, "d": ["done"]}
    cells = [Cell(name, written_after_kills, (), (tmp_path / name,)) for name in script]
    cluster = Scripted(script)
    outcomes = {one.cell: one.error for one in run_cells(cells, backend=cluster, watch=tmp_path / "watch")}
    assert outcomes["a"] is outcomes["d"] is None and sorted(cluster.given) == list("aabbbcccd")
    assert outcomes["b"] == "its worker was killed, at each of 3 tries"
    assert "cannot be seen from here" in str(outcomes["c"])


def test_a_run_whose_workers_are_gone_ends_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE", 0.0)
    cluster = Scripted({}, gone=True)
    with pytest.raises(UnfinishedError, match=r"no worker .* run the same command again"):
        run_cells([Cell("a", written_after_kills, (), (tmp_path / "a",))], backend=cluster, watch=tmp_path / "watch")


def said(probe: Probe, **changes: Any) -> dict[str, Any]:
    return {**describe(probe), **changes}


def test_a_worker_that_does_not_fit_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "SEEN_WITHIN", 0.0)
    with probe_for(tmp_path / "not" / "yet" / "made") as probe:
        assert probe.path.parent == tmp_path
        require_fit({"a": said(probe), "b": said(probe)}, probe)
        older = {**program(), "torch": "1.0"}
        for fault, words in (
            (said(probe, program=older), "torch 1.0 instead of"),
            (said(probe, program={**program(), "source": "other"}), "source files"),
            (ModuleNotFoundError("No module named 'imprint'"), "cannot be imported"),
            (said(replace(probe, secret="that of another folder with such a path")), "does not see"),
            (said(probe, wrote=""), "does not arrive"),
            (said(probe, wrote="nowhere"), "does not arrive"),
        ):
            with pytest.raises(ImprintError, match=f"1 of 2 workers cannot be used. Worker b: .*{words}"):
                require_fit({"a": said(probe), "b": fault}, probe)
    assert not list(tmp_path.iterdir())
    assert differing({"plugin": "1", "source": "s"}, {"source": "s"}).startswith("it has plugin missing instead of 1")


@pytest.mark.parametrize(
    ("backend", "address", "words"),
    [
        ("dask", "tcp://127.0.0.1:PORT", "no Dask cluster answers"),
        ("ray", "127.0.0.1:PORT", "no Ray cluster answers"),
        ("dask", "tcp://host", "is no address of a Dask cluster; expected tcp://host:8786"),
        ("dask", None, "needs an address"),
        ("ray", None, "needs an address"),
        ("local", "tcp://host:1", "goes with --backend dask or ray"),
        ("rya", None, "Did you mean 'ray'"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_sentence(
    backend: str, address: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    nobody = None if address is None else address.replace("PORT", str(free_port()))
    with pytest.raises(ImprintError, match=words) as refused:
        evaluate("nursery", out=tmp_path, backend=backend, address=nobody, changes=FEW)
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_a_port_that_says_nothing_is_no_dask_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imprint.analyses.backends import dask

    monkeypatch.setattr(dask, "WITHIN", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ImprintError, match="nothing is said there"), opened("dask", address, folder=tmp_path):
            pass
