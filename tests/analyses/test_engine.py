from __future__ import annotations

from pathlib import Path

import pytest

from imprint.analyses import engine
from imprint.analyses.engine import Cell, Step, run_cells
from imprint.models.errors import ImprintError
from imprint.models.files import StorageError, write_bytes


def write(path: Path, fail: str = "") -> None:
    if fail == "defect":
        raise ZeroDivisionError("by design")
    if fail == "full":
        raise StorageError("cannot write: No space left on device")
    engine.Reporter(path.parent / "watch", path.name)(1, 2, "half")
    write_bytes(path, b"done")


def test_one_failed_cell_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    cells = [
        Cell(str(i), write, (tmp_path / str(i), "defect" if i == 1 else ""), (tmp_path / str(i),)) for i in range(4)
    ]
    failures = [o for o in run_cells(cells, watch=tmp_path / "watch") if o.error is not None]
    assert [f.cell for f in failures] == ["1"] and "ZeroDivisionError: by design" in failures[0].error
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["0", "2", "3"]
    steps: list[Step] = []
    assert run_cells(cells[:1], watch=tmp_path / "watch", progress=steps.append) == []
    assert steps == [Step("0", 1, 1, "done before")]


def test_a_full_disk_ends_everything(tmp_path: Path) -> None:
    cells = [Cell(str(i), write, (tmp_path / str(i), "full"), (tmp_path / str(i),)) for i in range(2)]
    with pytest.raises(StorageError, match="No space left"):
        run_cells(cells, watch=tmp_path / "watch")


def test_a_cluster_that_is_not_there_says_what_to_install(tmp_path: Path) -> None:
    cells = [Cell(str(i), write, (tmp_path / str(i),), (tmp_path / str(i),)) for i in range(2)]
    with pytest.raises(ImprintError, match=r"imprint\[dask\]"):
        run_cells(cells, backend="dask", watch=tmp_path / "watch")
