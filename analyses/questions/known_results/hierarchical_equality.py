"""Hierarchical equality: a task whose intermediate variables are known, on which causal instruments are checked.

Four objects a, b, c, d, each a point of the cube [-1, 1]^s; the label is ((a == b) == (c == d)). A high-level model
computes two variables, ``first`` = (a == b) and ``second`` = (c == d), and compares them. A multilayer perceptron
trained on labels alone can only be right if it computes something of the sort, though no label says where (the task
of Geiger et al. 2024, arXiv 2303.02536, section 4; objects, sizes and training are ours).

Interchange accuracy that a correct search finds for ``first`` in 16-64-64-64-2 after 12,000 steps of 1,024 rows: .97 or
more behind the first hidden layer, where the comparisons are apart; .6 to .75 behind the second, where they are partly
merged; .5, chance, behind the third, where only the label is left; and .5 everywhere in an untrained network. The
second layer's figure differs between networks.

Letters: n rows, s numbers per object, p = 4 s inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from imprint.probes.causal.alignment_search import Pairs
from imprint.probes.subjects.subject import Subject

SIZE = 4
"""s"""
WIDTHS = (64, 64, 64)
"""Of the hidden layers."""
RATE = 1e-3
"""Adam's step size, constant."""


def objects(n: int, *, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Observations ``[n, p]``, and whether the first and the second pair of objects are equal, bool ``[n, 2]``.

    Each pair is equal in half of the rows, independently of the other.
    """
    equal = torch.randint(0, 2, (n, 2), generator=rng).bool()
    first, second = (2 * torch.rand(n, 2, SIZE, generator=rng) - 1 for _ in range(2))
    second = torch.where(equal[:, :, None], first, second)
    return torch.stack([first, second], dim=2).flatten(1), equal


def label(equal: Tensor) -> Tensor:
    """((a == b) == (c == d)) of ``[n, 2]``, bool ``[n]``."""
    return equal[:, 0] == equal[:, 1]


def untrained(*, rng: torch.Generator, widths: Sequence[int] = WIDTHS) -> nn.Sequential:
    """An untrained ReLU perceptron p - widths - 2: uniform within 1 / sqrt(inputs), as torch's default."""
    sizes = (4 * SIZE, *widths, 2)
    layers: list[nn.Module] = []
    for fan, out in pairwise(sizes):
        layer = nn.utils.skip_init(nn.Linear, fan, out)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_((2 * torch.rand(parameter.shape, generator=rng) - 1) / fan**0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def trained(
    *, rng: torch.Generator, steps: int = 12_000, batch: int = 1024, widths: Sequence[int] = WIDTHS
) -> nn.Sequential:
    """The same, trained on labels alone with fresh rows at each step."""
    network = untrained(rng=rng, widths=widths)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(steps):
        observation, equal = objects(batch, rng=rng)
        loss = functional.cross_entropy(network(observation), label(equal).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


def accuracy(network: nn.Module, *, rng: torch.Generator, n: int = 20_000) -> float:
    """Share of fresh rows that are classified rightly."""
    observation, equal = objects(n, rng=rng)
    with torch.no_grad():
        return float((network(observation).argmax(1) == label(equal).long()).double().mean())


def subject(network: nn.Sequential) -> Subject:
    """The network valued by its logit difference, with its hidden layers (behind their ReLU) as sites."""
    sites = [name for name, module in network.named_children() if isinstance(module, nn.ReLU)]

    def value(observation: Tensor) -> Tensor:
        logits = network(observation)
        difference: Tensor = logits[:, 1] - logits[:, 0]
        return difference

    return Subject(network, value, sites)


def pairs(n: int, *, rng: torch.Generator) -> tuple[Pairs, Tensor]:
    """Pairs whose target takes ``first`` from the source, and targets of a wrong variable.

    The wrong variable is the sign of the first number: interchanging it should change the label where the sign differs,
    which nothing in the task gives a network a reason to do.
    """
    base, equal = objects(n, rng=rng)
    source, other = objects(n, rng=rng)
    target = other[:, 0] == equal[:, 1]
    wrong = label(equal) ^ ((base[:, 0] > 0) ^ (source[:, 0] > 0))
    return Pairs(base, source, target), wrong
