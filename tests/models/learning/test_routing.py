"""Gradient routing: gradients reach what they may and nothing else, and latents are as without it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imprint.models.errors import ImprintError
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.models.learning.routing import Routing
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.models.setup.teaching import is_written
from imprint.models.store import RunFolder

FRAME = Frame(5, 3, 4, 8)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def has_gradient(kind: str) -> bool:
    return not is_written(kind) and LEARNERS.load(kind).latents_learn


@pytest.mark.parametrize("kind", [kind for kind in LEARNERS.names() if has_gradient(kind)])
def test_the_objective_reaches_the_latents_that_are_taught_and_no_others(kind: str) -> None:
    cls = LEARNERS.load(kind)
    learner: Learner = cls.born(cls.Settings(), FRAME, rng=rng(0))
    observation = torch.randn(6, 5, 3, 4, 8, generator=rng(1))
    whole = learner.objective(observation)
    taught = torch.zeros(whole.latents.shape, dtype=torch.bool)
    taught[:3, :, :2], taught[3:, :, 2:] = True, True
    loss, latents = learner.routed_objective(observation, taught)
    torch.testing.assert_close(loss, whole.loss)
    torch.testing.assert_close(latents, whole.latents)
    (gradient,) = torch.autograd.grad(loss, latents)
    assert not gradient[~taught].any() and gradient[taught].any()


def test_marked_steps_teach_the_region_alone_or_only_the_rest_is_closed_to_them() -> None:
    signal = torch.tensor([[[0.0, 1.0]]])
    taught = Routing(signal="s", units=1).taught(signal, 3)[0, 0]
    assert taught.tolist() == [[False, True, True], [True, False, False]]
    shared = Routing(signal="s", units=1, exclusive=False).taught(signal, 3)[0, 0]
    assert shared.tolist() == [[False, True, True], [True, True, True]]


def routed(**routing: object) -> Setup:
    small = {"schedule.experiences": 64, "schedule.batch": 16, "schedule.ages": [0, 64], "learner.hidden": 16}
    return load_setup("nursery", changes={**small, **({"routing": routing} if routing else {})}, expect=Setup)


def test_units_that_no_step_teaches_stay_as_they_were_born(tmp_path: Path) -> None:
    """A detector that never fires leaves the region's own weights alone; one that does not, does not."""
    steering = routed().resolved()["steering"]
    silent = [{**steering[0], "miss": 1.0, "false_alarm": 0.0}, *steering[1:]]
    for signals, moves in ((silent, False), (steering, True)):
        setup = load_setup({**routed(signal="contact", units=3).resolved(), "steering": signals}, expect=Setup)
        life = LearnerLifetime(setup, (0, 1), RunFolder(tmp_path))
        before = life.cohort.parameters["context.weight"].detach().clone()
        life.step()
        changed = (life.cohort.parameters["context.weight"].detach() != before).flatten(2).any(2)
        assert bool(changed[:, :3].any()) == moves and bool(changed[:, 3:].any())


def test_a_setup_with_routing_is_another_and_shares_no_life() -> None:
    plain, other = routed(), routed(signal="contact")
    assert other.shapes_learner and not plain.shapes_learner and plain.run_name != other.run_name


def test_what_cannot_be_routed_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImprintError, match=r"routing\.signal.*Did you mean 'contact'"):
        routed(signal="contct")
    with pytest.raises(ImprintError, match=r"routing\.units is 64, and the learner has 64"):
        LearnerLifetime(routed(signal="contact", units=64), (0,), RunFolder(tmp_path))
    column = {"scorecard": {"warm": {"kind": "valence", "signal": "contact"}}}
    with pytest.raises(ImprintError, match="exclude one another"):
        load_setup({**routed(signal="contact").resolved(), **column})
