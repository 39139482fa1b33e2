"""Benchmark of ``imprint locate`` on activations that do not fit in memory, by the command line.

A file of ``--rows`` x ``--width`` x 4 layers (float32; 1,000,000 x 1,024 are 16.4 GB) with ten concepts is written to a
temporary folder, located in a process of its own, and removed. What counts is the peak memory of that process, and that
the page was written.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib import format as npy

from benchmarks.measure import Row, at_least, at_most, matrix_product_rate, show

LAYERS, CONCEPTS, NULLS = 4, 10, 20
BLOCK = 10_000
GIGABYTE = 1e9


def written(folder: Path, rows: int, width: int) -> tuple[Path, Path]:
    """Files of activations and of labels; every concept is written along a direction of its own, in every layer."""
    rng = np.random.default_rng(0)
    labels = rng.random((rows, CONCEPTS)) < 0.5
    table = pd.DataFrame({f"concept {i}": labels[:, i] for i in range(CONCEPTS)})
    table["recording"] = np.arange(rows) * 200 // rows
    table.to_parquet(folder / "labels.parquet", index=False)
    file = folder / "activations.npz"
    with zipfile.ZipFile(file, "w") as archive:
        for layer in range(LAYERS):
            directions = 0.15 * rng.normal(size=(CONCEPTS, width)).astype(np.float32)
            with archive.open(f"layer {layer}.npy", "w", force_zip64=True) as member:
                npy.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": (rows, width)})
                for start in range(0, rows, BLOCK):
                    own = labels[start : start + BLOCK].astype(np.float32)
                    member.write((rng.standard_normal((len(own), width), dtype=np.float32) + own @ directions).data)
    return file, folder / "labels.parquet"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument("--rows", type=int, default=1_000_000, help="default 1,000,000")
    parser.add_argument("--width", type=int, default=1024, help="default 1,024")
    options = parser.parse_args()
    rows, width = int(options.rows), int(options.width)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        activations, labels = written(folder, rows, width)
        page = folder / "page.html"
        command = [sys.executable, "-m", "imprint", "locate", str(activations), str(labels)]
        command += ["--groups", "recording", "--nulls", str(NULLS), "--report", str(page)]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "IMPRINT_THREADS": "1"})
        wall = time.perf_counter() - start
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = page.stat().st_size if page.exists() else 0
    cpu = spent.ru_utime + spent.ru_stime
    work = LAYERS * 2.0 * rows * width * (width + 2 * CONCEPTS * (1 + 2 * NULLS))
    part, data = work / cpu / 1e9 / matrix_product_rate(), 4.0 * rows * width * LAYERS / GIGABYTE
    note = f"{data:.1f} GB of data, {cpu:.0f} CPU-seconds, {wall:.0f} s wall"
    shape = f"{rows:,} x {width:,} x {LAYERS} layers x {CONCEPTS} concepts"
    rows_ = [
        at_most(2, f"peak memory, {shape}", 1024 * spent.ru_maxrss / GIGABYTE, "GB", note=note),
        Row("rate / this machine's matrix product, start of Python included", part, ""),
        at_least(1, "bytes of the page", size, ""),
    ]
    show("from disk", rows_, as_json=options.json)


if __name__ == "__main__":
    main()
