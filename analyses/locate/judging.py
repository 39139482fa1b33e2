"""Summaries, corrected verdicts and best sites of a grid of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from imprint.analyses.locate.evidence import Summary, selectivity_of, summarise
from imprint.analyses.locate.floors import Evidence, Resampling, Spread, spreads_of
from imprint.analyses.locate.verdict import verdict_of
from imprint.analyses.statistics import benjamini_hochberg
from imprint.probes.samples.controls import Ints

MARGIN = 0.05
"""A concept is absent when its score is shown to lie less than this above shuffled labels."""

NUMBERS = ("score", "low", "high", "null", "untrained", "inputs", "selectivity", "p_value")
"""Columns of :func:`judge` that are attributes of a :class:`Summary`."""
COLUMNS = ("concept", "site", *NUMBERS, "q_value", "verdict", "why")
"""Columns of :func:`judge`; ``locate`` adds ``place``, ``n`` and ``missing``."""
TOGETHER = 256
"""Cells whose groups are resampled in one matrix product."""
FEW = 100
"""Draws of groups that were made where the best site is chosen."""
INTERVAL = ("selectivity", "selectivity_low", "selectivity_high")
BEST = ("score", "low", "high", *INTERVAL, "p_value", "null", "untrained", "inputs", "n")
"""What :func:`best_sites` gives of the summary at a best site."""


class Judged(NamedTuple):
    """One cell of a grid with its verdict."""

    cell: Any
    """``(concept, site)``, or whatever cells are named by."""
    summary: Summary
    q_value: float
    """The summary's p-value, corrected over the grid (Benjamini-Hochberg)."""
    verdict: str
    why: str


def judged(
    evidence: Mapping[Any, Sequence[Evidence]], *, alpha: float, resamples: int, rng: np.random.Generator
) -> list[Judged]:
    """Summaries and verdicts of all cells, corrected together; ``evidence``: cell -> evidence of each seed."""
    summaries = summaries_of(evidence, resamples=resamples, rng=rng)
    q_present = benjamini_hochberg(np.array([s.p_value for s in summaries.values()]))
    q_null = benjamini_hochberg(np.array([s.p_null for s in summaries.values()]))
    return [
        Judged(cell, s, q_present[i], *verdict_of(s, q_present[i], q_null[i], alpha=alpha, margin=MARGIN))
        for i, (cell, s) in enumerate(summaries.items())
    ]


def judge(
    evidence: Mapping[tuple[str, str], Sequence[Evidence]],
    problems: Mapping[tuple[str, str], str],
    *,
    alpha: float,
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """One row, :data:`COLUMNS`, per cell ``(concept, site)``; problems become ``not measurable`` rows."""
    rows = [
        (*cell, *(getattr(summary, name) for name in NUMBERS), q_value, verdict, why)
        for cell, summary, q_value, verdict, why in judged(evidence, alpha=alpha, resamples=resamples, rng=rng)
    ]
    nothing = (float("nan"),) * (len(NUMBERS) + 1)
    rows += [(*cell, *nothing, "not measurable", why) for cell, why in problems.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summaries_of(
    evidence: Mapping[Any, Sequence[Evidence]],
    *,
    resamples: int,
    rng: np.random.Generator,
    spreads: Mapping[Any, Spread] | None = None,
    draws: dict[tuple[int, int, int], Resampling] | None = None,
) -> dict[Any, Summary]:
    """Every cell summarised, with one set of draws for all cells of equally many seeds, groups and twins.

    ``spreads``: how much twins differ in each cell; by default found from these cells. ``draws``: those already made,
    to which new ones are added.
    """
    spreads = spreads_of(evidence) if spreads is None else spreads
    draws = {} if draws is None else draws
    shapes: dict[tuple[int, int, int], list[Any]] = {}
    for cell, seeds in evidence.items():
        shapes.setdefault((len(seeds), len(seeds[0].reading.sums), _twins(seeds)), []).append(cell)
    summaries: dict[Any, Summary] = {}
    for shape, cells in shapes.items():
        if shape not in draws:
            draws[shape] = Resampling.draw(*shape, resamples=resamples, rng=rng)
        for first in range(0, len(cells), TOGETHER):
            some = cells[first : first + TOGETHER]
            parts = [[e.reading.sums for e in evidence[cell]] for cell in some]
            wide = draws[shape].groups @ np.concatenate([sums for of_cell in parts for sums in of_cell], axis=1)
            ends = np.cumsum([sum(sums.shape[1] for sums in of_cell) for of_cell in parts])
            for cell, resampled in zip(some, np.split(wide, ends[:-1], axis=1), strict=True):
                of_seeds = np.stack(np.split(resampled, shape[0], axis=1))
                summaries[cell] = summarise(evidence[cell], draws[shape], spreads.get(cell), resampled=of_seeds)
    return {cell: summaries[cell] for cell in evidence}


def _twins(seeds: Sequence[Evidence]) -> int:
    return 0 if seeds[0].untrained is None else len(seeds[0].untrained)


def best_sites(
    evidence: Mapping[tuple[str, str], Sequence[Evidence]], *, resamples: int, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Per concept the site with the highest selectivity on one half of the groups, scored on the other half.

    Concept -> ``site`` and :data:`BEST`, or ``site`` None and ``why`` there is none.
    """
    best: dict[str, dict[str, Any]] = {}
    drawn: set[tuple[int, int, int]] = set()
    many: dict[tuple[int, int, int], Resampling] = {}
    scored: dict[tuple[str, str], Sequence[Evidence]] = {}
    spreads: dict[Any, Spread] = {}
    halves: dict[int, Ints] = {}
    of_concept: dict[str, dict[str, Sequence[Evidence]]] = {}
    for (concept, site), seeds in evidence.items():
        of_concept.setdefault(concept, {})[site] = seeds
    for concept, sites in of_concept.items():
        groups = len(next(iter(sites.values()))[0].reading.sums)
        if groups < 4:
            best[concept] = {"site": None, "why": f"{groups} groups cannot be halved and still be resampled"}
            continue
        if groups not in halves:
            halves[groups] = rng.permutation(groups)
        half, other = halves[groups][: groups // 2], halves[groups][groups // 2 :]
        for seeds in sites.values():
            shape = (len(seeds), len(half), _twins(seeds))
            if shape not in drawn:  # choosing needs no draws, but stored results follow on these in the stream
                drawn.add(shape)
                Resampling.draw(*shape, resamples=FEW, rng=rng)
        found = {site: selectivity_of([e.of_groups(half) for e in seeds]) for site, seeds in sites.items()}
        known = {site: selectivity for site, selectivity in found.items() if np.isfinite(selectivity)}
        if not known:
            best[concept] = {"site": None, "why": "the score is not defined on half of the groups"}
            continue
        site = max(known, key=known.__getitem__)
        scored_on = {site: [e.of_groups(other) for e in seeds] for site, seeds in sites.items()}
        spreads |= {(concept, site): spread for site, spread in spreads_of(scored_on).items()}
        scored[concept, site] = scored_on[site]
        shape = (len(scored_on[site]), len(other), _twins(scored_on[site]))
        if shape not in many:
            many[shape] = Resampling.draw(*shape, resamples=resamples, rng=rng)
        best[concept] = {"site": site}
    summaries = summaries_of(scored, resamples=resamples, rng=rng, spreads=spreads, draws=many)
    for (concept, _), summary in summaries.items():
        best[concept] |= {name: getattr(summary, name) for name in BEST}
    return best
