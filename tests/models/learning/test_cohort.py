from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from imprint.models.chance import birth
from imprint.models.learners.base import Frame
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.store import RunFolder

FRAME = Frame(5, 3, 4, 8)
LEARNERS: dict[str, dict[str, Any]] = {
    "conv": {"kind": "conv", "hidden": 12, "width": 8},
    "recurrent": {"kind": "recurrent", "width": 8},
    "transformer": {"kind": "transformer", "width": 8, "heads": 2, "hidden": 16},
}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def setup(kind: str, **schedule: Any) -> Setup:
    return load_setup(
        "nursery",
        changes={"learner": LEARNERS[kind], **{f"schedule.{k}": v for k, v in {"worlds": 1, **schedule}.items()}},
    )


def observation(seed: int, seeds: int = 3) -> Tensor:
    return torch.randn(seeds, 8, 5, 3, 4, 8, generator=rng(seed))


def cohort(kind: str, births: tuple[int, ...] = (0, 1, 2)) -> Cohort:
    plan = setup(kind)
    return Cohort([plan.make_learner(FRAME, rng=rng(b)) for b in births], plan.schedule.learning_rate)


@pytest.fixture(params=sorted(LEARNERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_only_what_cannot_stack_takes_turns() -> None:
    assert [cohort(kind).turns for kind in ("conv", "recurrent", "transformer")] == [False, False, True]


def test_state_goes_round_to_the_bit(kind: str) -> None:
    whole, resumed = cohort(kind), cohort(kind, (7, 8, 9))
    for i in range(3):
        whole.learn(observation(i))
    resumed.load([whole.state(s) for s in range(3)])
    for i in range(3, 5):
        one, other = whole.learn(observation(i)), resumed.learn(observation(i))
        assert torch.equal(one.loss, other.loss) and torch.equal(one.latents, other.latents)
    for s in range(3):
        kept, again = whole.state(s), resumed.state(s)
        assert kept.keys() == again.keys() and all(torch.equal(kept[name], again[name]) for name in kept)


def test_a_kept_state_is_a_copy(kind: str) -> None:
    one = cohort(kind)
    before = one.state(0)
    copies = {name: value.clone() for name, value in before.items()}
    one.learn(observation(0))
    assert all(torch.equal(before[name], copies[name]) for name in before)
    assert any(not torch.equal(value, copies[f"learner.{name}"]) for name, value in one.member(0).items())


def test_a_diverged_seed_is_struck_out_and_the_others_go_on(kind: str) -> None:
    healthy, sick = cohort(kind), cohort(kind)
    for i in range(3):
        seen = observation(i)
        healthy.learn(seen)
        seen[1] = math.nan if i == 1 else seen[1]
        sick.learn(seen)
    assert sick.alive.tolist() == [True, False, True] and healthy.alive.tolist() == [True, True, True]
    for s in (0, 2):
        assert all(torch.equal(value, healthy.member(s)[name]) for name, value in sick.member(s).items())
    assert all(float(value.abs().max()) == 0.0 for value in sick.member(1).values())


def test_a_lifetime_revives_with_the_weights_it_had(kind: str, tmp_path: Path) -> None:
    one = setup(kind, experiences=32, batch=16, ages=[0, 16, 32], seeds=2)
    lifetime = LearnerLifetime(one, (0, 1), RunFolder(tmp_path))
    lifetime.live()
    seen = lifetime.streams[0].world.sample(8, rng=rng(0)).observation
    newborn = one.make_learner(frame_of(lifetime.streams[0].world), rng=birth(1))
    at_birth, grown = (LearnerLifetime.revive(one, RunFolder(tmp_path), 1, age) for age in (0, 32))
    assert torch.equal(at_birth.learner.latents(seen), newborn.latents(seen))
    assert not torch.equal(grown.learner.latents(seen), newborn.latents(seen))
    kept = lifetime.cohort.member(1)
    revived = dict(grown.learner.named_parameters())
    assert kept.keys() == revived.keys() and all(torch.equal(kept[name], revived[name]) for name in kept)
    assert grown.alive and grown.weight.shape == (8,) and float(grown.weight.abs().sum()) > 0
