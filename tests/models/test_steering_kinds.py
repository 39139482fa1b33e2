"""Judge, default-on reactions, beliefs, present need and others' feelings: arithmetic by hand, and error profiles."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from imprint.models.errors import UnknownNameError
from imprint.models.steering.base import Body, Senses, Signal
from imprint.models.steering.belief import Belief
from imprint.models.steering.default_on import DefaultOn
from imprint.models.steering.homeostat import Homeostat
from imprint.models.steering.judge import Judge
from imprint.models.steering.present_need import PresentNeed
from imprint.models.steering.social import Social

ALL: list[tuple[type[Signal], dict[str, Any]]] = [
    (Judge, {"standard": {"x": 1.0}}),
    (DefaultOn, {"off": "calm", "sense": "x"}),
    (Belief, {"reading": "x"}),
    (Social, {"feeling": "x"}),
]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def senses(**values: list[float]) -> Senses:
    return Senses({name: torch.tensor([value]) for name, value in values.items()})


def out(kind: type[Signal], felt: Senses, body: Body | None = None, **settings: Any) -> Tensor:
    return kind(kind.Settings(**{"name": "out", **settings}))(felt, body or Body({}), rng=rng())


@pytest.mark.parametrize(("kind", "settings"), ALL)
def test_error_profiles_hold_at_the_stated_rates(kind: type[Signal], settings: dict[str, Any]) -> None:
    x = torch.zeros(4000, 5)
    x[:2000] = 1.0
    felt = Senses({"x": x, "calm": torch.zeros(4000, 5)})
    assert torch.equal(out(kind, felt, **settings), x)
    errs = out(kind, felt, miss=0.2, false_alarm=0.1, **settings)
    for rate, expected in ((float((errs[:2000] == 0).float().mean()), 0.2), (float(errs[2000:].mean()), 0.1)):
        assert abs(rate - expected) < 5 * math.sqrt(expected * (1 - expected) / 10_000)
    late = out(kind, felt, delay=2, **settings)
    assert float(late[:, :2].max()) == 0.0 and torch.equal(late[:, 2:], x[:, 2:])
    assert float(out(kind, felt, delay=9, **settings).max()) == 0.0


def test_a_judge_scores_the_outcome_over_its_span_and_nothing_far_from_the_standard() -> None:
    felt = senses(pitch=[0.0, 1.0, 0.5, 0.5], length=[0.5, 0.5, 0.5, 0.9])
    score = out(Judge, felt, standard={"pitch": 0.5, "length": 0.5}, tolerance=0.5, span=2, floor=0.0, weight=3.0)
    away = torch.tensor([[0.5, 0.0], [0.0, 0.0], [0.25, 0.0], [0.0, 0.2]])
    expected = 3.0 * torch.exp(-0.5 * (away / 0.5).square().mean(1))
    assert torch.allclose(score[0], expected, atol=1e-6)
    strict = out(Judge, felt, standard={"pitch": 0.5}, tolerance=0.1)
    assert strict[0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert float(out(Judge, felt, standard={"pitch": 7.0}).max()) == 0.0, "a standard that nothing meets"
    noisy = out(Judge, Senses({"pitch": torch.full((500, 4), 0.5)}), standard={"pitch": 0.5}, noise=0.5)
    assert float(noisy.std()) > 0.1 and float(noisy.max()) <= 1.0
    with pytest.raises(ValueError, match="at least one sense"):
        Judge.Settings(name="j", standard={})


def test_a_reaction_is_on_until_its_reading_turns_it_off() -> None:
    felt = senses(near=[1.0, 1.0, 1.0, 0.0], known=[0.0, 0.25, 2.0, 0.0])
    flinch = out(DefaultOn, felt, sense="near", off="known", weight=-2.0)
    assert flinch[0].tolist() == [-2.0, -1.5, 0.0, 0.0]
    assert out(DefaultOn, felt, off="known", gain=2.0)[0].tolist() == [1.0, 0.5, 0.0, 1.0]
    with pytest.raises(ValueError, match="another number than 0"):
        DefaultOn.Settings(name="d", off="known", weight=0.0)


def test_belief_goes_on_where_the_sense_is_silent() -> None:
    felt = senses(seen=[1.0, 0.0, 0.0], spider=[0.2, 0.6, -3.0])
    both = out(Belief, felt, reading="spider", sense="seen", weight=-1.0)
    assert torch.allclose(both[0], torch.tensor([-1.0, -0.6, 0.0]))
    assert out(Belief, felt, reading="spider", threshold=0.5)[0].tolist() == [0.0, 1.0, 0.0]
    assert out(Belief, felt, reading="spider", gain=-1.0)[0].tolist() == [0.0, 0.0, 1.0]
    for wrong, why in (
        ({"threshold": 0.1, "gradient_into_learner": 1.0}, "no gradient"),
        ({"threshold": 0.1, "gain": 2.0}, "leave one out"),
        ({"weight": 0.0}, "nothing is read"),
    ):
        with pytest.raises(ValueError, match=why):
            Belief.Settings(name="b", reading="spider", **wrong)


def test_only_a_belief_whose_gradient_goes_through_shapes_the_learner() -> None:
    closed = Belief(Belief.Settings(name="b", reading="q", sense="g", gradient_into_learner=2.0))
    reading = torch.tensor([[[0.5, 0.1, 1.5, -1.0]]], requires_grad=True)
    pressure = closed.pressure({"q": reading, "g": torch.tensor([[[0.0, 0.4, 0.0, 0.0]]])})
    assert torch.allclose(pressure, torch.tensor([-2.0 * (0.5 + 0.4 + 1.0 + 0.0) / 4]))
    pressure.sum().backward()
    assert reading.grad is not None and reading.grad[0, 0].tolist() == [-0.5, 0.0, 0.0, 0.0]
    for kind, settings in ALL:
        signal = kind(kind.Settings(**{"name": "out", **settings}))
        assert not signal.shapes_learner
    assert closed.shapes_learner


def test_a_new_need_changes_the_value_at_once() -> None:
    felt = senses(salt_taste=[1.0, 0.5], sugar_taste=[0.0, 1.0], thirst=[1.0, 0.0])
    settings = {"columns": {"salt_taste": -0.5, "sugar_taste": 0.25}, "needs": {"salt_taste": "salt"}, "high": 2.0}
    sated, deprived = (Body({"salt": torch.tensor([level])}) for level in (1.0, -3.0))
    assert torch.allclose(out(PresentNeed, felt, sated, **settings)[0], torch.tensor([-0.5, 0.0]))
    assert torch.allclose(out(PresentNeed, felt, deprived, **settings)[0], torch.tensor([1.5, 1.0]))
    late = {"columns": {"sugar_taste": 1.0}, "needs": {"sugar_taste": "thirst"}}
    assert [out(PresentNeed, felt, **late, need_delay=d)[0].tolist() for d in (0, 1)] == [[0.0, 0.0], [0.0, 1.0]]
    many = Senses({"sugar_taste": torch.ones(4000, 2), "thirst": torch.full((4000, 2), 0.5)})
    noisy = out(PresentNeed, many, **late, need_noise=0.1)
    assert torch.equal(noisy[:, 0], noisy[:, 1]) and abs(float(noisy[:, 0].std()) - 0.1) < 0.01
    with pytest.raises(UnknownNameError, match="Did you mean 'thirst'"):
        out(PresentNeed, felt, columns={"sugar_taste": 1.0}, needs={"sugar_taste": "thrist"})
    with pytest.raises(ValueError, match="Did you mean 'sugar'"):
        PresentNeed.Settings(name="v", columns={"sugar": 1.0}, needs={"sugr": "thirst"})


def test_others_are_felt_with_them_or_against_them_and_may_lie_through_an_episode() -> None:
    felt = senses(joy=[1.0, 0.2, 1.0], somebody=[1.0, 1.0, 0.0])
    spite = out(Social, felt, feeling="joy", present="somebody", relation=-1.0)
    assert torch.allclose(spite[0], torch.tensor([-1.0, -0.2, 0.0]))
    many = Senses({"joy": torch.ones(4000, 3)})
    shown = out(Social, many, feeling="joy", honesty=0.7)
    assert torch.equal(shown[:, 0], shown[:, 2]), "a lie lasts for an episode"
    assert abs(float(shown[:, 0].mean()) - 0.7) < 5 * math.sqrt(0.21 / 4000)
    assert float(out(Social, many, feeling="joy", honesty=0.0).max()) == 0.0


def test_a_homeostat_is_relieved_by_what_is_missing_and_troubled_by_what_there_is_enough_of() -> None:
    felt = senses(salt=[0.0, 0.5, 1.5], sugar=[0.5, 1.0, 1.0], salt_was=[0.0, 0.0, 1.0], sugar_was=[0.5, 0.5, 1.0])
    points = {"salt": 1.0, "sugar": 1.0}
    urge = out(Homeostat, felt, set_points=points, high=9.0)
    assert torch.allclose(urge[0], torch.tensor([math.sqrt(1.25), 0.5, 0.5]))
    before = {"salt": "salt_was", "sugar": "sugar_was"}
    relief = out(Homeostat, felt, set_points=points, before=before, high=9.0)
    assert torch.allclose(relief[0], torch.tensor([0.0, math.sqrt(1.25) - 0.5, -0.5]))
    linear = {"weights": {"salt": 2.0}, "power": 1.0, "root": 1.0}
    relief = out(Homeostat, felt, set_points=points, before=before, **linear, high=9.0)
    assert torch.allclose(relief[0], torch.tensor([0.0, 1.5, -1.0]))
    cubic = out(Homeostat, felt, set_points=points, power=3.0, root=1.5, high=9.0)
    assert torch.allclose(cubic[0], torch.tensor([1.125 ** (1 / 1.5), 0.25, 0.25]))
    assert out(Homeostat, felt, set_points=points, high=0.6)[0, 0] == pytest.approx(0.6), "clipped"


def test_a_new_deficit_changes_the_relief_that_is_foreseen_at_once() -> None:
    column = senses(tastes_salt=[1.0, 0.0, 0.5])
    settings = {"set_points": {"salt": 1.0, "food": 1.0}, "expected": {"salt": "tastes_salt"}, "gain": 0.5}
    for level, expected in ((1.0, [-0.5, 0.0, -0.25]), (0.0, [0.5, 0.0, 0.25]), (0.75, [0.0, 0.0, 0.25])):
        body = Body({"salt": torch.tensor([level]), "food": torch.tensor([1.0])})
        assert torch.allclose(out(Homeostat, column, body, **settings, power=1.0, root=1.0)[0], torch.tensor(expected))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"set_points": {}}, "name at least one need"),
        ({"set_points": {"salt": 1.0}, "weights": {"slat": 2.0}}, "Did you mean 'salt'"),
        ({"set_points": {"salt": 1.0}, "weights": {"salt": -1.0}}, "none below 0"),
        ({"set_points": {"salt": 1.0}, "before": {"salt": "a"}, "expected": {"salt": "b"}}, "leave one out"),
        ({"set_points": {"salt": 1.0, "food": 1.0}, "before": {"salt": "a"}}, "says nothing of 'food'"),
    ],
)
def test_a_homeostat_that_cannot_be_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Homeostat.Settings(name="h", **settings)
