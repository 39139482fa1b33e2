"""What of a network is needed: a twentieth of it alone, the rest without that, each unit, and units that never learn.

    tickets     a network learns; the twentieth of its weights that have become largest, layer by layer, are its
                ticket. Then networks learn anew from the start: the ticket with the weights that it was born with
                (``rewound``), with other ones (``reinitialised``), as many weights in random places (``random mask``),
                all but the ticket (``complement``), a ticket of a network that learned shuffled labels
                (``other ticket``), and other weights where the largest were at birth (``untaught ticket``)
    units       how much the loss on new images rises when a hidden unit is held at its mean; Gini coefficient of that
    dictionary  hidden units that stay as they were born, so that learning only labels what they do, beside units that
                learn, on more and more random patterns with random labels

Letters: S seeds, n images, L layers, U hidden units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.digits import Images, batches, newborn, one_hot, split, stepped
from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES
from imprint.models.learning.plain_steps import started
from imprint.models.rules.base import Changes, Network

UNITS, BATCH, RATE = 128, 32, 0.1
IMAGES = 300
"""Images that are learned from."""
KEPT = 0.05
"""Part of every layer's weights that is a ticket."""
DROPPED = 0.5
GROUPS = 8
"""Groups of hidden units of which each has a job of its own."""
DICTIONARY, INPUTS = 32, 64
"""Hidden units of the dictionary, and numbers of a pattern."""
LOADS = (8, 32, 128, 256)
"""Patterns that are to be told apart."""

Masks = list[Tensor]


def images_of(seeds: Sequence[int]) -> tuple[Images, Images]:
    """A few images to learn from, and those to examine."""
    learned, examined = split(seeds)
    return Images(learned.x[:, :IMAGES], learned.digit[:, :IMAGES]), examined


def masked(network: Network, masks: Masks) -> Network:
    """The network with zeros where a mask has them."""
    return replace(network, weights=[w * m for w, m in zip(network.weights, masks, strict=True)])


def learned(
    network: Network, shown: Images, seeds: Sequence[int], *, steps: int, masks: Masks | None = None
) -> Network:
    """The network after so many steps of backpropagation; weights that are masked stay zero."""
    rule = started("backprop", network.widths, seeds)
    network = network if masks is None else masked(network, masks)
    which, count = torch.arange(len(seeds))[:, None], network.widths[-1]
    for _, rows in zip(range(steps), batches(shown.x.shape[1], min(BATCH, shown.x.shape[1]), seeds), strict=False):
        asked = rule.changes(network, shown.x[which, rows], one_hot(shown.digit[which, rows], count))
        network = stepped(network, asked, RATE, masks)
    return network


def accuracy(network: Network, shown: Images) -> Tensor:
    """Part of the images that are named rightly ``[S]``."""
    return (network.activities(shown.x)[-1].argmax(2) == shown.digit).float().mean(1)


# -- tickets -----------------------------------------------------------------------------------------------------------


def ticket(network: Network, part: float = KEPT) -> Masks:
    """Masks of the ``part`` of every layer's weights that are largest, 1 or 0 as ``[S, d_l, d_{l-1}]``."""
    masks = []
    for weight in network.weights:
        size = weight.abs().flatten(1)
        least = size.topk(max(int(part * size.shape[1]), 1)).values[:, -1]
        masks.append((weight.abs() >= least[:, None, None]).float())
    return masks


def scattered(masks: Masks, seeds: Sequence[int], name: str = "scattered") -> Masks:
    """Masks with as many ones in each layer, in random places."""
    found = []
    for layer, mask in enumerate(masks):
        rngs = [generator(name, layer, seed) for seed in seeds]
        order = torch.stack([torch.randperm(mask[0].numel(), generator=rng) for rng in rngs])
        found.append(mask.flatten(1).gather(1, order).reshape(mask.shape))
    return found


def tickets(*, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, seed and value: accuracy of networks that learned whole and masked."""
    shown, examined = images_of(seeds)
    widths = (shown.x.shape[2], UNITS, CLASSES)
    birth, other = newborn(widths, seeds), newborn(widths, seeds, "birth again")
    whole = learned(birth, shown, seeds, steps=steps)
    mixed = [torch.randperm(IMAGES, generator=generator("other labels", seed)) for seed in seeds]
    strange = learned(birth, Images(shown.x, shown.digit.gather(1, torch.stack(mixed))), seeds, steps=steps)
    mine = ticket(whole)
    starts = {
        "rewound": (birth, mine),
        "reinitialised": (other, mine),
        "random mask": (birth, scattered(mine, seeds)),
        "complement": (birth, [1 - mask for mask in mine]),
        "other ticket": (birth, ticket(strange)),
        "untaught ticket": (other, ticket(birth)),
    }
    found = {"full": whole}
    for done, (arm, (start, masks)) in enumerate(starts.items()):
        say(done, len(starts), arm)
        found[arm] = learned(start, shown, seeds, steps=steps, masks=masks)
    return _rows("tickets", {arm: accuracy(network, examined) for arm, network in found.items()}, seeds)


def _rows(part: str, values: dict[str, Tensor], seeds: Sequence[int], **more: Any) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for arm, each in values.items():
        pairs = zip(seeds, each.tolist(), strict=True)
        rows += [{"part": part, "arm": arm, **more, "seed": seed, "value": value} for seed, value in pairs]
    return pd.DataFrame(rows)


# -- units -------------------------------------------------------------------------------------------------------------


def usefulness(network: Network, shown: Images) -> Tensor:
    """How much the loss rises ``[S, U]`` when a hidden unit is held at its mean."""
    hidden, targets = network.activities(shown.x)[1], one_hot(shown.digit)
    logits = torch.baddbmm(network.biases[1][:, None], hidden, network.weights[1].mT)
    base = -(torch.log_softmax(logits, -1) * targets).sum(-1).mean(1)
    away = hidden - hidden.mean(1, keepdim=True)
    rises = []
    for unit in range(hidden.shape[2]):
        held = logits - away[:, :, unit, None] * network.weights[1][:, None, :, unit]
        rises.append(-(torch.log_softmax(held, -1) * targets).sum(-1).mean(1) - base)
    return torch.stack(rises, 1)


def gini(values: Tensor) -> Tensor:
    """Gini coefficient ``[S]`` of numbers ``[S, U]``, negative ones counted as 0: 0 where all are equal."""
    ordered = values.clamp_min(0.0).sort(1).values
    count = values.shape[1]
    rank = torch.arange(1, count + 1, dtype=ordered.dtype)
    total = ordered.sum(1).clamp_min(1e-12)
    return ((2 * rank - count - 1) * ordered).sum(1) / (count * total)


def dropped(network: Network, shown: Images, seeds: Sequence[int], *, steps: int) -> Network:
    """The network after learning in which half of the hidden units are silent in every row (Srivastava 2014)."""
    chance = [generator("dropout", seed) for seed in seeds]
    which = torch.arange(len(seeds))[:, None]
    for _, rows in zip(range(steps), batches(IMAGES, BATCH, seeds), strict=False):
        x, y = shown.x[which, rows], one_hot(shown.digit[which, rows])
        awake = torch.stack([(torch.rand(BATCH, UNITS, generator=rng) >= DROPPED).float() for rng in chance])
        asked = gained(network, x, y, awake / (1 - DROPPED))
        network = stepped(network, asked, RATE)
    return network


def employed(network: Network, shown: Images, seeds: Sequence[int], *, steps: int) -> Network:
    """The network after learning in which every group of hidden units is also asked to name the digit on its own.

    A group answers over its own part of the output's weights, ``GROUPS`` times as strong; the whole and the mean of the
    groups count half each.
    """
    which = torch.arange(len(seeds))[:, None]
    group = (torch.arange(UNITS) * GROUPS // UNITS)[None] == torch.arange(GROUPS)[:, None]
    for _, rows in zip(range(steps), batches(IMAGES, BATCH, seeds), strict=False):
        x, y = shown.x[which, rows], one_hot(shown.digit[which, rows])
        asked = [(gained(network, x, y, torch.ones(UNITS)), 0.5)]
        asked += [(gained(network, x, y, GROUPS * mine.float()), 0.5 / GROUPS) for mine in group]
        weights, biases = (
            [sum(share * getattr(each, kind)[i] for each, share in asked) for i in range(2)]
            for kind in ("weights", "biases")
        )
        network = stepped(network, Changes(asked[0][0].loss, weights, biases), RATE)
    return network


def gained(network: Network, x: Tensor, y: Tensor, gain: Tensor) -> Changes:
    """The gradient of the loss of a network whose hidden activities are multiplied by ``gain`` (``[U]`` or of rows)."""
    hidden = network.layer(0, x)
    below = hidden * gain
    prediction = network.layer(1, below)
    error = prediction - y
    back = (error @ network.weights[1]) * gain * (1 - hidden.square())
    return network.changes([x, below], [back, error], network.losses(prediction, y).mean(1))


def units(*, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """Rows of arm, measure, seed and value: how unequally useful hidden units are, and how well the whole does."""
    shown, examined = images_of(seeds)
    birth = newborn((shown.x.shape[2], UNITS, CLASSES), seeds)
    plain = learned(birth, shown, seeds, steps=steps)
    say(1, 3, "dropout and jobs")
    arms = {
        "plain": plain,
        "dropout": dropped(birth, shown, seeds, steps=steps),
        "jobs": employed(birth, shown, seeds, steps=steps),
        "planted": _planted(plain),
    }
    tables = []
    for arm, network in arms.items():
        useful = usefulness(network, examined)
        spare = (useful < 1e-3).float().mean(1)
        values = {"gini": gini(useful), "accuracy": accuracy(network, examined), "dispensable": spare}
        tables += [_rows("units", {arm: value}, seeds, measure=name) for name, value in values.items()]
    return pd.concat(tables, ignore_index=True)


def _planted(network: Network) -> Network:
    """The network of which only every eighth hidden unit is still heard: unequal by construction."""
    heard = (torch.arange(UNITS) % 8 == 0).float()
    return replace(network, weights=[network.weights[0], network.weights[1] * heard])


# -- a dictionary ------------------------------------------------------------------------------------------------------


def dictionary(*, seeds: Sequence[int], steps: int, loads: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of arm, load, seed and value: part of the patterns whose random label is known in the end."""
    tables = []
    for done, load in enumerate(loads):
        say(done, len(loads), f"{load} patterns")
        rngs = [generator("patterns", load, seed) for seed in seeds]
        x = torch.stack([torch.randn(load, INPUTS, generator=rng) for rng in rngs]) / INPUTS**0.5 * 3
        labels = torch.stack([torch.randperm(load, generator=rng) % 2 for rng in rngs])
        shown = Images(x, labels)
        birth = newborn((INPUTS, DICTIONARY, 2), seeds)
        fixed = labelled(birth, shown, seeds, steps=steps, hidden=0.0)
        plastic = labelled(birth, shown, seeds, steps=steps, hidden=1.0)
        values = {"dictionary": accuracy(fixed, shown), "synthesis": accuracy(plastic, shown)}
        tables.append(_rows("dictionary", values, seeds, load=load))
    return pd.concat(tables, ignore_index=True)


def labelled(network: Network, shown: Images, seeds: Sequence[int], *, steps: int, hidden: float) -> Network:
    """The network after learning all patterns at once; ``hidden``: whether hidden units learn (1) or not (0)."""
    rule, targets = started("backprop", network.widths, seeds), one_hot(shown.digit, 2)
    for _ in range(steps):
        network = stepped(network, rule.changes(network, shown.x, targets), 5 * RATE, [hidden, 1.0])
    return network
