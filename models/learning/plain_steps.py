"""Layered networks that learn to name classes by plain steps on what a learning rule asks for.

    W_l <- W_l - rate x (change that the rule asks for on a batch)

Plain steps, without momentum or scaling, are what published figures on digits are measured with, and they leave
nothing between a rule and its effect. All networks are one batched program; each has its own data, its own order of
them, and may have its own rate.

Letters: S networks (seeds), n rows, B rows of a batch, d_l units of layer l.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from imprint.models.handwriting import CLASSES, Split
from imprint.models.rules.base import RULES, Changes, Network, Rule

BATCH = 32


def newborn(widths: Sequence[int], rngs: Iterable[torch.Generator]) -> Network:
    """An untrained network for each generator, weights normal with variance 1 / d_{l-1}, softmax output."""
    draws, pairs = list(rngs), list(itertools.pairwise(widths))
    weights = [torch.stack([torch.randn(up, low, generator=rng) for rng in draws]) / low**0.5 for low, up in pairs]
    return Network(weights, [torch.zeros(len(draws), up) for _, up in pairs], output="softmax")


def started(kind: str, widths: Sequence[int], seeds: Sequence[int]) -> Rule:
    """The rule called ``kind`` with its default settings."""
    cls = RULES.load(kind)
    rule: Rule = cls(cls.Settings())
    rule.start(widths, seeds)
    return rule


def stepped(network: Network, changes: Changes, rate: float | Tensor, *, hidden: bool = True) -> Network:
    """The network after one plain step; ``rate`` can be one for each network, ``[S]``.

    With ``hidden`` false only the output's weights move.
    """
    first = 0 if hidden else network.hidden
    each = torch.as_tensor(rate).reshape(-1, 1)
    parts = (network.weights, changes.weights, each[..., None]), (network.biases, changes.biases, each)
    weights, biases = (
        [now - size * asked if i >= first else now for i, (now, asked) in enumerate(zip(part, asks, strict=True))]
        for part, asks, size in parts
    )
    return replace(network, weights=weights, biases=biases)


def learned(
    network: Network,
    rule: Rule,
    split: Split,
    orders: Sequence[torch.Generator],
    *,
    epochs: int,
    rate: float | Tensor = 0.1,
    hidden: bool = True,
    cooling: bool = False,
    tie: Callable[[Changes], Changes] = lambda changes: changes,
    say: Callable[[int], None] = lambda epoch: None,
) -> Network:
    """The network after ``epochs`` passes over its split, shuffled anew each time by its generator in ``orders``.

    Without generators rows come as they stand. With ``cooling`` steps get smaller from pass to pass, in a line that
    would reach zero after the last; without it the last steps, on a batch that may be incomplete, count in full.
    ``tie`` has the last word on changes (:mod:`imprint.models.learning.tied_layers`).
    """
    targets = torch.nn.functional.one_hot(split.y, CLASSES).float()
    seeds, rows = torch.arange(len(split.x))[:, None], split.x.shape[1]
    as_they_stand = torch.arange(rows).expand(len(split.x), -1)
    for epoch in range(epochs):
        order = torch.stack([torch.randperm(rows, generator=rng) for rng in orders]) if orders else as_they_stand
        for batch in order.split(BATCH, dim=1):
            asked = rule.changes(network, split.x[seeds, batch], targets[seeds, batch])
            network = stepped(network, tie(asked), rate * (1 - epoch / epochs if cooling else 1), hidden=hidden)
        say(epoch)
    return network


def accuracy(network: Network, x: Tensor, classes: Tensor) -> Tensor:
    """Part of the rows ``[S, n, d_0]`` whose class ``[S, n]`` the network names, ``[S]``.

    A network whose numbers are no longer finite names nothing, so that it is right as often as chance: 1 / 10.
    """
    prediction = network.activities(x)[-1]
    right = (prediction.argmax(-1) == classes).float().mean(1)
    return torch.where(prediction.isfinite().all(-1).all(-1), right, 1.0 / CLASSES)


def angles(network: Network, rule: Rule, split: Split) -> list[Tensor]:
    """Angle in degrees ``[S]`` between the rule's change and the gradient on all of ``split``, layer by layer.

    The rule is left as it was.
    """
    targets = torch.nn.functional.one_hot(split.y, CLASSES).float()
    before = [rule.state(seed) for seed in range(len(split.x))]
    own = rule.changes(network, split.x, targets)
    for seed, state in enumerate(before):
        rule.load(seed, state)
    exact = started("backprop", network.widths, range(len(split.x))).changes(network, split.x, targets)
    pairs = zip(own.weights, exact.weights, strict=True)
    return [
        torch.cosine_similarity(a.flatten(1), b.flatten(1), dim=1).clamp(-1, 1).arccos().rad2deg() for a, b in pairs
    ]
