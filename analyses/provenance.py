"""Versions, commit and machine behind a result."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

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


def commit() -> str | None:
    """Commit of the source tree this was run from, if it is one."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
