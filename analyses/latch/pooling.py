"""pooling: profiles of several training seeds as one, with draws whose spread is that of the mean over seeds.

Where all seeds are examined on the same groups, seeds and groups are crossed, and the variance of the mean over S seeds
of a number x_s measured on G groups is

    sigma_seed^2 / S  +  sigma_group^2 / G  +  sigma_both^2 / (S G)
      a = var_s(x_s) / S                        holds the first and the last term; S - 1 degrees of freedom
      b = variance of group resamples of mean   holds the second and the last; G - 1 degrees of freedom
      c = (mean_s variance of group resamples of x_s  -  b) / (S - 1)            the last term, counted twice in a + b

The draws resample seeds and, with one set of groups for all of them, groups. They keep their shape, and are stretched
about the estimate so that their 95 % interval is that of Student's t with the variance a + b - c and Satterthwaite's
degrees of freedom. One seed: b alone.

Where seeds have worlds of their own, worlds are what is drawn: numbers and draws are averaged over the seeds of a
world, worlds share no groups, and a over the W means of worlds is the whole variance, with W - 1 degrees of freedom.

Letters: S seeds, G groups, R resamples, Q numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from imprint.analyses.latch.profile import Profile
from imprint.analyses.latch.shares import Floats
from imprint.analyses.statistics import LARGEST, interval, seed_draws


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
    draws = np.stack(
        [
            profile.draws(resamples, np.random.default_rng(state + number))
            for profile, number in zip(profiles, world, strict=True)
        ]
    )
    groups, several = min(min(profile.groups for profile in profiles), LARGEST), int(world.max()) + 1
    if several > 1:
        each, draws = (np.stack([x[world == w].mean(0) for w in range(several)]) for x in (each, draws))
    chosen = seed_draws(len(each), resamples, rng)
    drawn = draws[chosen, np.arange(resamples)[:, None]].mean(1)
    estimate = each.mean(0)
    factor = _stretch(each, draws, drawn, groups, several == 1)
    rows = sum(profile.cells.rows for profile in profiles)
    draws = estimate + factor * (drawn - estimate)
    return Pooled(profiles[0].concepts, estimate, draws, len(profiles), rows, several)


def _stretch(each: Floats, draws: Floats, drawn: Floats, groups: int, shared: bool) -> Floats:
    """``[Q]`` what the draws' distance from the estimate is multiplied by."""
    seeds = len(each)
    if groups < 2:
        return np.full(each.shape[1], np.nan)
    of_groups = _variance(draws.mean(0)) * groups / (groups - 1)
    if seeds == 1:
        freedom: Floats = np.full(each.shape[1], groups - 1.0)
        variance = of_groups
    else:
        of_seeds = each.var(0, ddof=1) / seeds
        if not shared:
            variance, freedom = of_seeds, np.full(each.shape[1], seeds - 1.0)
        else:
            within = np.mean([_variance(one) for one in draws], axis=0) * groups / (groups - 1)
            twice = np.maximum(within - of_groups, 0.0) / (seeds - 1)
            variance = np.maximum(of_seeds + of_groups - twice, np.maximum(of_seeds, of_groups))
            with np.errstate(divide="ignore", invalid="ignore"):
                weight = np.square(of_seeds) / (seeds - 1) + np.square(of_groups) / (groups - 1)
                freedom = np.where(weight > 0, np.square(of_seeds + of_groups) / weight, seeds - 1.0)
    now = _variance(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = np.where(now > 0, np.sqrt(variance / now), 1.0)
    return np.asarray(wider * stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


def _variance(draws: Floats) -> Floats:
    """Variance over draws ``[R, Q]`` that are finite."""
    finite = np.isfinite(draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = finite.sum(0)
        mean = np.where(finite, draws, 0.0).sum(0) / count
        return np.asarray(np.square(np.where(finite, draws - mean, 0.0)).sum(0) / count)
