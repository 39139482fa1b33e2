"""Every learning rule keeps the contract of ``imprint.models.rules.base``: its locality, its angle to the gradient."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from imprint.models.rules.base import RULES, Changes, Network, Rule

WIDTHS, SEEDS, ROWS = (9, 12, 11, 5), (3, 8), 400
FOLLOWING = [kind for kind in RULES.names() if RULES.load(kind).follows_gradient is not None]


@pytest.fixture(params=RULES.names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(seed: int = 0, output: str = "linear") -> Network:
    """Untrained networks of the shape of all tests."""
    draw, pairs = rng(seed), list(itertools.pairwise(WIDTHS))
    weights = [torch.randn(len(SEEDS), above, below, generator=draw) / below**0.5 for below, above in pairs]
    biases = [0.1 * torch.randn(len(SEEDS), above, generator=draw) for _, above in pairs]
    return Network(weights, biases, output="softmax" if output == "softmax" else "linear")


def task(rows: int = ROWS, output: str = "linear") -> tuple[Tensor, Tensor]:
    """Inputs and targets of every seed."""
    draw = rng(7)
    x = torch.randn(len(SEEDS), rows, WIDTHS[0], generator=draw)
    y = x @ torch.randn(WIDTHS[0], WIDTHS[-1], generator=draw) / 2
    return x, torch.nn.functional.one_hot(y.argmax(-1), WIDTHS[-1]).float() if output == "softmax" else y


def started(kind: str, seeds: tuple[int, ...] = SEEDS) -> Rule:
    cls = RULES.load(kind)
    rule: Rule = cls(cls.Settings())
    rule.start(WIDTHS, seeds)
    return rule


def warmed(kind: str) -> Rule:
    """A rule that has seen other rows, so that it knows what reward and input to expect."""
    rule = started(kind)
    x, y = task(8)
    rule.changes(network(), x.flip(-1), y)
    return rule


def gradient(net: Network, x: Tensor, y: Tensor) -> Changes:
    """What automatic differentiation says."""
    leaves = [[t.clone().requires_grad_() for t in part] for part in (net.weights, net.biases)]
    free = replace(net, weights=leaves[0], biases=leaves[1])
    loss = free.losses(free.activities(x)[-1], y).mean(1)
    loss.sum().backward()
    weights, biases = ([t.grad for t in part if t.grad is not None] for part in leaves)
    return Changes(loss.detach(), weights, biases)


def flat(changes: Changes) -> Iterator[Tensor]:
    """Weights and biases of each layer, ``[S, ...]``."""
    for weight, bias in zip(changes.weights, changes.biases, strict=True):
        yield torch.cat([weight.flatten(1), bias], dim=1)


@pytest.mark.parametrize("output", ["linear", "softmax"])
@pytest.mark.parametrize("kind", FOLLOWING)
def test_the_mean_change_follows_the_gradient_as_far_as_the_rule_claims(kind: str, output: str) -> None:
    net, (x, y) = network(output=output), task(output=output)
    rule, limit = started(kind), RULES.load(kind).follows_gradient
    if kind == "predictive_coding":  # which claims it for small errors
        prediction = net.activities(x)[-1]
        y = prediction + 0.02 * (y - prediction)
    draws = [rule.changes(net, x, y) for _ in range(1 if not_drawn(kind) else 400)]
    true = gradient(net, x, y)
    for layer, exact in enumerate(flat(true)):
        mean = torch.stack([list(flat(each))[layer] for each in draws]).mean(0)
        cosine = torch.cosine_similarity(mean, exact, dim=1)
        assert float(cosine.clamp(-1, 1).arccos().rad2deg().max()) <= limit, layer
        if kind == "backprop":
            torch.testing.assert_close(mean, exact)
    assert all(torch.isfinite(each.loss).all() for each in draws)


def not_drawn(kind: str) -> bool:
    """Whether a rule gives the same change every time."""
    net, task_ = network(), task(8)
    rule = started(kind)
    return torch.equal(rule.changes(net, *task_).weights[0], rule.changes(net, *task_).weights[0])


def test_a_change_is_presynaptic_activity_times_something_of_the_postsynaptic_unit(kind: str) -> None:
    net, (x, y) = network(), task(1)
    changes = warmed(kind).changes(net, x, y)
    for layer, weight in enumerate(changes.weights):
        own = net.weights[layer] if kind == "hebbian" else torch.zeros_like(weight)
        # What one row asks of a unit is a multiple of what it saw; Oja's decay adds a multiple of its own weights.
        for s in range(len(SEEDS)):
            for unit in range(weight.shape[1]):
                rows = torch.stack([*(own[s, unit][None] if kind == "hebbian" else ()), weight[s, unit]])
                assert int(torch.linalg.matrix_rank(rows, tol=1e-5)) <= (2 if kind == "hebbian" else 1)
        ranks = torch.linalg.matrix_rank(weight, rtol=1e-4)
        assert kind == "hebbian" or int(ranks.max()) <= 1


def test_a_change_depends_on_later_layers_only_as_its_locality_says(kind: str) -> None:
    """The last layer's weights are changed, and the target with them, so that the output's error stays the same."""
    net, (x, y) = network(), task(1)
    other = replace(net, weights=[*net.weights[:-1], network(1).weights[-1]])
    moved = other.activities(x)[-1] - net.activities(x)[-1]
    before, after = warmed(kind).changes(net, x, y), warmed(kind).changes(other, x, y + moved)
    for layer in range(net.hidden):
        one, two = before.weights[layer], after.weights[layer]
        ratio = (one * two).sum((1, 2)) / one.square().sum((1, 2))  # a reward may be another number, one for all units
        same = torch.allclose(two, ratio[:, None, None] * one, rtol=1e-3, atol=1e-6)
        locality = RULES.load(kind).locality
        if locality == "broadcast":
            assert same, (kind, layer)
        elif locality == "transport":
            assert not same, (kind, layer)
    if RULES.load(kind).locality == "feedback":  # without feedback weights nothing reaches a hidden layer
        cut = warmed(kind)
        cut.own = {name: torch.zeros_like(value) for name, value in cut.own.items()}
        assert not any(changed.any() for changed in cut.changes(net, x, y).weights[: net.hidden])


def test_seeds_are_independent_and_a_rule_goes_on_where_it_was_kept(kind: str) -> None:
    net, (x, y) = network(), task(16)
    together, alone = started(kind), started(kind, SEEDS[1:])
    single = Network([w[1:] for w in net.weights], [b[1:] for b in net.biases])
    for _ in range(3):
        whole, part = together.changes(net, x, y), alone.changes(single, x[1:], y[1:])
        kept = [together.state(s) for s in range(len(SEEDS))]
    for one, two in zip(flat(whole), flat(part), strict=True):
        torch.testing.assert_close(one[1:], two)
    revived = started(kind)
    for s, state in enumerate(kept):
        revived.load(s, state)
    ahead, again = together.changes(net, x, y), revived.changes(net, x, y)
    assert all(torch.equal(a, b) for a, b in zip(flat(ahead), flat(again), strict=True))


def test_a_rule_that_learns_makes_the_loss_smaller(kind: str) -> None:
    net, (x, _) = network(), task()
    y = torch.tanh(x[..., :5]) + x[..., 1:6] * 0.5
    rule, first = started(kind), None
    rate = 0.005 if kind == "three_factor" else 0.05
    for _ in range(150):
        changes = rule.changes(net, x, y)
        first = changes.loss if first is None else first
        weights, biases = (
            [now - rate * step for now, step in zip(part, asked, strict=True)]
            for part, asked in ((net.weights, changes.weights), (net.biases, changes.biases))
        )
        net = Network(weights, biases)
    left = {"three_factor": 0.95, "hebbian": 0.85}.get(kind, 0.7)
    assert bool((changes.loss < left * first).all()), (first, changes.loss)


@pytest.mark.parametrize("widths", [WIDTHS, (9, 12, 5), (9, 5)])
def test_a_rule_does_as_many_multiply_adds_as_it_says(kind: str, widths: tuple[int, ...]) -> None:
    pairs = list(itertools.pairwise(widths))
    weights = [torch.zeros(len(SEEDS), above, below) for below, above in pairs]
    net = Network(weights, [torch.zeros(len(SEEDS), above) for _, above in pairs])
    cls = RULES.load(kind)
    rule: Rule = cls(cls.Settings())
    rule.start(widths, SEEDS)
    x, y = (torch.ones(len(SEEDS), ROWS, width) for width in (widths[0], widths[-1]))
    with FlopCounterMode(display=False) as counted:
        rule.changes(net, x, y)
    assert counted.get_total_flops() == 2 * rule.multiply_adds(widths) * ROWS * len(SEEDS)
