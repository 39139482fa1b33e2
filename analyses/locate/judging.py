"""Summaries, corrected verdicts and best sites of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.locate.evidence import Evidence, Resampling, Summary, summarise, verdict_of
from imprint.analyses.statistics import benjamini_hochberg

MARGIN = 0.05
"""A concept is absent when its score is shown to lie less than this above shuffled labels."""

COLUMNS = (
    "concept", "site", "score", "low", "high", "null", "untrained", "inputs", "selectivity", "p_value", "q_value",
    "verdict", "why",
)  # fmt: skip


def judge(
    evidence: Mapping[tuple[str, str], Sequence[Evidence]],
    problems: Mapping[tuple[str, str], str],
    *,
    alpha: float,
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Summaries and corrected verdicts of all cells ``(concept, site)``; problems become ``not measurable`` rows."""
    summaries = summaries_of(evidence, resamples=resamples, rng=rng)
    q_present = benjamini_hochberg(np.array([s.p_value for s in summaries.values()]))
    q_null = benjamini_hochberg(np.array([s.p_null for s in summaries.values()]))
    rows = []
    for i, ((concept, site), s) in enumerate(summaries.items()):
        verdict, why = verdict_of(s, q_present[i], q_null[i], alpha=alpha, margin=MARGIN)
        values = (s.score, s.low, s.high, s.null, s.untrained, s.inputs, s.selectivity, s.p_value, q_present[i])
        rows.append((concept, site, *values, verdict, why))
    nothing = (float("nan"),) * 9
    rows += [(concept, site, *nothing, "not measurable", why) for (concept, site), why in problems.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summaries_of(
    evidence: Mapping[tuple[Any, ...], Sequence[Evidence]], *, resamples: int, rng: np.random.Generator
) -> dict[tuple[Any, ...], Summary]:
    """Every cell summarised with one set of draws per shape of evidence."""
    draws: dict[tuple[int, int, int], Resampling] = {}
    out = {}
    for cell, seeds in evidence.items():
        groups = len(seeds[0].reading.sums)
        twins = 0 if seeds[0].untrained is None else len(seeds[0].untrained)
        shape = (len(seeds), groups, twins)
        if shape not in draws:
            draws[shape] = Resampling.draw(*shape, resamples, rng)
        out[cell] = summarise(seeds, draws[shape])
    return out


def best_sites(
    evidence: Mapping[tuple[str, str], Sequence[Evidence]], *, resamples: int, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Per concept the site with the highest selectivity on one half of the groups, scored on the other half."""
    out: dict[str, dict[str, Any]] = {}
    for concept in dict.fromkeys(c for c, _ in evidence):
        cells = {site: e for (c, site), e in evidence.items() if c == concept}
        groups = len(next(iter(cells.values()))[0].reading.sums)
        if groups < 4:
            out[concept] = {"site": None, "why": f"{groups} groups cannot be halved and still be resampled"}
            continue
        order = rng.permutation(groups)
        halves = order[: groups // 2], order[groups // 2 :]
        chosen = summaries_of(
            {(s,): [e.of_groups(halves[0]) for e in v] for s, v in cells.items()}, resamples=100, rng=rng
        )
        known = {site: s.selectivity for (site,), s in chosen.items() if np.isfinite(s.selectivity)}
        if not known:
            out[concept] = {"site": None, "why": "the score is not defined on half of the groups"}
            continue
        site = max(known, key=known.__getitem__)
        scored = [e.of_groups(halves[1]) for e in cells[site]]
        s = summaries_of({(site,): scored}, resamples=resamples, rng=rng)[site,]
        out[concept] = {
            "site": site, "score": s.score, "low": s.low, "high": s.high, "selectivity": s.selectivity,
            "selectivity_low": s.selectivity_low, "selectivity_high": s.selectivity_high, "p_value": s.p_value,
            "null": s.null, "untrained": s.untrained, "inputs": s.inputs, "n": s.n,
        }  # fmt: skip
    return out
