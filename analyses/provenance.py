"""Versions, commit and machine behind a result.

Numbers are the same on machines with the same CPU capability: PyTorch chooses its own kernels by ``capability``, and
the libraries below it choose theirs by ``instructions``. Other kernels sum in another order, and training amplifies the
differences (another instruction set moved 467 of 2,243 estimates of a run, by up to .079).
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from imprint.models.registry import folders_of

PACKAGES = (
    "torch",
    "transformer-lens",
    "captum",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "gymnasium",
    "minigrid",
    "safetensors",
)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages whose numbers a result depends on."""
    return {name: metadata.version(name) for name in PACKAGES}


def software() -> dict[str, str]:
    """Versions of this package, of Python and of :data:`PACKAGES`."""
    try:
        own = metadata.version("imprint")
    except metadata.PackageNotFoundError:
        own = "not installed"
    return {"imprint": own, "python": platform.python_version(), **package_versions()}


def machine() -> dict[str, Any]:
    """System, architecture, and what the numbers depend on (``capability``, ``instructions``).

    ``capability``: what PyTorch's own kernels are chosen by (``AVX2``; the environment can lower it).
    ``instructions``: vector instructions of the processor as PyTorch sees them.
    """
    import torch

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    kinds = ("amx", "avx", "fma", "neon", "sse", "sve")
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "model": str(capabilities.get("cpu_name", "")),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "instructions": sorted(n for n, has in capabilities.items() if has is True and n.startswith(kinds)),
    }


def spoken(machine: Mapping[str, Any]) -> str:
    """The entries of a machine on which numbers depend, in words."""
    instructions = machine.get("instructions")
    listed = " ".join(map(str, instructions)) if isinstance(instructions, list) else ""
    return f"{machine.get('capability', 'unknown')} ({listed or 'instructions unknown'})"


@cache
def source_digest() -> str:
    """SHA-256 over our source and shipped setups, as they were when this process first asked."""
    (root,), digest = folders_of("imprint"), hashlib.sha256()
    files = (Path(place) / name for place, _, names in os.walk(root, followlinks=True) for name in names)
    for file in sorted(file for file in files if file.suffix in (".py", ".yaml")):
        digest.update(f"{file.relative_to(root).as_posix()}|".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@cache
def commit() -> str | None:
    """Commit of the source tree this was run from, if it is one, when it was first asked for."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
