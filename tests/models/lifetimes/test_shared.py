"""Setups that share a life have, each, the assessor of a life of their own, to the bit; also with a scorecard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.lifetimes.lifetime import read_checkpoint
from imprint.models.lifetimes.shared import Along, SharedLifetime
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder, part_of

SMALL: dict[str, Any] = {
    "schedule.seeds": 2, "schedule.worlds": 2, "schedule.ages": 2, "schedule.experiences": 256, "schedule.batch": 32,
    "learner.hidden": 16, "concepts": [],
}  # fmt: skip
BELIEF: dict[str, Any] = {
    "scorecard": {"warm": {"kind": "valence", "signal": "contact", "closes_at": 160}},
    "steering.1": {"kind": "belief", "name": "comfort", "reading": "warm", "sense": "contact"},
}
VARIED: list[dict[str, Any]] = [
    {},
    {"assessor.closes_at": 96},
    {"assessor.opens_at": 64, "assessor.closes_at": 97, "steering.0.miss": 0.4},
    {"assessor.lag": 0, "steering.0.miss": 0.4, "steering.0.delay": 1},
    {"assessor.signal": "contact", "assessor.kind": "long_term"},
    {"assessor.signal": "contact", "assessor.kind": "long_term", "assessor.closes_at": 256},
    {**BELIEF, "assessor.closes_at": 128},
    {**BELIEF, "steering.0.miss": 0.4},
]


def setups() -> list[Setup]:
    return [load_setup("nursery", changes={**SMALL, **changes}, expect=Setup) for changes in VARIED]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(value.equal(other[name]) for name, value in one.items())


def test_every_assessor_is_that_of_a_life_of_its_own(tmp_path: Path) -> None:
    shared, many = RunFolder(tmp_path / "shared"), setups()
    SharedLifetime(many, (0, 1), shared).live()
    along = Along.of(many)
    assert len(along.setups) == 6 and len(set(along.steering)) == 5
    for number, (setup, variant) in enumerate(zip(many, along.variants, strict=True)):
        LearnerLifetime(setup, (0, 1), folder := RunFolder(tmp_path / str(number))).live()
        for seed in (0, 1):
            for age in setup.planned:
                alone, kept = (read_checkpoint(s, f, seed, age) for s, f in ((setup, folder), (many[0], shared)))
                assert same(part_of(alone, "learner."), part_of(kept, "learner.")), (number, age)
                assert same(part_of(alone, "assessor."), Along.kept(variant, kept)[1]), (number, age)


@pytest.mark.parametrize("lost", ["seed-0/age-256.safetensors", "seed-1/age-32.safetensors"])
def test_a_shared_life_goes_on_from_a_checkpoint(lost: str, tmp_path: Path) -> None:
    whole, resumed = RunFolder(tmp_path / "a"), RunFolder(tmp_path / "b")
    changes = [{**SMALL, **own, "schedule.ages": [0, 32, 160, 256]} for own in VARIED[:3] + VARIED[-2:]]
    many = [load_setup("nursery", changes=own, expect=Setup) for own in changes]
    for folder in (whole, resumed):
        SharedLifetime(many, (0, 1), folder).live()
    (resumed.path / lost).unlink()
    SharedLifetime(many, (0, 1), resumed).live()
    files = sorted(whole.path.rglob("*.safetensors"))
    assert len(files) == 8
    assert all(file.read_bytes() == (resumed.path / file.relative_to(whole.path)).read_bytes() for file in files)
