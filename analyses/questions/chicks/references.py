"""What newborn chicks prefer, and how preferences of learners are compared with theirs.

Ten chicks saw one object with two faces and nothing else, and then had the choice between it and one that was changed
(Wood 2014, Psychological Science 25:1475; means and standard errors are those of the binding experiment in the data
of the Newborn Embodied Turing Test, https://github.com/buildingamind/NewbornEmbodiedTuringTest).

**Level.** How strongly a difference in value shows in an approach is not known of an animal: a learner's preference is
the mean over trials of the logistic function of ``steepness`` times the difference. The steepness is the one at which
the preference over the object that has nothing in common is the animals' (:data:`ANCHOR`, which is then no evidence);
where no steepness reaches that, it is the largest of :data:`STEEPNESS`. The level is judged by the other conditions.

**Intervals.** Seeds are drawn again, with the steepness found anew in each draw. How well the order could be matched at
best is that of the animals with themselves: their means drawn again with their standard errors (:func:`ceiling`).

**What the imprint latched onto.** From differences in value d between the own object and one with two other colours,
with two other shapes, with both, and with its own shapes exchanged between its own colours:

    colour       (d_colours + d_both - d_shapes) / (2 d_both)     Shapley's share; that of shape is the rest
    conjunction  d_exchanged / d_both                             0 where colours and shapes are valued one by one

Letters: S seeds, C conditions, B steepnesses, R draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from imprint.analyses.statistics import Estimate, interval

Floats = NDArray[np.float64]


class Animals(NamedTuple):
    """Share of the time that ten chicks spent with the object that they were reared with."""

    preference: float
    error: float
    """Standard error of the mean."""


ANIMALS = {
    "1 colour": Animals(0.658, 0.037),
    "1 shape": Animals(0.611, 0.027),
    "1 colour and shape": Animals(0.710, 0.036),
    "2 colours": Animals(0.784, 0.044),
    "2 shapes": Animals(0.703, 0.042),
    "2 colours and shapes": Animals(0.807, 0.036),
    "exchanged": Animals(0.673, 0.032),
}
"""What is changed in the other object -> what the animals did."""
CONDITIONS, ANCHOR = tuple(ANIMALS), "2 colours and shapes"
JUDGED = tuple(name for name in CONDITIONS if name != ANCHOR)
STEEPNESS: Floats = 0.25 * 2.0 ** (np.arange(24) / 2)
"""Per unit of the signal that taught the value."""
DRAWS = 1000


class Compared(NamedTuple):
    """How a learner's preferences compare with the animals'; arrays lead with draws of seeds where there are any."""

    steepness: Floats
    """``[...]``."""
    preferences: Floats
    """``[..., C]``."""
    rank: Floats
    """Spearman's correlation with the animals' over all conditions, ``[...]``."""
    distance: Floats
    """Root mean square difference from the animals' over the conditions other than the anchor, ``[...]``."""


def compared(curves: Floats) -> Compared:
    """From mean preferences at every steepness, ``[..., C, B]``."""
    position = reached(curves[..., CONDITIONS.index(ANCHOR), :], ANIMALS[ANCHOR].preference)
    preferences = at(curves, position)
    theirs = np.array([animals.preference for animals in ANIMALS.values()])
    judged = [CONDITIONS.index(name) for name in JUDGED]
    distance = np.sqrt(((preferences - theirs)[..., judged] ** 2).mean(-1))
    steepness = np.exp(np.interp(position, np.arange(len(STEEPNESS)), np.log(STEEPNESS)))
    return Compared(steepness, preferences, spearman(preferences, theirs), distance)


def reached(curve: Floats, level: float) -> Floats:
    """Fractional place ``[...]`` along a curve ``[..., B]`` where it first reaches ``level``; else the last."""
    above = curve >= level
    place = np.where(above.any(-1), above.argmax(-1), curve.shape[-1] - 1)
    before = np.maximum(place - 1, 0)
    low, high = (np.take_along_axis(curve, each[..., None], -1)[..., 0] for each in (before, place))
    within = np.where(high > low, (level - low) / np.where(high > low, high - low, 1.0), 1.0)
    return np.asarray(before + np.clip(within, 0.0, 1.0) * (place > before))


def at(curves: Floats, position: Floats) -> Floats:
    """Curves ``[..., C, B]`` at a fractional place ``[...]``: ``[..., C]``."""
    before = np.minimum(np.floor(position).astype(np.int64), curves.shape[-1] - 2)
    part = (position - before)[..., None]
    index = np.broadcast_to(before[..., None, None], (*curves.shape[:-1], 1))
    low, high = (np.take_along_axis(curves, index + k, -1)[..., 0] for k in (0, 1))
    return np.asarray(low + part * (high - low))


def spearman(one: Floats, other: Floats) -> Floats:
    """Rank correlation ``[...]`` of ``[..., C]`` with ``[C]`` or ``[..., C]``; 0 where one side does not vary."""
    a, b = (rankdata(values, axis=-1) for values in (one, other))
    a, b = (values - values.mean(-1, keepdims=True) for values in (a, b))
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.asarray(np.where(size > 0, (a * b).sum(-1) / np.where(size > 0, size, 1.0), 0.0))


def over_draws(curves: Floats, rng: np.random.Generator) -> Compared:
    """Comparison in :data:`DRAWS` draws of the seeds of ``curves`` ``[S, C, B]``."""
    seeds = len(curves)
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds
    return compared(np.einsum("rs,scb->rcb", weights, curves))


def estimate(value: Floats | float, draws: Floats, seeds: int) -> Estimate:
    """A number with the percentile interval of its draws."""
    return Estimate(float(value), *interval(draws), seeds)


def ceiling(rng: np.random.Generator) -> tuple[Estimate, float]:
    """Rank correlation of the animals with themselves, were they measured again, and their root mean square error."""
    theirs = np.array([each.preference for each in ANIMALS.values()])
    errors = np.array([each.error for each in ANIMALS.values()])
    ranks = spearman(theirs + errors * rng.standard_normal((DRAWS, len(theirs))), theirs)
    judged = [CONDITIONS.index(name) for name in JUDGED]
    return estimate(ranks.mean(), ranks, 10), float(np.sqrt((errors[judged] ** 2).mean()))


def latched(differences: Floats) -> tuple[Floats, Floats]:
    """Colour's share and that of the conjunction, ``[...]``, from differences in value ``[..., C]``."""
    colours, shapes, both, exchanged = (
        differences[..., CONDITIONS.index(name)] for name in ("2 colours", "2 shapes", ANCHOR, "exchanged")
    )
    whole = np.where(both > 0, both, np.nan)
    return (colours + both - shapes) / (2 * whole), exchanged / whole


def latched_animals() -> tuple[float, float]:
    """The same of the animals, taking the log odds of a preference for a difference in value."""
    preferences = np.array([each.preference for each in ANIMALS.values()])
    colour, conjunction = latched(np.log(preferences / (1 - preferences)))
    return float(colour), float(conjunction)


def latched_over(differences: Floats, rng: np.random.Generator) -> Sequence[Estimate]:
    """Both shares with intervals, from differences ``[S, C]`` of every seed."""
    seeds = len(differences)
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds
    pairs = zip(latched(differences.mean(0)), latched(weights @ differences), strict=True)
    return [estimate(value, draws, seeds) for value, draws in pairs]
