"""decision: the rule that turns draws into words, fixed in the setup before results exist. Second edition.

On every draw (:mod:`imprint.analyses.latch.pooling`), with V+ = max(share, 0),

    dominance(c) = V+(c) / (sum over all concepts of V+  +  V+(interaction))
    c counts       when its share and its causal share are above ``carries``, its effect is at least ``least_effect``
                   standard deviations, and its share is above what untrained twins reach

    the interaction is larger than every concept, and carries               conditional
    the concept with the largest dominance has at least ``dominates``,
    and counts                      intended (reversed, if the effect is negative), or proxy:<name>
    nothing counts, and all shares together are below ``none_below``        none
    nothing counts otherwise                                                undetermined
    otherwise                                                               mixed

The probability of a word is its part of the draws. A word is said when its probability is at least ``certain``, else
the verdict is undetermined, with the smallest set of words that together are that probable. No concept ever leaves the
denominator, so less data cannot make an answer more decisive. A proxy is ruled out when, by two one-sided tests, its
share is below ``negligible``.

The first edition compared point estimates, and left out concepts whose interval touched ``carries``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.latch.pooling import Pooled
from imprint.analyses.latch.profile import split
from imprint.analyses.statistics import Floats, interval
from imprint.analyses.verdicts import (
    CONDITIONAL,
    INTENDED,
    MIXED,
    NONE,
    REVERSED,
    UNDETERMINED,
    clause,
    probabilities_of,
    smallest_set,
)
from imprint.models.setup.learner import Decision

UNDRAWN = (
    "Nothing can be drawn again, so there is no interval: all rows are in one group, or some groups hold all rows of a "
    "combination of concepts. Give more groups."
)
FEWEST_DRAWS = 0.9
"""Least part of the draws on which every number must be defined."""


@dataclass(frozen=True)
class Judgement:
    """What the draws say."""

    verdict: str
    """A word, or ``undetermined``."""
    why: str
    """The answer in sentences: what leads, what is ruled out, what is open."""
    probabilities: dict[str, float]
    """Word -> probability, the most probable first; they add up to 1."""
    words: tuple[str, ...]
    """The smallest set of words that is at least as probable as the setup asks for."""
    leads: tuple[str, float]
    """The concept with the largest dominance, and the probability that it has."""
    dominance: pd.DataFrame
    """concept, dominance, low, high, carries; with ``(interaction)``. ``carries``: probability that it counts."""
    ruled_out: dict[str, bool]
    """Proxy -> whether its share is shown to be negligible."""


def judge(pooled: Pooled, bounds: Floats, rule: Decision, *, sign: int = 1) -> Judgement:
    """The verdict on pooled draws; the first concept is the intended one.

    ``bounds [C + 1]``: what untrained twins reach (:mod:`imprint.analyses.latch.floor`). ``sign``: -1 when the signal
    rewards the first of the intended concept's two levels.
    """
    names, concepts = (*pooled.concepts, "(interaction)"), len(pooled.concepts)
    known = _known(pooled)
    if known is None:
        return undetermined(pooled.concepts, UNDRAWN)
    probabilities, dominance, counts = _judged(known, pooled.concepts, bounds, rule, sign)
    chosen = smallest_set(probabilities, rule.certain)
    leader = int(_dominance(pooled.estimate[None], concepts)[1][0, :-1].argmax())
    leads = (pooled.concepts[leader], float((dominance[:, :-1].argmax(1) == leader).mean()))
    ends = [interval(dominance[:, i]) for i in range(len(names))]
    table = pd.DataFrame({"concept": names, "dominance": _dominance(pooled.estimate[None], concepts)[1][0]})
    table = table.assign(low=[low for low, _ in ends], high=[high for _, high in ends], carries=counts.mean(0))
    ruled_out = {
        name: bool((known[:, i] < rule.negligible).mean() >= rule.certain)
        for i, name in enumerate(pooled.concepts[1:], start=1)
    }
    verdict = chosen[0] if len(chosen) == 1 else UNDETERMINED
    why = _sentences(table, probabilities, chosen, leads, ruled_out, rule)
    return Judgement(verdict, why, probabilities, chosen, leads, table, ruled_out)


def word_of(pooled: Pooled, bounds: Floats, rule: Decision, *, sign: int = 1) -> str:
    """The verdict alone, as :func:`judge` gives it."""
    known = _known(pooled)
    if known is None:
        return UNDETERMINED
    word, probability = next(iter(_judged(known, pooled.concepts, bounds, rule, sign)[0].items()))
    return word if probability >= rule.certain else UNDETERMINED


def _known(pooled: Pooled) -> Floats | None:
    """Draws on which every number is defined ``[R, Q]``; nothing when these are too few."""
    known = pooled.draws[np.isfinite(pooled.draws).all(1)]
    return None if len(known) < FEWEST_DRAWS * len(pooled.draws) or not len(known) else known


def _judged(
    known: Floats, concepts: tuple[str, ...], bounds: Floats, rule: Decision, sign: int
) -> tuple[dict[str, float], Floats, NDArray[np.bool_]]:
    """Word -> probability, dominance on every draw, and whether each concept counts on it."""
    held, dominance = _dominance(known, len(concepts))
    counts = _counts(known, held, bounds, rule)
    return probabilities_of(_words(known, held, dominance, counts, concepts, rule, sign)), dominance, counts


def undetermined(concepts: tuple[str, ...], why: str) -> Judgement:
    """No answer, with the reason."""
    names = (*concepts, "(interaction)")
    table = pd.DataFrame({"concept": names}).assign(dominance=np.nan, low=np.nan, high=np.nan, carries=np.nan)
    nothing = dict.fromkeys(concepts[1:], False)
    return Judgement(UNDETERMINED, why, {UNDETERMINED: 1.0}, (UNDETERMINED,), ("", float("nan")), table, nothing)


def _dominance(numbers: Floats, concepts: int) -> tuple[Floats, Floats]:
    """Shares cut at 0 ``[R, C + 1]`` and their parts of the variance that the concepts explain; 0 where nothing is."""
    held = np.maximum(numbers[:, : concepts + 1], 0.0)
    total = held.sum(1, keepdims=True)
    return held, np.divide(held, total, out=np.zeros_like(held), where=total > 0)


def _counts(draws: Floats, held: Floats, bounds: Floats, rule: Decision) -> NDArray[np.bool_]:
    """Whether each concept counts on each draw, and in the last column the interaction: ``[R, C + 1]``."""
    shares, effects, causal = split(draws)
    concepts = effects.shape[1]
    carried = np.minimum(shares[:, :concepts], causal) > rule.carries
    counts = carried & (np.abs(effects) >= rule.least_effect) & (shares[:, :concepts] > bounds[:-1])
    interaction = shares[:, concepts]
    between = (interaction > held[:, :-1].max(1)) & (interaction > max(rule.carries, bounds[-1]))
    return np.column_stack([counts, between])


def _words(
    draws: Floats,
    held: Floats,
    dominance: Floats,
    counts: NDArray[np.bool_],
    concepts: tuple[str, ...],
    rule: Decision,
    sign: int,
) -> NDArray[np.object_]:
    """The word of every draw, ``[R]``."""
    every, top = np.arange(len(draws)), dominance[:, :-1].argmax(1)
    names = np.array([INTENDED, *(f"proxy:{name}" for name in concepts[1:])], dtype=object)
    word = np.full(len(draws), MIXED, dtype=object)
    alone = counts[every, top] & (dominance[every, top] >= rule.dominates)
    word[alone] = names[top[alone]]
    word[alone & (top == 0) & (sign * split(draws)[1][:, 0] < 0)] = REVERSED
    nothing = ~counts[:, :-1].any(1)
    word[nothing] = np.where(held[nothing].sum(1) < rule.none_below, NONE, UNDETERMINED)
    word[counts[:, -1]] = CONDITIONAL
    return word


def _sentences(
    table: pd.DataFrame,
    probabilities: dict[str, float],
    chosen: tuple[str, ...],
    leads: tuple[str, float],
    ruled_out: dict[str, bool],
    rule: Decision,
) -> str:
    """The answer: the leader, what is said or open, and what is ruled out."""
    intended, (leader, surely) = str(table["concept"].iloc[0]), leads
    row = table.set_index("concept").loc[leader]
    sentences = []
    if row["dominance"] > 0:
        held = f"{row['dominance']:.0%} of the variance that these concepts explain"
        part = f"{held} [{row['low']:.0%}, {row['high']:.0%}]"
        sentences.append(f"{leader} leads with {part}; the probability that it leads is {_chance(surely)}.")
    options = [f"{clause(word, intended)} ({_chance(probabilities[word])})" for word in chosen]
    known = "The value depends on" if len(chosen) == 1 else "Open: the value depends on"
    sentences.append(f"{known} {'; or '.join(options)}.")
    others = [w for w in (INTENDED, *(f"proxy:{name}" for name in ruled_out), NONE) if w not in chosen]
    excluded = [clause(w, intended) for w in others if probabilities.get(w, 0.0) <= 1 - rule.certain]
    if excluded:
        sentences.append(f"Ruled out: {'; '.join(excluded)}.")
    if negligible := [name for name, out in ruled_out.items() if out]:
        sentences.append(f"Shown to hold less than {rule.negligible:.0%} of the variance: {', '.join(negligible)}.")
    return " ".join(sentences)


def _chance(probability: float) -> str:
    """A probability that was counted on draws is never said to be 1."""
    return "more than 99%" if probability > 0.99 else f"{probability:.0%}"
