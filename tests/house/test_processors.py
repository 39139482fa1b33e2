"""The settings by which ``make processors`` stands in for other processors are heeded by the installed libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[1] / "processors"
FINGERPRINT = """
import hashlib, json
import numpy, scipy.linalg, torch
from threadpoolctl import threadpool_info
numbers = numpy.random.default_rng(0).normal(size=(257, 300))
rows = torch.from_numpy(numbers)
digest = lambda array: hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()
blas = [found["architecture"] for found in threadpool_info() if found["internal_api"] == "openblas"]
print(json.dumps({
    "ATen": digest(rows.float().softmax(1).numpy()),
    "MKL": digest((rows @ rows.T).numpy()),
    "OpenBLAS": digest(numbers @ numbers.T),
    "capability": torch.backends.cpu.get_cpu_capability(),
    "architecture": sorted(set(blas)),
}))
"""


def fingerprint(name: str | None) -> dict[str, object]:
    """What the libraries compute, and what they say of themselves, under the settings of a file."""
    settings = [] if name is None else (FOLDER / f"{name}.env").read_text().split()
    environment = {**os.environ, **dict(setting.split("=", 1) for setting in settings)}
    done = subprocess.run(
        [sys.executable, "-c", FINGERPRINT], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="this processor has one instruction set"
)
def test_every_library_heeds_the_settings() -> None:
    here, sse, avx2 = (fingerprint(name) for name in (None, "sse", "avx2"))
    assert (sse["capability"], sse["architecture"]) == ("DEFAULT", ["Nehalem"])
    assert (avx2["capability"], avx2["architecture"]) == ("AVX2", ["Haswell"])
    for library in ("ATen", "MKL", "OpenBLAS"):
        assert sse[library] != here[library] and sse[library] != avx2[library], library
