"""A small run, made once."""

from __future__ import annotations

import os

import pytest
from filelock import FileLock

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run
from tests.known.tiny import TINY


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the nursery; tests that change files do so in a copy. All test processes share the one that is made."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "small-run.lock"):
        return evaluate("nursery", out=shared / "small-run", changes=TINY)
