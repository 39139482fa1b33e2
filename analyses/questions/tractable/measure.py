"""Examples to a criterion, and whether they grow as a power or as an exponential of the size of the task.

Each learner begins anew on each task, sees every strip once, in batches of :data:`BATCH`, and takes one step of Adam
(Kingma & Ba 2015) on each batch. Whenever it has seen a fifth more it is tried on :data:`TRIALS` other strips. Examples
to criterion are those at which the part named right first crosses :data:`RIGHT`, between two trials on a straight line
over the logarithm of examples. Examples are steps, too: what counts the one counts the other.

    power         log N = a + b log n           b: degree
    exponential   log N = a + b n

are fitted by least squares. Both have two numbers, so that the difference of their Bayesian information criteria
(Schwarz 1978) on the points of all seeds is S m log(error of exponential / error of power): above 0 for the power,
below for the exponential; 2 is called positive evidence (Kass & Raftery 1995, doi:10.1080/01621459.1995.10476572). Its
interval is that of the jackknife (Tukey 1958): a seed's number is S x the logarithm with all, less S - 1 x that without
the seed, times S m.

Letters: S seeds, B strips of a batch, m sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.tractable.families import Tasks
from imprint.analyses.questions.tractable.learners import LEARNERS
from imprint.models.chance import generator
from imprint.models.learning.stacked import Stacked

BATCH, RATE, RIGHT, TRIALS, MORE, AHEAD = 8, 0.002, 0.9, 500, 1.2, 32
"""Strips of a step, rate of Adam, criterion, strips of a trial, growth from trial to trial, batches drawn at once."""


def measure(
    *, learner: str, family: str, n: int, seeds: Sequence[int], budget: int, coins: bool, say: Say
) -> pd.DataFrame:
    """Rows of learner, family, n, coins, seed, examples (NaN: not within ``budget``) and last (part named right).

    With ``coins`` answers that are taught are drawn by coin; those of the trials are right.
    """
    drawn, trials = Tasks(family, n, seeds), Tasks(family, n, seeds)
    trials.rngs = [generator("trials", family, n, seed) for seed in seeds]
    born = [LEARNERS[learner].born(n, rng=generator("birth", learner, family, n, seed)) for seed in seeds]
    stack, test, flips = Stacked(born, lr=RATE), trials.draw(TRIALS), generator("coins", family, n, *seeds)
    first = torch.full((len(seeds),), math.nan)
    seen, due, before = 0, BATCH, (1.0, torch.full((len(seeds),), 0.5))
    while seen < budget and bool(first.isnan().any()):
        strips, answers = drawn.draw(AHEAD * BATCH)
        answers = torch.randint(2, answers.shape, generator=flips).bool() if coins else answers
        for batch, right in zip(strips.split(BATCH, 1), answers.split(BATCH, 1), strict=True):
            loss = F.binary_cross_entropy_with_logits(stack.call(batch), right.float(), reduction="none").mean(1)
            stack.step(loss)
            seen += BATCH
            if seen >= due:
                named = right_of(stack, *test)
                first = torch.where(first.isnan(), crossed(before, (float(seen), named)), first)
                before, due = (float(seen), named), max(seen + BATCH, int(seen * MORE))
        say(min(seen, budget), budget, f"{learner}, {family} of {n}")
    same = {"learner": learner, "family": family, "n": n, "coins": coins}
    return pd.DataFrame({**same, "seed": list(seeds), "examples": first.tolist(), "last": before[1].tolist()})


@torch.no_grad()
def right_of(stack: Stacked, strips: Tensor, answers: Tensor) -> Tensor:
    """Part of the strips that each learner names right, ``[S]``."""
    named: Tensor = ((stack.call(strips) > 0) == answers).float().mean(1)
    return named


def crossed(before: tuple[float, Tensor], now: tuple[float, Tensor]) -> Tensor:
    """Examples ``[S]`` at which the criterion was crossed between two trials, NaN where it was not."""
    (few, low), (many, high) = before, now
    part = ((RIGHT - low) / (high - low)).clamp(0, 1)
    examples = few * (many / few) ** part
    return torch.where(high >= RIGHT, examples, math.nan)


def needs(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of learner, family, cells, seed and value: log2 of examples to criterion; NaN where it was not reached."""
    taught = table[~table["coins"]].assign(value=lambda rows: np.log2(rows["examples"]))
    return taught.rename(columns={"n": "cells"})[["learner", "family", "cells", "seed", "value"]]


def fitted(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Slope, and squared error, of the straight line over ``x`` ``[m]`` through the points of all seeds ``[S, m]``.

    NaN if a point is missing.
    """
    values = np.atleast_2d(np.asarray(y, float))
    at = np.tile(np.asarray(x, float), len(values))
    if not np.isfinite(values).all():
        return math.nan, math.nan
    slope, shift = np.polyfit(at, values.ravel(), 1)
    return float(slope), float(((values.ravel() - slope * at - shift) ** 2).sum())


def shapes(needed: pd.DataFrame) -> pd.DataFrame:
    """Rows of learner, family, seed, degree (of the power), doubling (cells) and evidence (for the power)."""
    rows = []
    for (learner, family), part in needed.groupby(["learner", "family"], sort=False):
        each = part.pivot_table(index="seed", columns="cells", values="value", dropna=False)
        sizes, values = each.columns.to_numpy(float), each.to_numpy()
        evidence = _jackknife(sizes, values)
        for seed, mine, own in zip(each.index, values, evidence, strict=True):
            degree, rate = fitted(np.log2(sizes), mine)[0], fitted(sizes, mine)[0]
            about = {"learner": learner, "family": family, "seed": seed}
            rows.append({**about, "degree": degree, "doubling": 1 / rate, "evidence": own})
    return pd.DataFrame(rows)


def _jackknife(sizes: NDArray[np.float64], values: NDArray[np.float64]) -> list[float]:
    """Evidence for the power by seed, of values ``[S, m]``."""

    def ratio(rows: NDArray[np.float64]) -> float:
        power, exponential = fitted(np.log2(sizes), rows)[1], fitted(sizes, rows)[1]
        return math.log(exponential / power)

    whole, seeds = ratio(values), len(values)
    without = [ratio(np.delete(values, seed, 0)) for seed in range(seeds)]
    return [values.size * (seeds * whole - (seeds - 1) * left) for left in without]
