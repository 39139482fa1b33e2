"""``imprint doctor``: whether imprint works in this environment: versions, threads, disk, and known conflicts.

``diagnose`` is a pure function of what ``examine`` found in the environment, so that broken environments can be tested
without making one. The conflicts:

1. a torchvision that was not built for the torch beside it (typically the default torchvision next to a CPU
   build of torch) makes transformers, and with it transformer-lens, fail to import;
2. transformer-lens before 4 has another API; a resolver falls back to it when another package pins it;
3. wandb is a dependency of transformer-lens and must send nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

NEEDED = {
    "captum": ">=0.9,<1",
    "gymnasium": ">=1,<2",
    "jaxtyping": ">=0.3,<1",
    "jinja2": ">=3.1,<4",
    "joblib": ">=1.4,<2",
    "matplotlib": ">=3.9,<4",
    "minigrid": ">=3,<4",
    "numpy": ">=2,<3",
    "packaging": ">=24",
    "pandas": ">=3,<4",
    "plotly": ">=6,<8",
    "pyarrow": ">=18",
    "pydantic": ">=2.10,<3",
    "pyyaml": ">=6,<7",
    "rich": ">=13.9",
    "safetensors": ">=0.5,<1",
    "scikit-learn": ">=1.7,<2",
    "scipy": ">=1.14,<2",
    "threadpoolctl": ">=3.5,<4",
    "torch": ">=2.9,<3",
    "transformer-lens": ">=4.3,<5",
    "typer": ">=0.29,<1",
}
"""Distribution -> allowed versions; a test keeps this equal to pyproject.toml."""
PYTHON = ">=3.11"
ROOM = 2 * 1024**3
"""Bytes of free disk below which a run may not fit."""

Status = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    name: str
    found: str
    status: Status = "ok"
    advice: str = ""
    """What to do; empty when nothing needs to be done."""


@dataclass(frozen=True)
class Machine:
    """What the machine offers."""

    cores: int
    threads: int | None
    """Threads torch uses; None when torch cannot be imported."""
    free: int
    """Bytes free where runs are written."""


def diagnose(
    versions: Mapping[str, str | None],
    *,
    python: str,
    machine: Machine,
    failures: Mapping[str, str],
    environment: Mapping[str, str],
) -> list[Check]:
    """Checks in the order in which they are shown.

    ``versions``: distribution -> version, None when it is not installed. ``failures``: what could not be imported ->
    the error. ``environment``: environment variables.
    """
    checks = [_version("python", python, PYTHON)]
    checks += [_version(name, versions.get(name), allowed) for name, allowed in NEEDED.items()]
    checks.append(_torchvision(versions.get("torch"), versions.get("torchvision")))
    advice = "Repair what the error names, or install afresh under constraints.txt."
    checks += [Check(f"import {name}", why, "broken", advice) for name, why in failures.items()]
    return [*checks, _wandb(environment), *_machine(machine)]


def _version(name: str, found: str | None, allowed: str) -> Check:
    wanted = f'pip install "{name}{allowed}"' if name != "python" else f"Use Python {allowed}."
    if found is None:
        return Check(name, "not installed", "broken", wanted)
    try:
        fits = SpecifierSet(allowed).contains(Version(found), prereleases=True)
    except InvalidVersion:
        return Check(name, found, "note", f"cannot be compared with {allowed}")
    if fits:
        return Check(name, found)
    why = ""
    if name == "transformer-lens" and Version(found) < Version("4"):
        why = " Versions before 4 have another API; another package probably pins it: see `pip check`."
    return Check(name, found, "broken", f"{wanted}{why}")


def _torchvision(torch: str | None, torchvision: str | None) -> Check:
    if torchvision is None:
        return Check("torchvision", "not installed, and not needed")
    build = (torch or "").partition("+")[2]
    other = torchvision.partition("+")[2]
    if build.startswith("cpu") and other != build:
        advice = "pip uninstall torchvision: built for another torch, it makes transformers fail to import."
        return Check("torchvision", f"{torchvision} beside torch {torch}", "broken", advice)
    return Check("torchvision", torchvision, "note", "imprint does not need it; uninstall it if imports fail.")


def _wandb(environment: Mapping[str, str]) -> Check:
    mode = environment.get("WANDB_MODE", "")
    if mode in ("disabled", "offline"):
        return Check("wandb", mode)
    return Check("wandb", f"WANDB_MODE={mode or '(not set)'}", "note", "Set WANDB_MODE=disabled to send nothing.")


def _machine(machine: Machine) -> list[Check]:
    threads = Check("torch threads", "-" if machine.threads is None else str(machine.threads))
    if machine.threads is not None and machine.threads > 1:
        advice = "Runs use one thread per process and run cells in parallel; set OMP_NUM_THREADS=1."
        threads = Check("torch threads", str(machine.threads), "note", advice)
    free = f"{machine.free / 1024**3:.1f} GiB"
    disk = Check("free disk", free)
    if machine.free < ROOM:
        disk = Check("free disk", free, "note", "A run may not fit; choose another folder with --out.")
    return [Check("cores", str(machine.cores)), threads, disk]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _failures() -> dict[str, str]:
    """What imprint needs from its large dependencies and cannot import -> the first line of the error."""
    failures = {}
    parts = {"torch": "Tensor", "transformer_lens": "HookedRootModule", "captum.attr": "IntegratedGradients"}
    for module, name in parts.items():
        try:
            getattr(import_module(module), name)
        except Exception as error:  # noqa: BLE001 (a broken installation may raise anything; it is reported, not hidden)
            lines = str(error).splitlines()
            failures[f"{module}.{name}"] = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return failures


def examine(folder: Path = Path()) -> list[Check]:
    """The checks for this machine and this environment; ``folder`` is where runs would be written."""
    failures = _failures()
    threads = None if "torch.Tensor" in failures else int(import_module("torch").get_num_threads())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return diagnose(
        {name: _installed(name) for name in (*NEEDED, "torchvision")},
        python=platform.python_version(),
        machine=Machine(cores, threads, shutil.disk_usage(folder).free),
        failures=failures,
        environment=os.environ,
    )
