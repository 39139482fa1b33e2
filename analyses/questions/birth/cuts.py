"""Where one puts the moment of birth on the timeline of development, and which conclusions survive another choice.

Networks learn digits from scratch; their accuracy is known after 0, 1, 2, 4, ... updates. Any of these moments can be
called birth, and what came before the womb. Three claims are made of the moment of birth, and have a sign at each cut:

    chance   accuracy at birth is within ``MARGIN`` of chance
    rises    it rises by more than ``RISE`` afterwards
    early    half of that rise is reached in the first half of the updates that are left

The part of the cuts at which a claim has the sign that it has at the true start says whether the conclusion depends on
where birth is put.

Letters: S seeds, b births.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.handwriting import CLASSES, FIGURE, Split, splits
from imprint.models.learning.plain_steps import BATCH, accuracy, newborn, started, stepped

MARGIN, RISE, BIRTHS, LAST, WIDTHS = 0.03, 0.1, 8, 512, (FIGURE**2, 64, CLASSES)
"""Bounds of the claims; networks of each seed; updates of a life; units."""
TIMES = (0, *(2**k for k in range(LAST.bit_length())))
RATES = {"node_perturbation": 0.02, "three_factor": 0.01}
CLAIMS = ("chance", "rises", "early")


def claims(times: Sequence[int], curve: NDArray[np.float64]) -> dict[str, list[bool]]:
    """Whether each claim is true at each cut, all moments but the last; ``curve`` has the accuracy at ``times``."""
    found: dict[str, list[bool]] = {claim: [] for claim in CLAIMS}
    for cut in range(len(times) - 1):
        start, end = curve[cut], curve[-1]
        reached = next(
            t for t, value in zip(times[cut:], curve[cut:], strict=True) if value >= (start + end) / 2 or t == times[-1]
        )
        found["chance"].append(bool(abs(start - 1 / CLASSES) <= MARGIN))
        found["rises"].append(bool(end - start > RISE))
        found["early"].append(bool(reached - times[cut] <= (times[-1] - times[cut]) / 2))
    return found


def measure_cuts(*, rule: str, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, time, seed and value: accuracy by updates, and the stable part of the cuts."""
    everyone = [(seed, born) for seed in seeds for born in range(BIRTHS)]
    split = Split(*(part.repeat_interleave(BIRTHS, 0) for part in splits(seeds)))
    network = newborn(WIDTHS, [generator("cuts", rule, *each) for each in everyone])
    own = started(rule, WIDTHS, [seed * BIRTHS + born for seed, born in everyone])
    order, curve = generator("cut batches", *seeds), []
    targets = torch.nn.functional.one_hot(split.y, CLASSES).float()
    for update in range(LAST + 1):
        if update in TIMES:
            right = accuracy(network, split.tests, split.answers)
            curve.append(right.unflatten(0, (len(seeds), BIRTHS)).mean(1))
            say(update, LAST, f"a life by {rule}")
        rows = torch.randint(split.x.shape[1], (BATCH,), generator=order)
        network = stepped(network, own.changes(network, split.x[:, rows], targets[:, rows]), RATES.get(rule, 0.1))
    found = torch.stack(curve, 1).double().numpy()
    table: list[dict[str, Any]] = []
    for seed, values in zip(seeds, found, strict=True):
        about = {"part": "cuts", "arm": rule, "seed": seed}
        table += [{**about, "measure": "accuracy", "time": t, "value": v} for t, v in zip(TIMES, values, strict=True)]
        for claim, signs in claims(TIMES, values).items():
            stable = float(np.mean([sign == signs[0] for sign in signs]))
            table.append({**about, "measure": claim, "time": -1, "value": stable})
    return pd.DataFrame(table)
