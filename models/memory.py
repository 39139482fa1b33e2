"""Memory that this process may still take, as Linux counts it and as its control groups leave it.

Pages of files that the kernel keeps in memory count as free, because it gives them up when a process needs the room:
``MemAvailable`` counts them so for the machine, and the use of a group is taken without them. Both versions of groups
are read. In a container the group's folder may be named as the host sees it; then its parents are read, of which the
topmost is the container's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imprint.models.errors import ImprintError

SHORT = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch's errors say when there is no room for a tensor."""


@contextmanager
def within_memory() -> Iterator[None]:
    """What is asked for needs more memory than there is: one :class:`ImprintError` in place of those of libraries."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(text in str(error).lower() for text in SHORT):
            raise
        raise ImprintError(
            f"there is not enough memory for what was asked ({free_memory() / 1e9:,.1f} GB are free). Give smaller "
            "sizes (a batch, a width, episodes), or fewer seeds together."
        ) from error


def free_memory(root: Path = Path("/")) -> float:
    """Bytes that this process may still take; infinite where the system does not say. ``root``: of the file system."""
    return min([_machine(root), *(_left(*group) for group in _groups(root))])


def _machine(root: Path) -> float:
    try:
        return float(_table(root / "proc/meminfo")["MemAvailable:"]) * 1024
    except (OSError, ValueError, KeyError):
        return float("inf")


def _groups(root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Folder of every group of this process, names of its limit and its use, and what its file pages begin with."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            mount, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        own = mount / path.lstrip("/")
        for folder in (own, *own.parents):
            yield (folder, *names)
            if folder == mount:
                break


def _left(folder: Path, limit: str, use: str, prefix: str) -> float:
    """Bytes that one group leaves; infinite without a limit."""
    try:
        most, used = float((folder / limit).read_text()), float((folder / use).read_text())
        pages = _table(folder / "memory.stat")
        files = sum(float(pages[f"{prefix}{kind}_file"]) for kind in ("active", "inactive"))
    except (OSError, ValueError, KeyError):
        return float("inf")
    return max(most - used + files, 0.0)


def _table(file: Path) -> dict[str, str]:
    """First and second word of every line."""
    words = (line.split() for line in file.read_text().splitlines())
    return {line[0]: line[1] for line in words if len(line) > 1}
