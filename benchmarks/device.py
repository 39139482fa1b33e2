"""Benchmark of the same grid of probes on the CPU and on an accelerator, where this machine has one.

Wall seconds of ``locate`` end to end, and the largest difference of a score. Without an accelerator only the CPU's rows
are printed, and nothing is said about any other device.
"""

from __future__ import annotations

from functools import partial

import torch

import imprint
from benchmarks.locate import grid
from benchmarks.measure import Row, arguments, at_most, show, timed


def accelerators() -> list[str]:
    """Names of the devices besides the CPU that can be used here."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return [] if found is None or found.type == "cpu" else [found.type]


def main() -> None:
    """Measure and print."""
    options = arguments(str(__doc__).splitlines()[0])
    shapes = ((400, 64, 2),) if options.quick else ((20_000, 1024, 10), (2000, 8192, 5))
    rows = []
    for n, width, concepts in shapes:
        arrays, labels = grid(n, width, concepts)
        activations = {site: torch.from_numpy(x) for site, x in arrays.items()}
        shape = f"{n:,} x {width:,} x {concepts} concepts"
        on_cpu, spent = timed(partial(imprint.locate, activations, labels))
        rows.append(Row(f"cpu, {shape}", spent.wall, "s wall"))
        for device in accelerators():
            there = {site: x.to(device) for site, x in activations.items()}
            imprint.locate({site: x[:300] for site, x in there.items()}, labels[:300])
            table, spent = timed(partial(imprint.locate, there, labels))
            rows.append(Row(f"{device}, {shape}", spent.wall, "s wall"))
            apart = float((table["score"] - on_cpu["score"]).abs().max())
            rows.append(at_most(1e-3, f"largest difference of a score, {device}", apart, ""))
    show("devices" if accelerators() else "devices (no accelerator here)", rows, as_json=options.json)


if __name__ == "__main__":
    main()
