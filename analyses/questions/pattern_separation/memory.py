"""Sparse activity: how much patterns overlap, how many can be told apart, and when excitation runs away.

Patterns overlap in the inputs: each is its family's prototype with some inputs drawn anew. They are expanded at random,
and a part q of the units wins.

*Overlap*: mean cosine of the activities of five patterns of one family. *Told apart*: each of P patterns is given a
random sign in one lesson (Hebb's rule on activities less their mean), and shown again with noise. *Runs away*: units
excite one another by what was active together in the stored patterns, divided by the number of winners, so that a whole
pattern drives each of its units by 1 whatever q is. A pattern is shown, units above a threshold stay active, and after
some rounds twice as many units as belong to a pattern are active, or not; the critical gain is that at which half of
the trials do.

Letters: P patterns, I inputs, U units, N trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator
from imprint.models.wiring import Sheet, Wiring, compete, connect

INPUTS, UNITS, DEGREE = 100, 1000, 7
FAMILY, KEPT, SHOWN = 5, 0.8, 0.9
"""Patterns of a family, part of the inputs that are the prototype's, part that are as they were when shown again."""
STORED, ROUNDS, THRESHOLD, DRAWS = 40, 20, 0.5, 50
GAINS = tuple(2.0 ** (k / 4) for k in range(-28, 13))
TOLD = (25, 50, 100, 200, 400)


def families(count: int, rng: torch.Generator) -> Tensor:
    """Patterns 0 or 1 ``[count, FAMILY, I]``, of which half of the inputs are on."""
    prototype = (torch.rand(count, 1, INPUTS, generator=rng) < 0.5).float()
    return altered(prototype.expand(-1, FAMILY, -1), KEPT, rng)


def altered(patterns: Tensor, kept: float, rng: torch.Generator) -> Tensor:
    """Patterns in which every input is drawn anew with probability 1 - ``kept``."""
    fresh = (torch.rand(patterns.shape, generator=rng) < 0.5).float()
    return torch.where(torch.rand(patterns.shape, generator=rng) < kept, patterns, fresh)


def overlap(activity: Tensor) -> float:
    """Mean cosine of the pairs within each family, of activities ``[count, FAMILY, U]``."""
    unit = torch.nn.functional.normalize(activity, dim=-1)
    size = activity.shape[1]
    return float(((unit @ unit.mT).sum((1, 2)) - size).mean() / (size * (size - 1)))


def told(activity: Tensor, again: Tensor, rng: torch.Generator) -> float:
    """Part of P patterns whose sign is said when they are shown again, over random signs; activities ``[P, U]``."""
    sign = torch.randint(0, 2, (DRAWS, len(activity)), generator=rng).float() * 2 - 1
    mean = activity.mean(0)
    said = sign @ (activity - mean) @ (again - mean).T
    return float((said.sign() == sign).float().mean())


def runaways(active: Tensor, gains: Sequence[float], winners: int) -> Tensor:
    """Part of the trials that run away at every gain, of stored patterns 0 or 1 ``[P, U]``, each of them a trial."""
    links = active.T @ active / winners
    links.fill_diagonal_(0.0)
    gain = torch.tensor(gains)[:, None, None]
    now = active.expand(len(gains), -1, -1)
    for _ in range(ROUNDS):
        now = (gain * (now @ links) > THRESHOLD).float()
    return (now.mean(-1) >= 2 * winners / active.shape[1]).float().mean(-1)


def critical_gain(gains: Sequence[float], parts: Tensor) -> float:
    """Gain at which half of the trials run away, interpolated; the largest if none does, the smallest if all do."""
    above = (parts >= 0.5).nonzero()
    if not len(above):
        return gains[-1]
    first = int(above[0])
    if first == 0:
        return gains[0]
    low, high = float(parts[first - 1]), float(parts[first])
    return float(gains[first - 1] * (gains[first] / gains[first - 1]) ** ((0.5 - low) / (high - low)))


def memory(*, seed: int, parts: Sequence[float], say: Say) -> pd.DataFrame:
    """Overlap, what is told apart, and the critical gain, by the part of the units that wins."""
    rng = generator("memory", seed)
    wires = connect(Wiring(width=UNITS, in_degree=DEGREE), Sheet(1, INPUTS), rng=rng)
    stored = families(max(TOLD) // FAMILY, rng)
    again = altered(stored, SHOWN, rng)
    rows: list[dict[str, Any]] = []

    def add(part: float, name: str, value: float, count: int = 0) -> None:
        rows.append({"seed": seed, "part": part, "measure": name, "patterns": count, "value": value})

    for step, part in enumerate(parts):
        say(step, len(parts), f"memory: {part:g} of the units win")
        winners = Wiring(width=UNITS, active=part).winners
        activity, recalled = (compete(each @ wires.T, winners) for each in (stored, again))
        add(part, "overlap", overlap(activity))
        for count in TOLD:
            first, again_first = (each.flatten(0, 1)[:count] for each in (activity, recalled))
            add(part, "told apart", told(first, again_first, rng), count)
        if part <= 0.4:  # of more, no more than all can become active
            active = (activity.flatten(0, 1)[:STORED] > 0).float()
            add(part, "critical gain", critical_gain(GAINS, runaways(active, GAINS, winners)))
    add(1.0, "overlap of inputs", overlap(stored))
    return pd.DataFrame(rows)
