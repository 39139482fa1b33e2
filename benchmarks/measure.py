"""How things are timed here: both sides in one process, one thread, CPU seconds and wall seconds, ratios printed.

Absolute times of a shared machine mean little; a ratio measured side by side means something.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Time:
    """How long something took."""

    cpu: float
    """CPU seconds of this process."""
    wall: float
    """Seconds on the clock."""


@dataclass(frozen=True)
class Row:
    """One line of a benchmark."""

    what: str
    value: float
    unit: str
    target: str = ""
    """What the value has to reach, in words."""
    met: bool | None = None
    note: str = ""


def timed(function: Callable[[], Any]) -> tuple[Any, Time]:
    """The function's result and how long it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Time(time.process_time() - cpu, time.perf_counter() - wall)


def matrix_product_rate(size: int = 1536, repeats: int = 5) -> float:
    """This machine's own float32 matrix-product rate on one thread, in GFLOP per second; the best of some."""
    a = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    times = [timed(lambda: a @ a)[1].wall for _ in range(repeats + 1)]
    return 2 * size**3 / min(times[1:]) / 1e9


def arguments(description: str) -> argparse.Namespace:
    """``--json`` for machines, ``--quick`` for a small rehearsal."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--quick", action="store_true", help="a small rehearsal; its numbers mean nothing")
    return parser.parse_args()


def show(title: str, rows: list[Row], *, as_json: bool) -> None:
    """Print the rows as text or JSON."""
    if as_json:
        print(json.dumps({"benchmark": title, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    print(title)
    for row in rows:
        met = "" if row.met is None else ("  met" if row.met else "  MISSED")
        target = f"  (target {row.target})" if row.target else ""
        print(f"  {row.what:<58} {row.value:>12,.4g} {row.unit:<10}{target}{met}")
        if row.note:
            print(f"      {row.note}")
