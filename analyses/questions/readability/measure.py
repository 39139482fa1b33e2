"""Networks that were stopped at the same loss: how easily their hidden units are read, and what a reward latches onto.

    input       a digit on the left or on the right half of a field of 8 x 16 pixels
    tasks       ``digits``: which of the ten;  ``places``: one of four, even or odd, on the left or on the right
    concepts    ``even``, ``loop`` (0, 6, 8, 9), ``high`` (5 and more), ``left``
    alignment   area under the curve of the best unit (chosen on other images) less that of the average unit
    weights     log2 of how many units, best first, a linear probe needs for 95 % of what it reads from all, beyond .5
    description bits to say which digit on which side it is, of the inputs that drive a unit most, or most of all the
                other way, whichever takes fewer
    latch       a linear value taught that even is good, where even goes along with left: the part of its effects that
                is even's, of what both have where they are independent

Letters: S seeds, n rows, U units, C concepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.digits import Images, batches, newborn, of_seeds, one_hot, split, stepped
from imprint.models.chance import generator
from imprint.models.learning.plain_steps import started
from imprint.models.rules.base import Network

CONCEPTS = ("even", "loop", "high", "left")
LOOPS = (0, 6, 8, 9)
UNITS, WIDE = 96, 1334
"""Hidden units; of the wide expansion, which so has as many learned weights as the others."""
KINDS = 20
BATCH, OFTEN = 32, 10
"""Rows of a step, and steps between two looks at the loss."""
DRIVEN = 0.05
"""Part of the rows that drive a unit most."""
KEEP = 0.95
PENALTY = 0.1
CUE = 0.8
"""P(left | even) and P(right | odd) where the reward is given."""
TAUGHT = 200
"""Steps of the value."""


class Arm(NamedTuple):
    """How the networks of an arm learn."""

    rule: str
    rate: float
    width: int = UNITS
    hidden: float = 1.0
    """How fast hidden units learn, in parts of the rate; where 0, they stay a random expansion of the input."""


ARMS = {
    "backprop": Arm("backprop", 0.1),
    "feedback alignment": Arm("feedback_alignment", 0.1),
    "predictive coding": Arm("predictive_coding", 0.1),
    "hebbian": Arm("hebbian", 0.1, hidden=0.05),
    "expansion": Arm("backprop", 0.1, hidden=0.0),
    "wide expansion": Arm("backprop", 0.02, WIDE, hidden=0.0),
}
TASKS = {"digits": 10, "places": 4}
"""Task -> classes."""
MEASURES = ("alignment", "weights", "description")
EASIER = {"alignment": 1.0, "weights": -1.0, "description": -1.0}
"""The sign with which a measure says that something is easier to read."""


class Rows(NamedTuple):
    """Inputs of every seed and what is true of them."""

    x: Tensor
    """``[S, n, 128]``."""
    digit: Tensor
    """``[S, n]``."""
    left: Tensor
    """bool ``[S, n]``."""

    def facts(self) -> Tensor:
        """The concepts, bool ``[S, n, C]``."""
        loop = torch.isin(self.digit, torch.tensor(LOOPS))
        return torch.stack([self.digit % 2 == 0, loop, self.digit >= 5, self.left], dim=2)

    def kinds(self) -> Tensor:
        """Which digit on which side, 0 to 19, ``[S, n]``."""
        return self.digit + 10 * self.left.long()

    def classes(self, task: str) -> Tensor:
        """The answers of a task ``[S, n]``."""
        return self.digit if task == "digits" else 2 * (self.digit % 2) + self.left.long()


def placed(images: Images, left: Tensor) -> Rows:
    """Images on one of the two sides."""
    where = left.float()[..., None]
    return Rows(torch.cat([images.x * where, images.x * (1 - where)], 2), images.digit, left)


def both_sides(images: Images) -> Rows:
    """Every image on the left, then every one on the right."""
    left = torch.cat([torch.ones_like(images.digit), torch.zeros_like(images.digit)], 1).bool()
    return placed(Images(images.x.repeat(1, 2, 1), images.digit.repeat(1, 2)), left)


def halves(rows: Rows) -> tuple[Tensor, Tensor]:
    """Which rows of :func:`both_sides` a probe is fitted on, and which it is tried on: other images, bool ``[n]``."""
    images = torch.arange(rows.x.shape[1]) % (rows.x.shape[1] // 2)
    return images % 2 == 0, images % 2 == 1


# -- learning to a given loss ------------------------------------------------------------------------------------------


class Stopped(NamedTuple):
    """Networks as they were when they had come down to the loss at which all are compared."""

    network: Network
    loss: Tensor
    """On the examined rows ``[S]``."""
    steps: Tensor
    """``[S]``; NaN where the loss was not reached."""


def stopped(arm: Arm, task: str, seeds: Sequence[int], *, target: float, most: int) -> Stopped:
    """Networks of an arm that learn a task until their loss is ``target`` or less, for at most ``most`` steps.

    Where hidden units stay as they were born, the rule teaches the network of one layer above them.
    """
    learned, examined = split(seeds)
    held, widths = both_sides(examined), (128, arm.width, TASKS[task])
    answers, whole = one_hot(held.classes(task), TASKS[task]), newborn(widths, seeds)
    below, network = (None, whole) if arm.hidden else (whole, _above(whole))
    rule, which = started(arm.rule, network.widths, seeds), torch.arange(len(seeds))[:, None]
    tests, pool = (rows.x if below is None else below.layer(0, rows.x) for rows in (held, both_sides(learned)))
    learns = [arm.hidden, 1.0] if arm.hidden else [1.0]
    kept, steps = network, torch.full((len(seeds),), torch.nan)
    sides = [generator("sides", seed) for seed in seeds]
    for step, rows in zip(range(most), batches(learned.x.shape[1], BATCH, seeds), strict=False):
        left = torch.stack([torch.rand(BATCH, generator=rng) < 0.5 for rng in sides])
        shown = Rows(pool[which, rows + learned.x.shape[1] * ~left], learned.digit[which, rows], left)
        y = one_hot(shown.classes(task), TASKS[task])
        network = stepped(network, rule.changes(network, shown.x, y), arm.rate, learns)
        if step % OFTEN == 0:
            loss = network.losses(network.activities(tests)[-1], answers).mean(1)
            fresh = steps.isnan() & (loss <= target)
            kept, steps = of_seeds(kept, fresh, network), torch.where(fresh, float(step), steps)
            if not bool(steps.isnan().any()):
                break
    kept = of_seeds(kept, steps.isnan(), network)
    loss = kept.losses(kept.activities(tests)[-1], answers).mean(1)
    return Stopped(kept if below is None else _joined(below, kept), loss, steps)


def _above(network: Network) -> Network:
    """The network of all layers but the first."""
    return replace(network, weights=network.weights[1:], biases=network.biases[1:])


def _joined(below: Network, above: Network) -> Network:
    """The first layer of one network under all layers of another."""
    return replace(above, weights=[below.weights[0], *above.weights], biases=[below.biases[0], *above.biases])


# -- reading -----------------------------------------------------------------------------------------------------------


def curves(units: Tensor, facts: Tensor) -> Tensor:
    """Area under the curve ``[S, U, C]`` of units ``[S, n, U]`` for concepts ``[S, n, C]``; ties are halves."""
    ranks = torch.from_numpy(stats.rankdata(units.numpy(), axis=1)).float()
    inside = facts.float()
    count = inside.sum(1)[:, None]
    above = torch.einsum("snu,snc->suc", ranks, inside) - count * (count + 1) / 2
    return above / (count * (units.shape[1] - count))


def alignment(units: Tensor, facts: Tensor, fit: Tensor, test: Tensor) -> Tensor:
    """Best unit less average unit ``[S]``, mean over concepts; units and their signs are chosen on the ``fit`` rows."""
    chosen, found = curves(units[:, fit], facts[:, fit]) - 0.5, curves(units[:, test], facts[:, test]) - 0.5
    signed = found * chosen.sign()
    best = signed.gather(1, chosen.abs().argmax(1, keepdim=True))[:, 0]
    return (best - signed.mean(1)).mean(1)


def probed(units: Tensor, facts: Tensor, fit: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """How many units a probe needs, as log2, and what it reads from all (area); ``[S]``, mean over concepts."""
    mean, sd = units[:, fit].mean(1, keepdim=True), units[:, fit].std(1, keepdim=True).clamp_min(1e-6)
    z = (units - mean) / sd
    y = facts.float() - facts[:, fit].float().mean(1, keepdim=True)
    rows, width = int(fit.sum()), units.shape[2]
    covariance = torch.einsum("snu,snv->suv", z[:, fit], z[:, fit]) / rows
    along = torch.einsum("snu,snc->scu", z[:, fit], y[:, fit]) / rows
    order = along.abs().argsort(2, descending=True)
    which = torch.arange(len(units))[:, None, None]
    areas = {}
    for k in counts(width):
        chosen = order[..., :k]
        inner = covariance[which[..., None], chosen[..., :, None], chosen[..., None, :]] + PENALTY * torch.eye(k)
        weight = torch.linalg.solve(inner, along.gather(2, chosen)[..., None])[..., 0]
        full = torch.zeros_like(along).scatter(2, chosen, weight)
        score = torch.einsum("snu,scu->snc", z[:, test], full)
        own = [curves(score[..., c : c + 1], facts[:, test, c : c + 1])[:, 0, 0] for c in range(facts.shape[2])]
        areas[k] = torch.stack(own, 1)
    least = KEEP * (areas[width] - 0.5)
    needed = torch.full_like(least, float(width))
    for k in reversed(areas):
        needed = torch.where(areas[k] - 0.5 >= least, torch.tensor(float(k)), needed)
    return needed.log2().mean(1), areas[width].mean(1)


def counts(width: int) -> list[int]:
    """Numbers of units that are tried: 1, 2, 3, 4, 6, 8, 12 and so on, and all; more than 192 only where all are."""
    tried = sorted({int(base * 2**power) for power in range(7) for base in (1, 1.5, 2, 3) if base * 2**power >= 1})
    return [k for k in tried if k < width] + [width]


def description(units: Tensor, rows: Rows) -> Tensor:
    """Entropy in bits of which digit on which side drives a unit ``[S]``, at that end which is said in fewer, mean."""
    count = max(int(DRIVEN * units.shape[1]), 2)
    kind, bits = rows.kinds(), []
    for largest in (True, False):
        top = units.topk(count, dim=1, largest=largest).indices
        named = kind[:, :, None].expand_as(units).gather(1, top)
        share = torch.stack([(named == k).float().mean(1) for k in range(KINDS)])
        bits.append(-(share * share.clamp_min(1e-12).log2()).sum(0))
    return torch.stack(bits).amin(0).mean(1)


def latch(units: Tensor, rows: Rows, seeds: Sequence[int]) -> Tensor:
    """The part of a value's effects that is the intended concept's ``[S]``; taught where both go along."""
    facts = rows.facts()
    even, left = facts[..., 0], facts[..., 3]
    chance = torch.stack([torch.rand(even.shape[1], generator=generator("reward", seed)) for seed in seeds])
    shown = (chance < torch.where(even == left, CUE, 1 - CUE)).float()
    mean = (units * shown[..., None]).sum(1, keepdim=True) / shown.sum(1)[:, None, None]
    z, weight, bias = units - mean, torch.zeros(len(units), units.shape[2]), torch.full((len(units), 1), 0.5)
    rate = shown.sum(1) / (z.square().sum(2) * shown).sum(1)
    for _ in range(TAUGHT):
        error = (even.float() - torch.einsum("snu,su->sn", z, weight) - bias) * shown / shown.sum(1, keepdim=True)
        weight = weight + rate[:, None] * torch.einsum("snu,sn->su", z, error)
        bias = bias + error.sum(1, keepdim=True)
    value = torch.einsum("snu,su->sn", z, weight)
    effects = []
    for one, other in ((even, left), (left, even)):
        cells = [_mean(value, one & (other == way)) - _mean(value, ~one & (other == way)) for way in (True, False)]
        effects.append(torch.stack(cells).mean(0).clamp_min(0.0))
    return effects[0] / (effects[0] + effects[1]).clamp_min(1e-9)


def _mean(value: Tensor, rows: Tensor) -> Tensor:
    return (value * rows).sum(1) / rows.sum(1)


def read(units: Tensor, rows: Rows, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Every measure ``[S]`` of hidden units ``[S, n, U]``."""
    fit, test = halves(rows)
    facts = rows.facts()
    weights, area = probed(units, facts, fit, test)
    found = {"alignment": alignment(units, facts, fit, test), "weights": weights, "area": area}
    return {**found, "description": description(units, rows), "latch": latch(units, rows, seeds)}


# -- the pieces of work ------------------------------------------------------------------------------------------------


def rotated(units: Tensor, seeds: Sequence[int]) -> Tensor:
    """The same activities in other axes, drawn at random for every seed."""
    drawn = [torch.randn(units.shape[2], units.shape[2], generator=generator("axes", seed)) for seed in seeds]
    axes: Tensor = torch.linalg.qr(torch.stack(drawn)).Q
    return units @ axes


def planted(rows: Rows, seeds: Sequence[int]) -> Tensor:
    """Units that are concepts, beside units each of which is one digit on one side, all with noise."""
    noise = torch.stack([torch.randn(rows.x.shape[1], UNITS, generator=generator("planted", s)) for s in seeds])
    kinds = torch.arange(UNITS - len(CONCEPTS)) % KINDS
    own = rows.kinds()[..., None] == kinds
    return torch.cat([rows.facts(), own], 2).float() + 0.1 * noise


def measure(
    *, seeds: Sequence[int], arms: Sequence[str], task: str, target: float, most: int, say: Say
) -> pd.DataFrame:
    """Rows of task, arm, seed and every measure, of learners and, beside backprop, of the controls."""
    rows = both_sides(split(seeds)[1])
    table: list[dict[str, Any]] = []

    def add(arm: str, units: Tensor, loss: Tensor, steps: Tensor) -> None:
        numbers = {**read(units, rows, seeds), "loss": loss, "steps": steps}
        columns = {name: value.double().numpy() for name, value in numbers.items()}
        for s, seed in enumerate(seeds):
            table.append({"task": task, "arm": arm, "seed": seed, **{n: float(v[s]) for n, v in columns.items()}})

    for done, arm in enumerate(arms):
        say(done, len(arms), f"{task}: {arm}")
        found = stopped(ARMS[arm], task, seeds, target=target, most=most)
        units = found.network.activities(rows.x)[1]
        add(arm, units, found.loss, found.steps)
        if arm == "backprop":
            nothing = torch.full((len(seeds),), np.nan)
            add("rotated", rotated(units, seeds), found.loss, found.steps)
            add("planted", planted(rows, seeds), nothing, nothing)
            born = newborn((128, UNITS, TASKS[task]), seeds)
            add("untrained", born.activities(rows.x)[1], nothing, nothing)
    return pd.DataFrame(table)
