from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imprint.models.learning.stacked import Stacked

SEEDS = 3


class Line(nn.Module):
    """``y = a x + b``, which ``torch.func.vmap`` stacks."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.randn(1, generator=torch.Generator().manual_seed(seed)))
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x + self.offset

    def error(self, x: Tensor, y: Tensor) -> Tensor:
        return (self(x) - y).square().mean()


class StackedLine(Line):
    """The same, whose ``forward`` takes parameters and arguments with a leading seed axis."""

    stacks = True


def lines(kind: type[Line] = Line, **given: Any) -> Stacked:
    return Stacked([kind(seed) for seed in range(SEEDS)], **{"lr": 0.1, **given})


def data() -> tuple[Tensor, Tensor]:
    x = torch.linspace(-1, 1, 20).expand(SEEDS, -1)
    return x, torch.tensor([[2.0], [-1.0], [0.5]]) * x + 0.25


def test_each_seed_learns_its_own_as_it_would_alone() -> None:
    (x, y), stack = data(), lines()
    alone = [Stacked([Line(seed)], lr=0.1) for seed in range(SEEDS)]
    for _ in range(200):
        stack.step(stack.call(x, y, method="error"))
        for s, one in enumerate(alone):
            one.step(one.call(x[s : s + 1], y[s : s + 1], method="error"))
    modules = stack.unstack()
    for s, (module, one) in enumerate(zip(modules, alone, strict=True)):
        assert not module.training
        assert torch.allclose(module(x[s]), y[s], atol=1e-2)
        assert torch.allclose(module.slope, one.parameters["slope"][0], atol=1e-5)


def test_a_module_that_stacks_itself_does_what_vmap_does() -> None:
    x, _ = data()
    assert torch.allclose(lines().call(x), lines(StackedLine).call(x), atol=1e-6)


def test_a_seed_with_a_broken_loss_or_broken_parameters_becomes_zero_and_the_others_go_on() -> None:
    (x, y), sick, well = data(), lines(), lines()
    for update in range(4):
        for stack in (sick, well):
            target = y.clone()
            if stack is sick and update == 1:
                target[0] = math.nan
            loss = stack.call(x, target, method="error")
            stack.backward(loss)
            stack.strike_out(torch.isfinite(loss))
            stack.optimiser.step()
            if stack is sick and update == 2:
                stack.member(2)["slope"].fill_(math.inf)
            stack.strike_out(stack.finite(), moments=True)
    assert sick.alive.tolist() == [False, True, False] and well.alive.all()
    assert all(torch.equal(value, well.state(1)[name]) for name, value in sick.state(1).items())
    for seed in (0, 2):
        state = sick.state(seed)
        assert all(float(value) == 0.0 for name, value in state.items() if not name.endswith("step"))


def test_parameters_are_finite_though_their_sum_is_not_and_opposite_infinities_are_not() -> None:
    stack = Stacked([nn.Linear(2, 1, bias=False) for _ in range(SEEDS)], lr=0.1)
    for seed, values in enumerate([[3e38, 3e38], [math.inf, -math.inf], [1.0, math.nan]]):
        stack.member(seed)["weight"][0] = torch.tensor(values)
    assert stack.finite().tolist() == [True, False, False]
    stack.member(0)["weight"].fill_(1.0)
    assert stack.finite().tolist() == [True, False, False]


def test_a_state_has_the_names_asked_for_and_goes_round_to_the_bit() -> None:
    (x, y), keys = data(), ("net.{}", "moment.{}.{}")
    one, other = lines(keys=keys), Stacked([Line(9 + seed) for seed in range(SEEDS)], keys=keys, lr=0.1)
    one.step(one.call(x, y, method="error"))
    moments = [f"moment.{name}.{kind}" for name in ("slope", "offset") for kind in ("step", "exp_avg", "exp_avg_sq")]
    assert one.state(0).keys() == {"net.slope", "net.offset", "alive", *moments}
    other.load([one.state(seed) for seed in range(SEEDS)])
    for stack in (one, other):
        stack.step(stack.call(x, y, method="error"))
    assert all(torch.equal(value, other.state(1)[name]) for name, value in one.state(1).items())


def test_modules_with_buffers_are_refused() -> None:
    line = Line(0)
    line.register_buffer("seen", torch.zeros(1))
    with pytest.raises(TypeError, match="Line has buffers"):
        Stacked([line])
