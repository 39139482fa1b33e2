"""Restaurants: what a readout makes of six streams of context, raw, coded, or expanded at random.

Streams come as *tuned* inputs (each stream has eight cells with Gaussian tuning, as mossy fibres of one modality), on
which the random wiring makes conjunctions. Every arm is read in closed form (ridge, its penalty chosen on evenings of
their own), so that no step size matters; some are also taught by rules, each at the best of four step sizes.

Letters: n evenings, U units, R step sizes, d inputs of an arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.rules.base import RULES, Network, Rule
from imprint.models.streams.restaurants import STREAM_NAMES, Restaurants
from imprint.models.wiring import Sheet, Wiring, compete, connect

CELLS, WIDTH = 8, 0.25
"""Cells for each number and the width of their tuning, numbers being from -1 to 1."""
PENALTIES, STEPS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), (0.03, 0.1, 0.3, 1.0)
EVENINGS, OTHERS, BATCH = 1600, 800, 16


def tuned(numbers: Tensor) -> Tensor:
    """Activities ``[..., d CELLS]`` of cells with Gaussian tuning for numbers ``[..., d]`` from -1 to 1."""
    centres = torch.linspace(-1, 1, CELLS)
    return torch.exp(-0.5 * ((numbers[..., None] - centres) / WIDTH).square()).flatten(-2)


def explained(said: np.ndarray, y: np.ndarray) -> float:
    """Part of the variance of ``y`` that is explained; minus infinity or NaN of what diverged."""
    with np.errstate(all="ignore"):
        return float(1 - np.square(said - y).mean() / y.var())


def closed_form(x: Sequence[Tensor], y: Sequence[Tensor]) -> float:
    """R2 on the last of three sets (to fit, to choose the penalty, to test), each ``[n, d]`` and ``[n, 1]``."""
    size = float(x[0].var(0).sum())
    fitted = [Ridge(alpha=penalty * size).fit(x[0].numpy(), y[0][:, 0].numpy()) for penalty in PENALTIES]
    best = max(fitted, key=lambda each: explained(each.predict(x[1].numpy()), y[1][:, 0].numpy()))
    return explained(best.predict(x[2].numpy()), y[2][:, 0].numpy())


def taught(kind: str, x: Sequence[Tensor], y: Sequence[Tensor], *, epochs: int, seed: int, hidden: int = 0) -> float:
    """R2 as above of a network that a rule taught by plain steps; all step sizes at once, the best chosen.

    A network without hidden units begins at 0. Inputs are scaled to a mean square length of 1.
    """
    length = x[0].square().sum(1).mean().sqrt()
    x = [each / length for each in x]
    widths = (x[0].shape[1], *([hidden] if hidden else []), 1)
    cls, rng, steps = RULES.load(kind), generator("taught", kind, hidden, seed), torch.tensor(STEPS)
    rule: Rule = cls(cls.Settings())
    rule.start(widths, [seed] * len(steps))
    weights = [torch.randn(above, below, generator=rng) * (below**-0.5 if hidden else 0.0)
               for below, above in pairwise(widths)]  # fmt: skip
    if hidden:
        weights[0] = weights[0] * widths[0] ** 0.5  # inputs have length 1, so that drives are of order 1
    net = Network([each.expand(len(steps), -1, -1).clone() for each in weights],
                  [torch.zeros(len(steps), above) for above in widths[1:]])  # fmt: skip
    for _ in range(epochs):
        for rows in torch.randperm(len(x[0]), generator=rng).split(BATCH):
            asked = rule.changes(net, x[0][rows].expand(len(steps), -1, -1), y[0][rows].expand(len(steps), -1, -1))
            for weight, change in zip(net.weights, asked.weights, strict=True):
                weight -= steps[:, None, None] * change
            for bias, change in zip(net.biases, asked.biases, strict=True):
                bias -= steps[:, None] * change
    said = [net.activities(each.expand(len(steps), -1, -1))[-1][..., 0].numpy() for each in x[1:]]
    scores = [[explained(one, true[:, 0].numpy()) for one in each] for each, true in zip(said, y[1:], strict=True)]
    return scores[1][int(np.nan_to_num(scores[0], nan=-np.inf).argmax())]


def sales(*, seed: int, widths: Sequence[int], epochs: int, say: Say) -> pd.DataFrame:
    """R2 on new evenings, by arm and way of reading, of one restaurant."""
    rng = generator("sales", seed)
    stream = Restaurants(Restaurants.Settings(), rng=rng)
    sets = [stream.draw(count, rng=rng) for count in (EVENINGS, OTHERS, OTHERS)]
    y = [each.y for each in sets]
    arms: dict[str, list[Tensor]] = {"linear": [each.x for each in sets], "coded": [tuned(each.x) for each in sets]}
    for width in widths:
        wiring = Wiring(width=width, in_degree=4, signs="excitatory", active=0.1)
        wires = connect(wiring, Sheet(len(STREAM_NAMES), CELLS), rng=rng)
        arms[f"{width} units"] = [compete(each @ wires.T, wiring.winners) for each in arms["coded"]]
    rows: list[dict[str, Any]] = []

    def add(arm: str, read: str, value: float) -> None:
        say(len(rows), len(arms) + 8, f"restaurants: {arm}, {read}")
        rows.append({"seed": seed, "arm": arm, "read": read, "value": value})

    shuffled = [each[torch.randperm(len(each), generator=rng)] for each in y]
    for arm, x in arms.items():
        add(arm, "closed form", closed_form(x, y))
    add(arm, "shuffled", closed_form(x, shuffled))
    for arm in ("linear", "coded", TAUGHT):
        for kind, name in (("backprop", "delta rule"), ("three_factor", "three-factor rule")):
            add(arm, name, taught(kind, arms[arm], y, epochs=epochs, seed=seed))
    hidden = max(1, round(int(TAUGHT.split()[0]) / (len(STREAM_NAMES) * CELLS + 2)))
    learned = taught("backprop", arms["coded"], y, epochs=epochs, seed=seed, hidden=hidden)
    add("learned hidden layer", "backpropagation", learned)
    return pd.DataFrame(rows)


TAUGHT = "1024 units"
"""The width that rules are tried on; the hidden layer that learns has as many weights that change."""
