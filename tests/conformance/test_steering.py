"""Every steering signal is hardcoded, crude and blind to what was learned."""

from __future__ import annotations

import math
from typing import Any, get_origin

import pytest
import torch

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.steering.base import STEERING, Body, Senses, Signal
from imprint.models.worlds.base import WORLDS


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(kind: str, **settings: Any) -> Signal:
    """A signal named ``out`` that reads the sense ``light`` wherever its settings ask for one."""
    cls = STEERING.load(kind)
    for name, field in cls.Settings.model_fields.items():
        if field.is_required() and name not in settings:
            settings[name] = {"light": 1.0} if get_origin(field.annotation) is dict else "light"
    made: Signal = cls(cls.Settings(**{**settings, "name": "out"}))
    return made


def senses(n: int = 64, steps: int = 6, seed: int = 0) -> Senses:
    return Senses({"light": torch.rand(n, steps, generator=rng(seed))})


def body(n: int = 64) -> Body:
    return Body({"hunger": torch.linspace(0.5, 1.0, n)})


@pytest.fixture(params=STEERING.names())
def signal(request: pytest.FixtureRequest) -> Signal:
    return build(request.param)


def test_the_same_generator_gives_the_same_bytes(signal: Signal) -> None:
    one, same = (signal(senses(), body(), rng=rng(1)) for _ in range(2))
    assert torch.equal(one, same) and one.shape == (64, 6)


def test_it_stays_in_its_range_and_says_its_unit(signal: Signal) -> None:
    low, high = signal.range
    out = signal(Senses({"light": torch.linspace(-50, 50, 120).reshape(20, 6)}), body(20), rng=rng(0))
    assert low < high and low <= float(out.min()) and float(out.max()) <= high
    assert signal.unit


def test_nothing_in_it_can_learn(signal: Signal) -> None:
    held = [*vars(signal).values(), *vars(type(signal)).values()]
    assert not any(isinstance(value, torch.nn.Module | torch.Tensor) for value in held)
    assert not signal(senses(), body(), rng=rng(0)).requires_grad


def test_it_refuses_latents(signal: Signal) -> None:
    # Outside the tests, where types are not checked at every call, the signal itself refuses with a TypeError.
    call: Any = type(signal).__call__
    call = getattr(call, "__wrapped__", call)
    for wrong in (torch.zeros(64, 6, 8), {"light": torch.zeros(64, 6)}):
        with pytest.raises(TypeError, match="never latents"):
            call(signal, wrong, body(), rng=rng(0))


def test_senses_refuse_gradients_and_nan() -> None:
    learned = torch.nn.Linear(3, 6)(torch.zeros(4, 3))
    with pytest.raises(TypeError, match="carries a gradient"):
        Senses({"light": learned})
    with pytest.raises(TypeError, match="carries a gradient"):
        Body({"hunger": torch.ones(4, requires_grad=True)})
    with pytest.raises(ImprintError, match="NaN"):
        Senses({"light": torch.full((2, 3), math.nan)})
    with pytest.raises(ImprintError, match="two steering signals"):
        senses().plus("light", torch.zeros(64, 6))


def test_an_unknown_sense_suggests_the_near_miss(signal: Signal) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lights'"):
        signal(Senses({"lights": torch.zeros(2, 3)}), body(2), rng=rng(0))


def test_a_signal_outside_its_range_is_an_error() -> None:
    class Loud(Signal):
        unit = "noise"

        @property
        def reads(self) -> frozenset[str]:
            return frozenset({"light"})

        @property
        def range(self) -> tuple[float, float]:
            return (0.0, 1.0)

        def compute(self, senses: Senses, body: Body, rng: torch.Generator) -> torch.Tensor:
            return senses["light"] + 5.0

    with pytest.raises(ImprintError, match="left its range"):
        Loud(Signal.Settings(name="out"))(senses(), body(), rng=rng(0))


@pytest.mark.parametrize("world", sorted(WORLDS.names()))
def test_worlds_compute_only_the_senses_that_are_read(world: str) -> None:
    made = WORLDS.load(world)()
    batch = made.sample(4, rng=rng(0))
    every = made.senses(batch).values
    name = sorted(every)[0]
    some = made.senses(batch, {name}).values
    assert set(some) == {name} and torch.equal(some[name], every[name])


# -- the detector's error profile, the reward's arithmetic ---------------------------------------------


def within(rate: float, expected: float, trials: int) -> bool:
    """Inside five standard deviations of a binomial share: fails once in two million honest runs."""
    return abs(rate - expected) < 5 * math.sqrt(expected * (1 - expected) / trials) + 1e-9


def test_detector_misses_and_false_alarms_at_the_stated_rates() -> None:
    sense = torch.zeros(2000, 6)
    sense[:1000] = 1.0
    out = build("detector", sense="light", miss=0.2, false_alarm=0.07)(Senses({"light": sense}), body(), rng=rng(3))
    assert within(float(1 - out[:1000].mean()), 0.2, 6000)
    assert within(float(out[1000:].mean()), 0.07, 6000)
    exact = build("detector", sense="light")(Senses({"light": sense}), body(), rng=rng(3))
    assert torch.equal(exact, sense)


def test_detector_delay_shifts_the_firing() -> None:
    sense = torch.zeros(3, 6)
    sense[:, 1] = 1.0
    late = build("detector", sense="light", delay=2)(Senses({"light": sense}), body(), rng=rng(0))
    assert late.argmax(1).tolist() == [3, 3, 3] and float(late.sum()) == 3
    never = build("detector", sense="light", delay=6)(Senses({"light": sense}), body(), rng=rng(0))
    assert float(never.sum()) == 0


def test_reward_is_the_clipped_weighted_sum_scaled_by_the_body() -> None:
    light, hunger = senses(), body()
    out = build("reward", weights={"light": 0.8}, body="hunger", high=0.5)(light, hunger, rng=rng(0))
    assert torch.allclose(out, (0.8 * light["light"] * hunger["hunger"][:, None]).clamp(0, 0.5))
    with pytest.raises(ValueError, match="low must be below high"):
        build("reward", low=1.0, high=0.0)
