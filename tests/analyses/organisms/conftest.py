"""Sixteen organisms, made once: eight that share one network, and eight agents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from imprint.analyses.organisms.making import make


@pytest.fixture(scope="session")
def organisms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of organisms; all test processes share the one that is made."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "organisms.lock"):
        return make(shared / "organisms", count=12, jobs=1).path
