"""Timing and printing for all benchmarks.

Both sides of a comparison run in one process, on one thread, and are timed in CPU seconds and wall seconds. Their ratio
is what counts, because absolute times on a shared machine vary.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

PRODUCTS = "matrix products"
KINDS = {
    PRODUCTS: "bmm mm addmm baddbmm",
    "pixels picked, copies, zeros": "gather index_select cat copy_ clone fill_ zero_",
    "element by element": "add add_ sub mul div neg pow exp clamp_min where masked_fill_ threshold_backward ge eq "
    "_log_softmax _log_softmax_backward_data sum mean linalg_vector_norm isfinite ne",
    "optimiser": "_fused_adam_ Optimizer.step#Adam.step Optimizer.zero_grad#Adam.zero_grad _foreach_add_",
}
"""Kind of work -> names of operations; whatever is not named is views, dispatch and bookkeeping."""


@dataclass(frozen=True)
class Time:
    """Duration of a function call."""

    cpu: float
    """CPU seconds of this process."""
    wall: float
    """Wall-clock seconds."""


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's result."""

    what: str
    """What was measured."""
    value: float
    unit: str
    target: str = ""
    """Required value in words; empty when there is none."""
    met: bool | None = None
    """Whether the value meets the target."""
    note: str = ""


def at_least(limit: float, what: str, value: float, unit: str, *, note: str = "") -> Row:
    """A row whose value should be ``limit`` or more."""
    return Row(what, value, unit, f"at least {limit:g}", value >= limit, note)


def at_most(limit: float, what: str, value: float, unit: str, *, note: str = "") -> Row:
    """A row whose value should be ``limit`` or less."""
    return Row(what, value, unit, f"at most {limit:g}", value <= limit, note)


def timed(function: Callable[[], Any]) -> tuple[Any, Time]:
    """The result of a function and the duration of the call."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, Time(time.process_time() - cpu, time.perf_counter() - wall)


def matrix_product_rate(size: int = 1536, repeats: int = 5) -> float:
    """Rate of float32 matrix products on one thread of this machine, in GFLOP per second; the best of ``repeats``."""
    a = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    times = [timed(lambda: a @ a)[1].wall for _ in range(repeats + 1)]
    return 2 * size**3 / min(times[1:]) / 1e9


def shares(step: Callable[[], object], steps: int) -> dict[str, float]:
    """Share of each kind of work in the time of some steps, as torch's profiler times operations (wall time)."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            step()
    spent = {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in found.key_averages()}
    whole = sum(spent.values())
    kinds = {kind: sum(spent.get(name, 0.0) for name in names.split()) / whole for kind, names in KINDS.items()}
    return {**kinds, "views, dispatch, bookkeeping": 1 - sum(kinds.values())}


def in_words(kinds: Mapping[str, float]) -> str:
    """Shares as text."""
    return ", ".join(f"{kind} {share:.0%}" for kind, share in kinds.items())


def arguments(description: str, *, peers: str = "") -> argparse.Namespace:
    """The options ``--json``, ``--quick`` (a small trial run) and, where there are peers, ``--peer``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--quick", action="store_true", help="a small trial run, whose numbers are not meaningful")
    if peers:
        parser.add_argument("--peer", metavar="PYTHON", help=f"interpreter in which {peers} are installed")
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
