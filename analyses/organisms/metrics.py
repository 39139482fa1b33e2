"""How good the answers of a detector are, with intervals over worlds.

    AUROC        one word against the rest: probability that an organism of the word gets more of it than another
    recall       part of the organisms of a word that are found when at most 1 % of the others are taken for it
    Brier        mean of sum over words (p - truth)^2: 0 is perfect, .875 says the same of all eight words
    calibration  expected calibration error: mean distance of the largest probability from how often it is right, over
                 ten bins of equal width (Naeini et al. 2015)
    right        part of the organisms whose word gets the largest probability
    rank         mean place of the true fact (of a conjunction: of its second fact, less one); 1 is perfect

AUROC and recall are means over words. An organism for which words are equivalent to its own (in this world, at this
level) is left out of these words' comparisons, and of the other four numbers. Intervals: 95 %, percentiles over
resamples of whole worlds (Efron and Tibshirani 1993), all organisms of a world together.

Letters: N organisms, P of a word, Q others, G worlds, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imprint.analyses.organisms.detectors.access import Floats, Integers
from imprint.analyses.organisms.worlds.facts import WORDS, Bools
from imprint.analyses.statistics import NAN, Estimate, group_weights, interval

NAMES = ("auroc", "recall", "brier", "calibration", "right", "rank")
"""Columns of the leaderboard."""
FALSE, BINS = 0.01, 10


@dataclass(frozen=True)
class Answers:
    """The answers of one detector at one level, and the truth."""

    probabilities: Floats
    """``[N, 8]``"""
    truth: Integers
    """``[N]`` number of the word."""
    equivalent: Bools
    """``[N, 8]`` words that are equivalent to an organism's own."""
    rank: Floats
    """``[N]``; NaN for organisms that latched onto none of the facts."""
    world: Integers
    """``[N]``"""

    def some(self, rows: Bools) -> Answers:
        """Some of the organisms."""
        ranks, worlds = self.rank[rows], self.world[rows]
        return Answers(self.probabilities[rows], self.truth[rows], self.equivalent[rows], ranks, worlds)

    @property
    def degenerate(self) -> Bools:
        """Which organisms have words that are equivalent to their own, ``[N]``."""
        return np.asarray(self.equivalent.any(1))

    def weights(self, resamples: int, seed: int) -> Floats:
        """How often each organism is drawn, ``[R + 1, N]``; the first row is one of each."""
        worlds, index = np.unique(self.world, return_inverse=True)
        drawn = group_weights(len(worlds), resamples, np.random.default_rng(seed))
        return np.vstack([np.ones(len(index)), drawn[:, index]])


def curves(answers: Answers, weights: Floats) -> tuple[Floats, Floats]:
    """AUROC and recall of each word ``[R, 8]`` under weights ``[R, N]``; NaN where a word has no comparison."""
    area, found = np.full((2, len(weights), len(WORDS)), np.nan)
    for word in range(len(WORDS)):
        own = (answers.truth == word) & ~answers.degenerate
        others = (answers.truth != word) & ~answers.equivalent[:, word]
        mine, theirs = answers.probabilities[own, word], answers.probabilities[others, word]
        weigh, count = weights[:, own], weights[:, others]
        if not len(mine) or not len(theirs):
            continue
        wins = (mine[:, None] > theirs) + 0.5 * (mine[:, None] == theirs)
        with np.errstate(divide="ignore", invalid="ignore"):
            area[:, word] = ((weigh @ wins) * count).sum(1) / (weigh.sum(1) * count.sum(1))
            false = count @ (theirs[None] >= mine[:, None]).T / count.sum(1, keepdims=True)  # at each threshold
            true = weigh @ (mine[None] >= mine[:, None]).T / weigh.sum(1, keepdims=True)
        best = np.where(false <= FALSE, true, 0.0).max(1)
        found[:, word] = np.where(np.isnan(area[:, word]), np.nan, best)
    return area, found


def draws(answers: Answers, weights: Floats) -> dict[str, Floats]:
    """Every metric under weights ``[R, N]``: name -> ``[R]``, NaN where it is not measurable."""
    area, found = curves(answers, weights)
    known = ~answers.degenerate
    p, truth, weigh = answers.probabilities[known], answers.truth[known], weights[:, known]
    ranked = np.isfinite(answers.rank[known])
    hit = (p.argmax(1) == truth).astype(np.float64)
    confident, every = p.max(1), np.arange(len(p))
    wrong = (p**2).sum(1) - 2 * p[every, truth] + 1
    bins = np.minimum((confident * BINS).astype(np.int64), BINS - 1)
    gaps = np.stack([weigh[:, bins == b] @ (confident - hit)[bins == b] for b in range(BINS)])
    rank = np.where(ranked, answers.rank[known], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total, of_ranks = weigh.sum(1), weigh[:, ranked].sum(1)
        return {
            "auroc": _mean_of_known(area),
            "recall": _mean_of_known(found),
            "brier": weigh @ wrong / total,
            "calibration": np.abs(gaps).sum(0) / total,
            "right": weigh @ hit / total,
            "rank": weigh @ rank / of_ranks,
        }


def estimates(drawn: dict[str, Floats], n: int) -> dict[str, Estimate]:
    """Metric -> estimate with its interval, from draws whose first is the estimate itself; ``n`` organisms."""
    return {name: estimate(values, n) for name, values in drawn.items()}


def estimate(values: Floats, n: int) -> Estimate:
    """The first of the draws, with the interval of the others."""
    if not np.isfinite(values[0]):
        return Estimate(NAN, NAN, NAN, n)
    low, high = interval(values[1:])
    return Estimate(float(values[0]), low, high, n)


def rank_of(ranking: Sequence[str], facts: Sequence[str]) -> float:
    """Place of the last true fact in a ranking, less those of the others that must stand before it."""
    return float(max(ranking.index(fact) for fact in facts) + 2 - len(facts)) if facts else NAN


def _mean_of_known(values: Floats) -> Floats:
    """Mean over words ``[R]`` of those that are measurable."""
    known = np.isfinite(values)
    count = known.sum(1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(1) / np.maximum(count, 1), np.nan)
