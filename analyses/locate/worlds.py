"""Evidence of seeds that grew up in different worlds, made comparable: equally many groups, and floors in common.

Each seed is examined in its own world, beside twins and inputs there. Where worlds have unequally many groups of rows,
groups are merged down to the fewest. The floors of all seeds together are those of the input in the worlds of all
seeds, and of every twin in all worlds in which it was examined: sums over their rows. So twins of one world each, whose
scores differ by their initial weights and by their worlds, are as many samples of both as there are twins.

Letters: G groups, M sums per score, T twins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from imprint.analyses import statistics
from imprint.analyses.locate.floors import Evidence
from imprint.analyses.statistics import Floats


def comparable(seeds: Mapping[int, Evidence]) -> dict[int, Evidence]:
    """The evidence of each seed of one cell on equally many groups, beside the floors of all of their worlds."""
    groups = min(len(e.reading.sums) for e in seeds.values())
    twins = _twins(list(seeds.values()), groups)
    untrained = np.stack(list(twins.values())) if twins else None
    inputs = _together([e.inputs for e in seeds.values()], groups)
    readings = {seed: replace(e.reading, sums=_merged(e.reading.sums, groups)) for seed, e in seeds.items()}
    return {seed: Evidence(reading, untrained, inputs, tuple(twins)) for seed, reading in readings.items()}


def highest_floor(evidence: Evidence) -> float:
    """The highest floor of one seed: chance, its shuffled labels, the mean of its untrained twins, its input."""
    own = [evidence.inputs, evidence.untrained]
    scores = [statistics.score(s.sum(-2), regression=evidence.reading.regression).mean() for s in own if s is not None]
    return float(np.nanmax([evidence.reading.chance, float(evidence.reading.nulls.mean()), *scores]))


def _twins(evidence: Sequence[Evidence], groups: int) -> dict[int, Floats]:
    """Number of each twin -> its sums ``[G, M]`` where it was examined; nothing when a world has no twin."""
    sums: dict[int, Floats] = {}
    for e in evidence:
        if e.untrained is None:
            return {}
        for number, own in zip(e.twins or range(len(e.untrained)), _merged(e.untrained, groups), strict=True):
            sums[number] = sums[number] + own if number in sums else own
    return dict(sorted(sums.items()))


def _together(sums: Sequence[Floats | None], groups: int) -> Floats | None:
    """Sums ``[..., G, M]`` of several worlds as one; nothing when they are missing in one of them."""
    known = [_merged(s, groups) for s in sums if s is not None]
    return np.sum(known, axis=0) if len(known) == len(sums) else None


def _merged(sums: Floats, groups: int) -> Floats:
    """``[..., G, M]`` with as many groups as asked for: group g is added to group g modulo their number."""
    merged = np.zeros((*sums.shape[:-2], groups, sums.shape[-1]))
    np.add.at(np.moveaxis(merged, -2, 0), np.arange(sums.shape[-2]) % groups, np.moveaxis(sums, -2, 0))
    return merged
