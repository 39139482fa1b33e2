"""Lives that are dealt out to the folders of several setups leave the bytes that each setup alone would leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from imprint.models.errors import ImprintError
from imprint.models.lifetimes.dealt import DealtLifetime
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder
from tests.models.lifetimes.test_shared import BELIEF, SMALL

VARIED = [{}, {"assessor.opens_at": 128}, {"steering.0.miss": 0.4}, {"assessor.lag": 0, "steering.0.miss": 0.4}, BELIEF]


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.safetensors"))}


def test_every_folder_holds_the_bytes_of_a_life_of_its_own_also_after_going_on(tmp_path: Path) -> None:
    common = {**SMALL, "schedule.ages": [0, 96, 256]}
    setups = [load_setup("nursery", changes={**common, **own}, expect=Setup) for own in VARIED]
    folders = [RunFolder(tmp_path / f"dealt-{i}") for i in range(len(setups))]
    DealtLifetime(setups, (0, 1), folders).live()
    (folders[2].path / "seed-1" / "age-256.safetensors").unlink()
    DealtLifetime(setups, (0, 1), folders).live()
    for i, (setup, folder) in enumerate(zip(setups, folders, strict=True)):
        LearnerLifetime(setup, (0, 1), alone := RunFolder(tmp_path / f"alone-{i}")).live()
        assert len(files_under(alone.path)) == 6
        assert files_under(folder.path) == files_under(alone.path), VARIED[i]


def test_a_window_that_shuts_is_refused(tmp_path: Path) -> None:
    setup = load_setup("nursery", changes={**SMALL, "assessor.closes_at": 96}, expect=Setup)
    with pytest.raises(ImprintError, match="closes_at"):
        DealtLifetime([setup], (0,), [RunFolder(tmp_path)])
