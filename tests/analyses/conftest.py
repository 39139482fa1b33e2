"""A small run, made once."""

from __future__ import annotations

import pytest

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run
from tests.known.tiny import TINY


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the nursery; tests that change files do so in a copy."""
    return evaluate("nursery", out=tmp_path_factory.mktemp("runs"), changes=TINY)
