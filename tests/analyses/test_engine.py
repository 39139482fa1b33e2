from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from imprint.analyses import engine
from imprint.analyses.backends import local
from imprint.analyses.engine import Cell, Step, run_cells
from imprint.analyses.journal import wave_in
from imprint.models.files import StorageError, write_bytes
from tests.known.clusters import written_after_kills


def write(path: Path, fail: str = "") -> None:
    if fail == "defect":
        raise ZeroDivisionError("by design")
    if fail == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fail == "full":
        raise StorageError("cannot write: No space left on device")
    engine.Reporter(path.parent / "watch", path.name)(1, 2, "half")
    write_bytes(path, b"done")


def test_one_failed_cell_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    cells = [
        Cell(str(i), write, (tmp_path / str(i), "defect" if i == 1 else ""), (tmp_path / str(i),)) for i in range(4)
    ]
    failures = [o for o in run_cells(cells, jobs=2, watch=tmp_path / "watch") if o.error is not None]
    assert [f.cell for f in failures] == ["1"] and "ZeroDivisionError: by design" in failures[0].error
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["0", "2", "3"]
    wave = wave_in((tmp_path / "watch" / ".wave").read_text())  # what an onlooker reads
    assert wave is not None and wave.cells == ("0", "1", "2", "3") and wave.failed == {"1"}
    assert wave.ended.keys() == {"0", "1", "2", "3"} and not wave.before
    steps: list[Step] = []
    assert run_cells(cells[:1], watch=tmp_path / "watch", progress=steps.append) == []
    assert steps == [Step("0", 1, 1, "done before")]


def test_a_killed_worker_takes_no_other_cell_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TRIES", 2)
    fails = ["", "kill", "", ""]
    cells = [Cell(str(i), write, (tmp_path / str(i), fail), (tmp_path / str(i),)) for i, fail in enumerate(fails)]
    outcomes = run_cells(cells, jobs=2, watch=tmp_path / "watch")
    assert [o.cell for o in outcomes if o.error is not None] == ["1"]
    assert "killed 2 times, also when it ran alone" in str(outcomes[1].error)
    assert [cell.done for cell in cells] == [True, False, True, True]


def test_a_full_disk_ends_everything(tmp_path: Path) -> None:
    cells = [Cell(str(i), write, (tmp_path / str(i), "full"), (tmp_path / str(i),)) for i in range(2)]
    with pytest.raises(StorageError, match="No space left"):
        run_cells(cells, watch=tmp_path / "watch")


def test_a_worker_that_is_killed_twice_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    cells = [
        Cell(str(i), written_after_kills, (tmp_path / str(i), 2 * (i == 1)), (tmp_path / str(i),)) for i in range(3)
    ]
    assert [o.error for o in run_cells(cells, jobs=2, watch=tmp_path / "watch")] == [None, None, None]
    assert len(list(tmp_path.glob("tries-1-*"))) == 2 and all(cell.done for cell in cells)
