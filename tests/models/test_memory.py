from __future__ import annotations

from pathlib import Path

import pytest

from imprint.models.errors import ImprintError
from imprint.models.memory import free_memory, within_memory

MEMINFO = "MemTotal: 24000 kB\nMemFree: 100 kB\nMemAvailable: 20000 kB\n"
UNLIMITED = 9223372036854771712


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def second(folder: str, limit: str, use: int, files: int) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{use}\n",
        f"{folder}/memory.stat": f"anon {use - files}\nactive_file {files // 2}\ninactive_file {files - files // 2}\n",
    }


def first(folder: str, limit: int, use: int, files: int) -> dict[str, str]:
    return {
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{use}\n",
        f"{folder}/memory.stat": f"active_file 1\ntotal_active_file {files}\ntotal_inactive_file 0\n",
    }


def test_without_groups_the_machine_says_what_is_available_and_not_what_is_unused(tmp_path: Path) -> None:
    assert free_memory(machine(tmp_path, {"proc/meminfo": MEMINFO})) == 20000 * 1024
    assert free_memory(tmp_path / "elsewhere") == float("inf")
    assert 0 < free_memory() <= float("inf")


@pytest.mark.parametrize("folder", ["sys/fs/cgroup/own/inner", "sys/fs/cgroup/own", "sys/fs/cgroup"])
def test_the_tightest_group_counts_and_its_file_pages_are_free(tmp_path: Path, folder: str) -> None:
    own = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/own/inner\n"}
    files = second(folder, "1000000", use=900_000, files=300_001)
    assert free_memory(machine(tmp_path, own | files)) == 400_001


def test_groups_of_the_first_version_count_and_those_without_a_limit_do_not(tmp_path: Path) -> None:
    files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "9:pids:/\n4:cpu,memory:/job\n0::/\n"}
    files |= first("sys/fs/cgroup/memory", UNLIMITED, use=10**9, files=0) | second("sys/fs/cgroup", "max", 5, 5)
    assert free_memory(machine(tmp_path, files)) == 20000 * 1024
    files = first("sys/fs/cgroup/memory/job", 2_000_000, use=1_900_000, files=1_000_000)
    assert free_memory(machine(tmp_path, files)) == 1_100_000
    (tmp_path / "sys/fs/cgroup/memory/job/memory.usage_in_bytes").write_text("3500000")
    assert free_memory(tmp_path) == 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CPU: can't allocate memory: you tried")])
def test_what_does_not_fit_is_one_sentence(error: Exception) -> None:
    with pytest.raises(ImprintError, match=r"not enough memory.*smaller"), within_memory():
        raise error
    with pytest.raises(RuntimeError, match=r"^another$"), within_memory():
        raise RuntimeError("another")
