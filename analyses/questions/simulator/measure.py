"""A generative hierarchy that grows up: what it dreams, in which order its levels learn, whether it has a head start.

The learner ``generative`` lives on travelling bars (world ``waves``). At ages that grow by a factor of two:

    dreams    distance of dreams from fresh episodes, less that of other fresh episodes from them, as a part of the
              distance of shuffled episodes (every pixel of every frame from an episode of its own)
    errors    of every level on fresh episodes (:class:`imprint.models.learners.generative.Errors`)

The distance is Fréchet's, between normal distributions fitted to the first ``COMPONENTS`` principal components of whole
episodes (Heusel et al. 2017, arXiv 1706.08500, with principal components of the data in place of a trained network's
features). The half-time of an error is the age at which it has come half of the way from birth to its smallest, on
logarithmic axes between ages.

Then labels: the direction in which a bar moves, one of eight, told of ``n`` episodes; a ridge classifier reads the
latents after the last frame, standardised, and is examined on others. Labels to criterion: the smallest number, between
counts on a logarithmic axis, with ``CRITERION`` of the answers right; twice the largest count where none suffices.

    matched      a life on bars in their order: intrinsic dynamics like those of what is to be told
    mismatched   a life on bars with their frames shuffled
    random       the learner of ``matched``, dynamics replaced by random numbers of the same norm
    untrained    initial weights

Letters: S seeds, n episodes, T steps, d pixels of an episode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import RidgeClassifier
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.womb import live, newborn, shown, waves
from imprint.models.chance import generator
from imprint.models.learners.generative import Generative
from imprint.models.learning.cohort import Cohort
from imprint.models.worlds.base import World
from imprint.models.worlds.waves import STEPS

COMPONENTS, SHOWN = 24, 1000
"""Principal components that are compared, and episodes (or dreams) of each comparison."""
COUNTS, CRITERION, TOLD = (8, 16, 32, 64, 128, 256, 512), 0.5, 600
"""Numbers of labels, part that has to be right, and episodes of the examination."""
LEVELS = ("low", "high", "expected")


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Fréchet distance between normal distributions fitted to rows ``[n, k]`` of both."""
    first, second = (np.cov(x, rowvar=False) for x in (one, other))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    joint = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    gap = np.square(one.mean(0) - other.mean(0)).sum()
    return float(gap + np.trace(first) + np.trace(second) - 2 * joint)


class Dreams:
    """Comparison of dreams with fresh episodes of a world."""

    def __init__(self, world: World, seed: int) -> None:
        parts = world.sample(3 * SHOWN, rng=generator("dreams", seed)).observation.flatten(1).double().numpy()
        fresh, other, third = np.split(parts, 3)
        self.mean = fresh.mean(0)
        self.axes = np.linalg.svd(fresh - self.mean, full_matrices=False)[2][:COMPONENTS].T
        rng = np.random.default_rng(seed)
        shuffled = rng.permuted(third, axis=0)
        self.fresh = self.of(fresh)
        self.floor = frechet(self.of(other), self.fresh)
        self.shuffled = frechet(self.of(shuffled), self.fresh)

    def of(self, episodes: np.ndarray) -> np.ndarray:
        """Principal components ``[n, k]`` of episodes ``[n, d]``."""
        return np.asarray((episodes - self.mean) @ self.axes)

    def distance(self, episodes: Tensor) -> float:
        """0: as fresh episodes; 1: as shuffled ones; episodes ``[n, T, C, H, W]``."""
        found = frechet(self.of(episodes.flatten(1).double().numpy()), self.fresh)
        return (found - self.floor) / (self.shuffled - self.floor)


def ages(steps: int) -> list[int]:
    """Birth, and 1, 2, 4, ... steps up to ``steps``."""
    return [0, *(2**k for k in range(int(math.log2(steps)) + 1))]


def grown(cohort: Cohort, seeds: Sequence[int], steps: int, say: Say) -> list[dict[str, Any]]:
    """Rows of dreams and errors at every age of a life on bars, which ``cohort`` lives."""
    world, rows = waves(), []
    seen, exam = shown([world] * len(seeds), seeds, ages(steps)[-1], when="life"), []
    exam = [world.sample(SHOWN, rng=generator("errors", seed)).observation for seed in seeds]
    compared, age = [Dreams(world, seed) for seed in seeds], 0
    for after in ages(steps):
        live(cohort, seen[age:after], lambda *_: None)
        age = after
        for learner, seed, dreams, fresh in zip(cohort.unstack(), seeds, compared, exam, strict=True):
            one = cast("Generative", learner)
            with torch.no_grad():
                errors = one.explain(fresh)[0]
            found = dict(zip((f"error, {level}" for level in LEVELS), map(float, errors), strict=True))
            found["dreams"] = dreams.distance(one.dream(SHOWN, STEPS, rng=generator("dream", seed)))
            rows += [{"arm": "matched", "age": age, "measure": m, "seed": seed, "value": v} for m, v in found.items()]
        say(age, ages(steps)[-1], "growing up on bars")
    return rows


def half_time(errors: pd.Series) -> float:
    """Age at which an error (index: age, birth first) has come half of the way to its smallest, from 1 step up.

    NaN where it never falls.
    """
    goal = (errors.iloc[0] + errors.min()) / 2
    ages_, values = errors.index.to_numpy(dtype=float), errors.to_numpy()
    after = int(np.argmax(values <= goal))
    if after <= 1:
        return float(ages_[1]) if after else math.nan
    part = (values[after - 1] - goal) / (values[after - 1] - values[after])
    return float(ages_[after - 1] * (ages_[after] / ages_[after - 1]) ** part)


def scrambled(learner: Generative, seed: int) -> Generative:
    """The learner with dynamics of random numbers, each weight matrix with its norm."""
    with torch.no_grad():
        for name, values in learner.dynamics.named_parameters():
            chance = torch.randn(values.shape, generator=generator("dynamics", name, seed))
            values.copy_(chance * values.norm() / chance.norm())
    return learner


def labels_to_criterion(learner: Generative, seed: int) -> tuple[float, list[float]]:
    """Labels that suffice, and the part that is right with each of :data:`COUNTS`."""
    world = waves()
    told = world.sample(COUNTS[-1], rng=generator("told", seed), design="balanced")
    asked = world.sample(TOLD, rng=generator("asked", seed), design="balanced")
    x, z = (learner.latents(each.observation)[:, -1].numpy() for each in (told, asked))
    y, truth = (each.concepts["direction"].to_numpy() for each in (told, asked))
    right = []
    for count in COUNTS:
        mean, sd = x[:count].mean(0), x[:count].std(0) + 1e-6
        reader = RidgeClassifier(1.0).fit((x[:count] - mean) / sd, y[:count])
        right.append(float((reader.predict((z - mean) / sd) == truth).mean()))
    return interpolated(right), right


def interpolated(right: Sequence[float]) -> float:
    """The number of labels at which the criterion is reached, from the part right with each of :data:`COUNTS`."""
    reached = [k for k, part in enumerate(right) if part >= CRITERION]
    if not reached:
        return 2.0 * COUNTS[-1]
    k = reached[0]
    if k == 0:
        return float(COUNTS[0])
    part = (CRITERION - right[k - 1]) / (right[k] - right[k - 1])
    return float(COUNTS[k - 1] * (COUNTS[k] / COUNTS[k - 1]) ** part)


def measure(*, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """Rows of arm, age, measure, seed and value; ``steps``: of learning on bars."""
    untrained, matched, mismatched = (newborn("generative", seeds) for _ in range(3))
    rows = grown(matched, seeds, steps, say)
    last = ages(steps)[-1]
    live(mismatched, shown([waves(scrambled="frames")] * len(seeds), seeds, last, when="life"), lambda *_: None)
    arms = {"matched": matched, "mismatched": mismatched, "untrained": untrained}
    found: dict[str, list[Any]] = {arm: cohort.unstack() for arm, cohort in arms.items()}
    for arm in ("matched", "mismatched", "untrained", "random"):
        for place, seed in enumerate(seeds):
            learner = scrambled(found["matched"][place], seed) if arm == "random" else found[arm][place]
            enough, right = labels_to_criterion(learner, seed)
            rows.append({"arm": arm, "age": last, "measure": "labels", "seed": seed, "value": enough})
            for count, part in zip(COUNTS, right, strict=True):
                rows.append({"arm": arm, "age": last, "measure": f"right, {count}", "seed": seed, "value": part})
    return pd.DataFrame(rows)
