"""What a learner is born with, and what that decides: every combination of five ingredients.

One network, 64 pixels - tanh units at every pixel - 10 classes, by plain steps on what a rule asks for; its layers are
wired as a convolution or as dense ones (:mod:`imprint.models.learning.tied_layers`). Every combination of the
ingredients (:data:`FACTORS`) is raised from the same sets of initial weights. The final function is what each network
answers to each test image, as ten numbers that are 0 or 1. Of its variance over networks, summed over images and
answers,

    share of an ingredient = (SS_f - df_f MS_fb) / SS_total              MS_fb: births x that ingredient
    share of the weights at birth = (SS_b - df_b MS_cb) / SS_total       MS_cb: births x combinations

with the sums of squares of a balanced analysis of variance (Fisher 1925) in which births are drawn at random, so that
an ingredient that does nothing has a share of 0 on average. ``interactions`` are those among ingredients; ``within`` is
all that differs between births of one combination, the weights' main share included.

Letters: S seeds, n images, b births.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES, FIGURE, Split, splits
from imprint.models.learning.plain_steps import accuracy, learned, started
from imprint.models.learning.tied_layers import TiedLayer, pooled, tied, windows
from imprint.models.rules.base import Network

CONVOLUTION, DENSE = "convolution", "dense"
FACTORS: dict[str, tuple[Any, ...]] = {
    "architecture": (CONVOLUTION, DENSE),
    "rule": ("backprop", "feedback_alignment", "hebbian"),
    "loss": ("softmax", "linear"),
    "step size": (0.02, 0.005),
    "stream": ("mixed", "class by class"),
}
Combination = tuple[Any, ...]
"""One level of each ingredient."""
BORN, REST, WITHIN = "weights at birth", "interactions", "within"
CHANNELS, ROWS, LESSONS, UNTRAINED = 4, 300, 20, 32
"""Units at each pixel, training images and passes of the factorial, and untrained networks of an architecture."""


def wirings(architecture: str) -> tuple[TiedLayer, TiedLayer]:
    """The hidden layer and the output; a convolution has one output weight for 2 x 2 units of a channel."""
    if architecture == CONVOLUTION:
        return windows(FIGURE, CHANNELS, 3, 1), pooled(FIGURE, CHANNELS, CLASSES, 2)
    return windows(FIGURE, CHANNELS, 2 * FIGURE - 1, FIGURE), pooled(FIGURE, CHANNELS, CLASSES, 1)


def newborn(wired: Sequence[TiedLayer], rngs: Sequence[torch.Generator], output: str = "softmax") -> Network:
    """Untrained networks wired so."""
    weights = [wiring.born(rngs) for wiring in wired]
    biases = [torch.zeros(weight.shape[:2]) for weight in weights]
    return Network(weights, biases, "softmax" if output == "softmax" else "linear")


def decisions(cell: Combination, seeds: Sequence[int], births: int, split: Split) -> Tensor:
    """What the networks of one combination answer in the end, 0 or 1, ``[S, b, n, 10]``; ``split`` repeats by birth."""
    architecture, kind, loss, rate, stream = cell
    wired = wirings(architecture)
    everyone = [(seed, born) for seed in seeds for born in range(births)]
    network = newborn(wired, [generator("birth", *each) for each in everyone], loss)
    orders = [generator("order", seed) for seed, _ in everyone]
    if stream == "class by class":
        order, orders = split.y.argsort(dim=1, stable=True), []
        split = split._replace(x=split.x.gather(1, order[..., None].expand_as(split.x)), y=split.y.gather(1, order))
    network = learned(
        network,
        started(kind, network.widths, [seed for seed, _ in everyone]),
        split,
        orders,
        epochs=LESSONS,
        rate=rate,
        tie=partial(tied, wired),
    )
    answers = network.activities(split.tests)[-1].argmax(2)
    function: Tensor = F.one_hot(answers, CLASSES).float().unflatten(0, (len(seeds), births))
    return function


def measure_factorial(*, seeds: Sequence[int], births: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: shares of variance, and accuracy at birth and of each level."""
    once, cells = splits(seeds), list(itertools.product(*FACTORS.values()))
    split = Split(*(part.repeat_interleave(births, 0) for part in once))
    split = split._replace(x=split.x[:, :ROWS], y=split.y[:, :ROWS])
    functions = []
    for done, cell in enumerate(cells):
        functions.append(decisions(cell, seeds, births, split))
        say(done, len(cells), "every combination learns")
    whole = torch.stack(functions, 1).unflatten(1, [len(levels) for levels in FACTORS.values()])
    rows: list[dict[str, Any]] = []
    for place, seed in enumerate(seeds):
        own = whole[place]
        right = own.gather(-1, once.answers[place].expand(own.shape[:-1])[..., None]).squeeze(-1).mean(-1)
        about = {"part": "factorial", "seed": seed}
        rows += [{**about, "measure": "share", "arm": k, "value": v} for k, v in shares(own.flatten(-2)).items()]
        for axis, (factor, levels) in enumerate(FACTORS.items()):
            means = right.movedim(axis, 0).flatten(1).mean(1).tolist()
            named = [f"{factor}: {level}" for level in levels]
            rows += [{**about, "measure": "level", "arm": k, "value": v} for k, v in zip(named, means, strict=True)]
        for name in FACTORS["architecture"]:
            born = newborn(wirings(name), [generator("untrained", seed, i) for i in range(UNTRAINED)])
            tests, answers = (part[place].expand(UNTRAINED, *part[place].shape) for part in (once.tests, once.answers))
            value = float(accuracy(born, tests, answers).mean())
            rows.append({**about, "measure": "at birth", "arm": name, "value": value})
    return pd.DataFrame(rows)


def shares(function: Tensor) -> dict[str, float]:
    """Shares of the variance of functions ``[levels of factor 1, ..., of the last, b, values]``; see the module."""
    own = function.double()
    axes = range(own.ndim - 1)
    own = own - own.mean(tuple(axes))

    def squares(*kept: int) -> float:
        """Sum of squares of the means over all axes but these, over all places."""
        others = tuple(axis for axis in axes if axis not in kept)
        means = own.mean(others) if others else own
        return float(means.square().sum()) * math.prod(own.shape[axis] for axis in others)

    *factors, births = axes
    total, born = squares(*axes), squares(births)
    free = {axis: own.shape[axis] - 1 for axis in axes}
    main = {axis: squares(axis) for axis in factors}
    crossed = {axis: squares(axis, births) - main[axis] - born for axis in factors}
    found = {
        name: (main[axis] - crossed[axis] / free[births]) / total for name, axis in zip(FACTORS, factors, strict=True)
    }
    between = squares(*factors)
    rest = between - sum(main.values())
    left = total - between - born - sum(crossed.values())
    found[REST] = (rest - left / free[births]) / total
    cells = math.prod(own.shape[axis] for axis in factors)
    found[BORN] = (born - (left + sum(crossed.values())) / (cells - 1)) / total
    return found | {WITHIN: (total - between) / total}
