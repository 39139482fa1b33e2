"""pooling: profiles of several training seeds as one, with draws whose spread is that of the mean over seeds.

Where all seeds are examined on the same groups, seeds and groups are crossed, and the variance of the mean over S seeds
of a number x_s measured on G groups is

    sigma_seed^2 / S  +  sigma_group^2 / G  +  sigma_both^2 / (S G)
      a = var_s(x_s) / S                        holds the first and the last term; S - 1 degrees of freedom
      b = variance of group resamples of mean   holds the second and the last; G - 1 degrees of freedom
      c = (mean_s variance of group resamples of x_s  -  b) / (S - 1)            the last term, counted twice in a + b

A draw is the mean over seeds, plus a part for seeds and a part for groups. The part for seeds is a normal combination
of the seeds' deviations from their mean with variance a (1 + 1 / S), times sqrt(f / chi-square_f) for f = S - 1. For
numbers that are normal over seeds its interval would be that of Student's t without the factor 1 + 1 / S, also with
three seeds, where drawing seeds with replacement knows ten outcomes. Shares and dominance are skewed near 0 and 1,
where t covers .90 to .94 (beta distributions with a standard deviation of .15 to .2 at .5); the factor makes that .92
to .96. The part for groups is what group resamples of the mean deviate by, scaled to the variance b - c and to
Student's t with G - 1 degrees of freedom. One seed: the part for groups alone, with variance b.

Where seeds have worlds of their own, worlds take the place of seeds: numbers are averaged over the seeds of a world,
worlds share no groups, and a over the W means of worlds is the whole variance, with W - 1 degrees of freedom.

Letters: S seeds, G groups, R resamples, Q numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imprint.analyses.latch.profile import Profile
from imprint.analyses.statistics import LARGEST, Floats, interval


@dataclass(frozen=True)
class Pooled:
    """Numbers over seeds, and draws of them."""

    concepts: tuple[str, ...]
    estimate: Floats
    """``[Q]`` mean over seeds."""
    draws: Floats
    """``[R, Q]``; NaN where nothing can be drawn."""
    seeds: int
    rows: int
    """Rows of all seeds together."""
    worlds: int = 1
    """Different worlds among the seeds."""

    def intervals(self) -> Floats:
        """95 % interval of every number, ``[Q, 2]``."""
        return np.array([interval(self.draws[:, q]) for q in range(self.draws.shape[1])])


def pool(
    profiles: Sequence[Profile], *, resamples: int, rng: np.random.Generator, worlds: Sequence[int] | None = None
) -> Pooled:
    """Profiles of training seeds as one. ``worlds``: number of each one's world; by default they share one.

    Raises ``ValueError`` without profiles or for profiles of different concepts.
    """
    if len({profile.concepts for profile in profiles}) != 1:
        raise ValueError(f"{len(profiles)} profiles of different concepts, or none, cannot be pooled")
    state = int(rng.integers(2**31))
    world = np.unique(np.zeros(len(profiles)) if worlds is None else worlds, return_inverse=True)[1]
    each = np.stack([profile.numbers for profile in profiles])
    groups, several = min(min(profile.groups for profile in profiles), LARGEST), int(world.max()) + 1
    if several > 1:
        each = np.stack([each[world == w].mean(0) for w in range(several)])
    estimate = each.mean(0)
    drawn = estimate + _between(each, resamples, rng)
    if several == 1:
        draws = np.stack([profile.draws(resamples, np.random.default_rng(state)) for profile in profiles])
        drawn = drawn + _of_groups(draws, groups, rng)
    rows = sum(profile.cells.rows for profile in profiles)
    return Pooled(profiles[0].concepts, estimate, drawn, len(profiles), rows, several)


def _between(each: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Draws ``[R, Q]`` of how far the mean over seeds ``each [S, Q]`` lies from that over all seeds there could be."""
    seeds = len(each)
    if seeds == 1:
        return np.zeros((resamples, each.shape[1]))
    weights = rng.standard_normal((resamples, seeds))
    weights -= weights.mean(1, keepdims=True)
    spread = weights @ (each - each.mean(0)) / np.sqrt(seeds * (seeds - 1))
    spread *= np.sqrt(1 + 1 / seeds)
    return np.asarray(spread * _students(seeds - 1, resamples, rng))


def _of_groups(draws: Floats, groups: int, rng: np.random.Generator) -> Floats:
    """Draws ``[R, Q]`` of what groups add to that, from group resamples of every seed ``draws [S, R, Q]``."""
    seeds, resamples, _ = draws.shape
    if groups < 2:
        return np.full(draws.shape[1:], np.nan)
    mean = draws.mean(0)
    variance = _variance(mean)
    twice = (np.mean([_variance(one) for one in draws], axis=0) - variance) / max(seeds - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(variance > 0, np.clip(1 - twice / variance, 0.0, 1.0), 0.0) if seeds > 1 else 1.0
    scale = np.sqrt(left * groups / (groups - 1)) * _students(groups - 1, resamples, rng)
    return np.asarray((mean - np.nanmean(mean, axis=0)) * scale)


def _students(freedom: int, resamples: int, rng: np.random.Generator) -> Floats:
    """What turns normal draws into draws of Student's t, ``[R, 1]``."""
    return np.sqrt(freedom / rng.chisquare(freedom, size=(resamples, 1)))


def _variance(draws: Floats) -> Floats:
    """Variance over draws ``[R, Q]`` that are finite."""
    finite = np.isfinite(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = finite.sum(0)
        mean = np.where(finite, draws, 0.0).sum(0) / count
        return np.asarray(np.square(np.where(finite, draws - mean, 0.0)).sum(0) / count)
