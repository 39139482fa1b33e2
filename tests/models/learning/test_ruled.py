"""Learners taught by a rule of their own: kept, resumed, refused where there is no gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame
from imprint.models.learning.cohort import Cohort
from imprint.models.learning.ruled import RuledCohort
from imprint.models.lifetimes.learner import cohort_of
from imprint.models.rules.base import RULES
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

FRAME = Frame(5, 3, 4, 4)
RULED = [kind for kind in RULES.names() if RULES.load(kind).layered]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def setup(rule: str, **changes: Any) -> Setup:
    learner = {"kind": "layers", "hidden": [12, 8], "window": 2}
    return load_setup("nursery", changes={"learner": learner, "rule": {"kind": rule}, "schedule.worlds": 1, **changes})


def cohort(rule: str, seeds: tuple[int, ...] = (0, 1, 2)) -> Cohort:
    plan = setup(rule)
    return cohort_of(plan, [plan.make_learner(FRAME, rng=rng(seed)) for seed in seeds], seeds)


def observation(seed: int, seeds: int = 3) -> Tensor:
    return torch.randn(seeds, 8, 5, 3, 4, 4, generator=rng(seed))


@pytest.mark.parametrize("rule", RULED)
def test_state_goes_round_to_the_bit_and_seeds_learn_alone(rule: str) -> None:
    whole, resumed, alone = cohort(rule), cohort(rule, (7, 8, 9)), cohort(rule, (1,))
    for i in range(3):
        whole.learn(observation(i))
        alone.learn(observation(i)[1:2])
    resumed.load([whole.state(seed) for seed in range(3)])
    one, two = whole.learn(observation(3)), resumed.learn(observation(3))
    assert torch.equal(one.loss, two.loss) and torch.equal(one.latents, two.latents)
    own = alone.learn(observation(3)[1:2])
    torch.testing.assert_close(one.latents[1:2], own.latents, rtol=1e-3, atol=1e-3)


def test_backprop_as_a_rule_is_automatic_differentiation() -> None:
    """The loss of the rule's network is the learner's objective, and so is its gradient."""
    plan = setup("backprop")
    births = [[plan.make_learner(FRAME, rng=rng(seed)) for seed in range(3)] for _ in range(2)]
    ruled = RuledCohort(births[0], plan.schedule.learning_rate, plan.make_rule(), (0, 1, 2))
    usual = cohort_of(plan, births[1], (0, 1, 2))
    assert type(usual) is Cohort
    for i in range(3):
        one, two = ruled.learn(observation(i)), usual.learn(observation(i))
        torch.testing.assert_close(one.loss, two.loss)
        torch.testing.assert_close(one.latents, two.latents, rtol=1e-4, atol=1e-4)


def test_a_seed_that_diverges_is_struck_out_and_the_others_go_on() -> None:
    hurt, whole = cohort("feedback_alignment"), cohort("feedback_alignment")
    seen = observation(0)
    seen[1] = torch.nan
    hurt.learn(seen)
    whole.learn(observation(0))
    assert hurt.alive.tolist() == [True, False, True]
    after, same = hurt.learn(observation(1)), whole.learn(observation(1))
    assert torch.equal(after.latents[[0, 2]], same.latents[[0, 2]])


def test_what_a_rule_cannot_teach_is_refused_by_name() -> None:
    with pytest.raises(ImprintError, match=r"chain of layers \(.*layers\), and conv is none; .* backprop"):
        load_setup("nursery", changes={"learner": {"kind": "conv"}, "rule": {"kind": "hebbian"}})
    with pytest.raises(ImprintError, match="no gradient through the learner"):
        setup("three_factor", routing={"signal": load_setup("nursery").steering[0]["name"]})
    with pytest.raises(ImprintError, match="expansion has fixed latents, and has no gradient through the learner"):
        setup("backprop", learner={"kind": "expansion"}, routing={"signal": load_setup("nursery").steering[0]["name"]})
    with pytest.raises(ImprintError, match="feedback_alignment"):
        setup("feedback_aligment")
