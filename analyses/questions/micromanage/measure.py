"""Animals of one species: what they inherit, how they are wired, what they know at birth and after a childhood.

A *species* has a stream of pictures (:mod:`imprint.models.streams.topographic`), numbers of a wiring
(:mod:`imprint.models.wiring`), and a way in which its animals get their partners:

    heritable   every animal has the very same connections
    local       partners are drawn anew in every animal, within a radius of the unit's place, which is inherited
    global      partners are drawn anew in every animal, on the whole sheet
    chosen      as local, but each unit takes only inputs that are on in one of the ancestors' finest patterns

Evolution is replaced by what it could reach at best: over many ancestors, each with a wiring of its own, the readout
with the least squared error in the mean (:func:`evolve_readout`, ridge regression). What it is good for is measured in
newborns that are none of the ancestors. ``relabelled``: newborns whose units are permuted before the inherited readout
is applied, so that not even the place of a unit says anything.

Letters: G animals, n pictures, U units, I inputs, S scales, C classes, O = S C targets, R learning rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.streams.topographic import Topographic
from imprint.models.wiring import Wiring, compete, connect, partners, weights, within_reach

Kind = Literal["heritable", "local", "global", "chosen"]
PICTURES = 40
"""Pictures that each animal sees."""
RIDGE = 0.03
"""Ridge penalty, in units of the mean variance of a unit."""


@dataclass(frozen=True)
class Readout:
    """Weights ``[..., U, O]`` and bias ``[..., O]`` from activities to classes."""

    weight: Tensor
    bias: Tensor

    def accuracy(self, seen: Seen, classes: int) -> Tensor:
        """Part of the pictures that is told right, ``[S]`` by scale, mean over all animals."""
        said = (seen.activity @ self.weight + self.bias[..., None, :]).unflatten(-1, (-1, classes)).argmax(-1)
        right = said == seen.target.unflatten(-1, (-1, classes)).argmax(-1)
        part: Tensor = right.float().flatten(0, -2).mean(0)
        return part


@dataclass(frozen=True)
class Seen:
    """What some animals saw."""

    activity: Tensor
    """``[G, n, U]``."""
    target: Tensor
    """One-hot, ``[G, n, O]``."""


@dataclass(frozen=True)
class Animals:
    """Some animals of a species."""

    wires: Tensor
    """``[G, U, I]``."""
    patterns: Tensor
    """What the classes look like in the world of each, ``[G, S, C, I]``."""


@dataclass(frozen=True)
class Species:
    """How animals are made."""

    stream: Topographic
    wiring: Wiring
    kind: Kind
    volatility: float = 0.0
    """Probability that a class looks otherwise in an animal's world than in the ancestral one."""
    seed: int = 0
    """Seed of a heritable wiring."""

    def born(self, count: int, *, rng: torch.Generator) -> Animals:
        """``count`` animals, each in a world of its own; a heritable wiring is the same in every call."""
        patterns = self.stream.relatives(count, self.volatility, rng=rng)
        if self.kind == "heritable":
            same = generator("heritable", self.seed)
            return Animals(connect(self.wiring, self.stream.sheet, rng=same).expand(count, -1, -1), patterns)
        if self.kind == "chosen":
            return Animals(self._chosen(count, rng), patterns)
        return Animals(connect(self.wiring, self.stream.sheet, rng=rng, lives=count), patterns)

    def _chosen(self, count: int, rng: torch.Generator) -> Tensor:
        finest = self.stream.patterns[0] > 0
        liked = finest[torch.arange(self.wiring.width) % len(finest)]
        reached = (within_reach(self.wiring, self.stream.sheet) & liked).expand(count, -1, -1)
        return weights(self.wiring, partners(self.wiring, reached, rng), reached.shape[-1], rng)

    def see(self, animals: Animals, pictures: int, *, rng: torch.Generator) -> Seen:
        """Pictures of every animal's own world, and what its units make of them."""
        classes = self.stream.classes((len(animals.wires), pictures), rng=rng)
        shown = self.stream.shown(animals.patterns, classes, rng=rng)
        return Seen(compete(shown @ animals.wires.mT, self.wiring.winners), self.stream.target(classes))


def ridge(activity: Tensor, target: Tensor, penalty: float = RIDGE) -> Readout:
    """The readout with the least squared error plus ``penalty`` mean variance times the squared weights.

    From activities ``[..., n, U]`` and targets ``[..., n, O]``; the bias is free.
    """
    mean, level = activity.mean(-2), target.mean(-2)
    h, y = activity - mean[..., None, :], target - level[..., None, :]
    second = h.mT @ h / h.shape[-2]
    shrink = penalty * second.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-12)
    regular = second + shrink[..., None, None] * torch.eye(second.shape[-1])
    weight = torch.linalg.solve(regular, h.mT @ y / h.shape[-2])
    return Readout(weight, level - (mean[..., None, :] @ weight).squeeze(-2))


def evolve_readout(seen: Seen) -> Readout:
    """The best readout for all ancestors together, of what each of them saw."""
    return ridge(seen.activity.flatten(0, 1), seen.target.flatten(0, 1))


def relabelled(seen: Seen, *, rng: torch.Generator) -> Seen:
    """The same animals with their units in another order, each its own."""
    order = torch.rand(len(seen.activity), 1, seen.activity.shape[-1], generator=rng).argsort(-1)
    return Seen(seen.activity.gather(-1, order.expand_as(seen.activity)), seen.target)


def participation(activity: Tensor) -> Tensor:
    """Dimension of activities ``[G, n, U]``: (sum of eigenvalues)^2 / sum of their squares, mean over animals.

    From the n x n Gram matrix, so that it is cheap for many units; it is at most n - 1.
    """
    h = activity - activity.mean(-2, keepdim=True)
    gram = h @ h.mT
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)
    return (trace.square() / gram.square().sum((-1, -2)).clamp_min(1e-30)).mean()


def grow_up(seen: Seen, start: Readout | None, rates: Tensor) -> Readout:
    """A childhood by the normalised delta rule, one picture after the other; weights ``[R, G, U, O]``.

    ``start``: what is inherited; None: all weights are 0. A rate of 1 corrects the error on a picture wholly.
    """
    animals, pictures, units = seen.activity.shape
    shape = (len(rates), animals, units, seen.target.shape[-1])
    weight = torch.zeros(shape) if start is None else start.weight.expand(shape).clone()
    bias = torch.zeros(shape[0], animals, shape[3]) if start is None else start.bias.expand(shape[0], animals, -1)
    for t in range(pictures):
        h, y = seen.activity[:, t], seen.target[:, t]
        error = y - (h[None, :, None] @ weight).squeeze(-2) - bias
        step = rates[:, None, None] * error / (1 + h.square().sum(-1))[:, None]
        weight += h[None, :, :, None] * step[:, :, None]
        bias = bias + step
    return Readout(weight, bias)


def by_rate(readout: Readout, seen: Seen, classes: int) -> Tensor:
    """Accuracy ``[R, S]`` of animals that grew up at each rate."""
    each = zip(readout.weight, readout.bias, strict=True)
    return torch.stack([Readout(weight, bias).accuracy(seen, classes) for weight, bias in each])


# -- two nulls ---------------------------------------------------------------------------------------------------------


def alikeness(wires: Tensor) -> Tensor:
    """How much pairs of units share partners, ``[...]`` of wirings ``[..., U, I]``: mean square of shared inputs."""
    link = (wires != 0).float()
    shared = link @ link.mT
    units = wires.shape[-2]
    return (shared.square().sum((-1, -2)) - shared.diagonal(dim1=-2, dim2=-1).square().sum(-1)) / (units * (units - 1))


def global_null(chosen: Tensor, inputs: int, draws: int, *, rng: torch.Generator) -> Tensor:
    """Wirings ``[draws, U, I]`` in which units and inputs keep their number of connections, and nothing else.

    ``chosen``: the partners of every unit, int64 ``[U, in_degree]``; who is connected to whom is shuffled. A unit
    may draw an input twice, which counts once: wiring that is globally random lies a little above this null.
    """
    order = torch.rand(draws, chosen.numel(), generator=rng).argsort(-1)
    shuffled = chosen.flatten()[order].reshape(draws, *chosen.shape)
    return torch.zeros(draws, len(chosen), inputs).scatter_(-1, shuffled, 1.0)


def local_null(wiring: Wiring, stream: Topographic, draws: int, *, rng: torch.Generator) -> Tensor:
    """Wirings ``[draws, U, I]`` in which units keep their place, reach and number of connections."""
    return connect(wiring, stream.sheet, rng=rng, lives=draws)


def beyond(observed: Tensor, null: Tensor) -> float:
    """How many standard deviations of the null a number lies above its mean."""
    return float((observed - null.mean()) / null.std().clamp_min(1e-12))
