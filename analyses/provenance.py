"""Versions, commit and machine behind a result."""

from __future__ import annotations

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


def version() -> str:
    """The installed version of this package."""
    try:
        return metadata.version("imprint")
    except metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str | None:
    """Commit of the source tree this was run from, if it is one."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
