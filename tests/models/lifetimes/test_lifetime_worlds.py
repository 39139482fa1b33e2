"""Seeds of different worlds train side by side, and each lives as it would in a setup of its own world alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from imprint.models.files import write_bytes
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.lifetimes.lifetime import Lifetime
from imprint.models.setup.alignment import AlignmentSetup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, read_tensors

TWO_WORLDS = {"schedule.seeds": 2, "schedule.worlds": 2}
NURSERY = load_setup("nursery", changes={
    **TWO_WORLDS, "schedule.experiences": 192, "schedule.batch": 16, "schedule.ages": [0, 96, 192],
    "learner.hidden": 16, "proxies": ["her_colour", "her_side", "lamp"],
})  # fmt: skip
COIN = load_setup("coin", changes={
    **TWO_WORLDS, "learning.copies": 16, "learning.steps": 4, "learning.minibatches": 2, "schedule.ages": [0, 128, 320],
    "schedule.experiences": 320, "environment.limit": 6, "agent": {"kind": "recurrent", "widths": [12], "memory": 8},
})  # fmt: skip
BOTH = pytest.mark.parametrize(("lifetime", "setup"), [(LearnerLifetime, NURSERY), (AgentLifetime, COIN)])


def raised(
    lifetime: type[Lifetime[Any, Any]], setup: AlignmentSetup, path: Path, seeds: tuple[int, ...] = (0, 1)
) -> RunFolder:
    folder = RunFolder(path)
    lifetime(setup, seeds, folder).live()
    return folder


@BOTH
def test_a_seed_equals_to_the_byte_that_of_a_setup_of_its_world(
    lifetime: type[Lifetime[Any, Any]], setup: AlignmentSetup, tmp_path: Path
) -> None:
    worlds = [setup, setup.in_world(1), setup.in_world(0)]
    folders = [raised(lifetime, each, tmp_path / str(i), (1,)) for i, each in enumerate(worlds)]
    for age in setup.planned:
        ours, same, other = (read_tensors(folder.checkpoint(1, age))[0] for folder in folders)
        assert ours.keys() == same.keys()
        assert all(torch.equal(value, same[name]) for name, value in ours.items())
        assert age == 0 or not all(torch.equal(value, other[name]) for name, value in ours.items())


@BOTH
def test_seeds_of_two_worlds_trained_as_one_batch_live_as_in_their_own(
    lifetime: type[Lifetime[Any, Any]], setup: AlignmentSetup, tmp_path: Path
) -> None:
    """Company changes the shapes of batches, and so last bits, but nothing else."""
    both = raised(lifetime, setup, tmp_path / "both")
    for seed in (0, 1):
        own = raised(lifetime, setup.in_world(seed), tmp_path / str(seed))
        ours, alone = (read_tensors(folder.checkpoint(seed, setup.planned[-1]))[0] for folder in (both, own))
        for name, value in ours.items():
            torch.testing.assert_close(value, alone[name], rtol=1e-3, atol=1e-5)


@BOTH
def test_seeds_of_two_worlds_resume_to_the_byte(
    lifetime: type[Lifetime[Any, Any]], setup: AlignmentSetup, tmp_path: Path
) -> None:
    whole = raised(lifetime, setup, tmp_path / "whole")
    cut = RunFolder(tmp_path / "cut")
    for seed in (0, 1):
        for age in setup.planned[:2]:
            write_bytes(cut.checkpoint(seed, age), whole.checkpoint(seed, age).read_bytes())
    raised(lifetime, setup, cut.path)
    for seed in (0, 1):
        last = setup.planned[-1]
        assert cut.checkpoint(seed, last).read_bytes() == whole.checkpoint(seed, last).read_bytes()
