"""Evolution of genomes that name one unit: a (mu, lambda) evolution strategy over its index and its sign.

    genome       index of a unit, and whether its activity or its silence is rewarded
    fitness      how well that reward goes along with the concept (area under the ROC curve), in the learner that the
                 individual was born with, drawn anew for every individual from those of its lineage
    selection    the best quarter of a generation are the parents of all of the next; no parent survives
    mutation     the index is drawn anew (units have no neighbours), the sign turns

Of the last generation the individual stands for its lineage whose mean fitness over *all* learners of the lineage is
largest. Lineages have learners of their own, drawn without replacement from all that evolution has. Generation 0 with
rewarded activity is the genome that did not evolve.

Letters: E learners, U units, L lineages, P individuals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REDRAWN, TURNED = 0.1, 0.05
"""Probability that a child's index is drawn anew, and that its sign turns."""


@dataclass(frozen=True)
class Lineages:
    """What came out of L lineages."""

    first: Ints
    """Unit of the first genome ``[L]``, whose activity is rewarded."""
    unit: Ints
    """Unit of the evolved genome ``[L]``."""
    sign: Ints
    """1: its activity is rewarded, -1: its silence, ``[L]``."""
    pool_has: NDArray[np.bool_]
    """Whether a learner is one of a lineage's, ``[L, E]``."""
    course: Floats
    """Mean fitness of every generation, over lineages ``[G]``."""


def signed(area: Floats, sign: Ints) -> Floats:
    """Area under the ROC curve of a reward with a sign."""
    return np.where(sign > 0, area, 1 - area)


def evolve(
    area: Floats, *, lineages: int, generations: int, population: int, learners: int, rng: np.random.Generator
) -> Lineages:
    """Evolve in learners whose units have areas ``area`` ``[E, U]``.

    ``learners``: how many of the E a lineage has; ``population``: individuals of a generation, 4 or more.
    """
    count, units = area.shape
    shape = (lineages, population)
    pool = rng.permuted(np.tile(np.arange(count), (lineages, 1)), axis=1)[:, : min(learners, count)]
    unit, sign = rng.integers(units, size=shape), rng.choice([-1, 1], size=shape)
    first, every, course = rng.integers(units, size=lineages), np.arange(lineages)[:, None], []
    for generation in range(generations):
        born_with = pool[every, rng.integers(pool.shape[1], size=shape)]
        fitness = signed(area[born_with, unit], sign)
        course.append(fitness.mean())
        if generation < generations - 1:
            best = np.argsort(-fitness, axis=1, kind="stable")[:, : population // 4]
            parent = best[every, rng.integers(best.shape[1], size=shape)]
            unit, sign = unit[every, parent], sign[every, parent]
            unit = np.where(rng.random(shape) < REDRAWN, rng.integers(units, size=shape), unit)
            sign = np.where(rng.random(shape) < TURNED, -sign, sign)
    whole = signed(area[pool[:, :, None], unit[:, None]], sign[:, None]).mean(1)
    chosen = whole.argmax(1)
    row = np.arange(lineages)
    has = np.zeros((lineages, count), dtype=bool)
    has[row[:, None], pool] = True
    return Lineages(first, unit[row, chosen], sign[row, chosen], has, np.array(course))
