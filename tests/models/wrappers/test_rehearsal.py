"""Levels from a file are trained on, in the share that was asked for, and the file is the one that was named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imprint.models.environments.coin import Coin
from imprint.models.errors import ImprintError
from imprint.models.levels import write_levels
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup


def setup_with(path: Path, **changes: object) -> AgentSetup:
    """The setup ``coin`` with levels of a file among its training levels."""
    given = {"file": str(path), "share": 0.25, **changes}
    setup = load_setup({**load_setup("coin").resolved(), "rehearsal": given})
    assert isinstance(setup, AgentSetup)
    return setup


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Eight levels in which the coin is not in its corner."""
    state = Coin().levels(8, rng=torch.Generator().manual_seed(0), design="apart")
    lists = {name: value.tolist() for name, value in state.items()}
    levels = [{"level": {name: value[i] for name, value in lists.items()}} for i in range(8)]
    return write_levels(tmp_path / "levels.json", {"environment": "coin"}, levels)


def test_training_levels_and_no_others_come_from_the_file(path: Path) -> None:
    """A quarter of the training levels have the coin elsewhere; without the entry none has."""
    environment = setup_with(path).make_environment()
    levels = environment.levels(2000, rng=torch.Generator().manual_seed(1))
    away = environment.facts(levels)["coin_at_corner"].logical_not()
    assert 0.2 < away.float().mean() < 0.3
    assert len(set(levels["key"].tolist())) == 2000
    together = environment.levels(50, rng=torch.Generator().manual_seed(1), design="together")
    assert environment.facts(together)["coin_at_corner"].all()


def test_the_file_is_the_one_that_the_setup_was_made_with(path: Path) -> None:
    """Its digest is part of the setup, and so of the run's name; older runs keep theirs."""
    setup = setup_with(path)
    assert setup.digest != load_setup("coin").digest
    stored = setup.resolved()
    assert load_setup(stored).digest == setup.digest
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ImprintError, match="not the file that this setup was made with"):
        load_setup(stored)


def test_mistakes_are_explained(path: Path, tmp_path: Path) -> None:
    """A file that is not there, one of another environment, a share out of range."""
    with pytest.raises(ImprintError, match="cannot be read"):
        setup_with(tmp_path / "none.json")
    with pytest.raises(ImprintError, match=r"rehearsal\.share"):
        setup_with(path, share=0)
    keys = load_setup({**load_setup("keys").resolved(), "rehearsal": {"file": str(path)}})
    assert isinstance(keys, AgentSetup)
    with pytest.raises(ImprintError, match="holds no levels of this environment"):
        keys.make_environment()
