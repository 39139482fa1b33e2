"""Which concept can be read, at which age, at which site, over all seeds of a run.

The same evidence as :mod:`imprint.analyses.locate.locate`, pooled over training seeds by a bootstrap that draws seeds
and, crossed with them, groups, and corrected once over the whole concept x site x age grid. (The plot goes back to
McGrath et al. 2022, arXiv 2111.09259: concept x layer x training step.)

``emergence_age`` is the first planned age at which the concept's selectivity at its final best site reaches half of its
final value and stays there; it is missing when the concept is not present at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from imprint.analyses.findings import findings
from imprint.analyses.locate.evidence import Summary
from imprint.analyses.locate.floors import Evidence
from imprint.analyses.locate.judging import best_sites, judged
from imprint.analyses.locate.stored import Floors, Readings
from imprint.analyses.locate.worlds import comparable, highest_floor

METRICS = {
    "locate": {
        "score": "balanced accuracy (classes) or R2 (numbers) of a probe on rows that it was not trained on",
        "selectivity": "score minus the highest floor, which is at least chance",
        "floor": "score of a control: `shuffled labels`, `untrained twins` or `input history`",
        "best_site_score": "score at the best site, which was chosen on the other half of the groups",
        "best_site_selectivity": "selectivity at the best site, which was chosen on the other half of the groups",
        "emergence_age": "age from which the concept is present",
    }
}

Grid = Mapping[tuple[int, str, str], Mapping[int, Evidence]]
"""(age, site, concept) -> seed -> evidence."""
FLOORS = {"null": "shuffled labels", "untrained": "untrained twins", "inputs": "input history"}
"""Floor of a :class:`Summary` -> its name in the column ``control``."""


def grid_findings(
    readings: Mapping[int, Readings],
    floors: Mapping[int, Floors],
    problems: Mapping[str, str],
    *,
    cells: Sequence[tuple[int, str, str]],
    alpha: float,
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Scores, floors, selectivities, best sites and emergence as findings.

    ``readings`` and ``floors``: those of each seed; seeds that were examined in one world share floors. ``problems``:
    concept -> why it cannot be measured. ``cells``: all (age, site, concept) that were looked for; those without a
    reading become ``not measurable``. ``alpha``: false discovery rate over the whole grid. ``resamples``: of the
    bootstrap.
    """
    grid: dict[tuple[int, str, str], dict[int, Evidence]] = {}
    several = len({id(of_world) for of_world in floors.values()}) > 1
    for seed, own in readings.items():
        for age, of_age in own.items():
            for (site, concept), reading in of_age.items():
                grid.setdefault((age, site, concept), {})[seed] = floors[seed].beside(reading, site, concept)
    rows: list[dict[str, Any]] = []
    together = {cell: comparable(seeds) if several else seeds for cell, seeds in grid.items()}
    evidence = {cell: list(seeds.values()) for cell, seeds in together.items()}
    for (age, site, concept), s, q, verdict, why in judged(evidence, alpha=alpha, resamples=resamples, rng=rng):
        if verdict == "present" and not all(floors.values()):
            verdict = "undetermined"
            why = "the floors of this run could not be measured, so nothing can be called learned"
        seeds, base = grid[age, site, concept], {"concept": concept, "site": site, "age": age, "n": s.n}
        rows += _pooled({**base, "seeds": len(seeds)}, s, q, {"verdict": verdict, "why": why})
        for seed, e in seeds.items():
            values = {"score": e.reading.score, "selectivity": e.reading.score - highest_floor(e)}
            alone = {**base, "seeds": 1, "seed": seed}
            rows += [{**alone, "metric": metric, "estimate": value} for metric, value in values.items()]
    unread = "the activations here are constant, or no seed reached this age"
    for age, site, concept in (cell for cell in cells if cell not in grid):
        where = {"concept": concept, "site": site, "age": age, "metric": "selectivity", "n": 0, "seeds": 0}
        rows.append({**where, "verdict": "not measurable", "why": problems.get(concept, unread)})
    rows += _best(together, resamples, rng)
    table = findings(rows)
    return findings(pd.concat([table, emergence(table)], ignore_index=True).assign(analysis="locate"))


def _pooled(base: dict[str, Any], s: Summary, q: float, verdict: dict[str, str]) -> list[dict[str, Any]]:
    """Score, selectivity and floors over all seeds."""
    score = {"metric": "score", "estimate": s.score, "low": s.low, "high": s.high}
    ends = {"estimate": s.selectivity, "low": s.selectivity_low, "high": s.selectivity_high}
    selectivity = {"metric": "selectivity", **ends, "p_value": s.p_value, "q_value": q}
    floors = []
    for floor, name in FLOORS.items():
        low, high = s.floor_ends.get(floor, (np.nan, np.nan))
        own = {"metric": "floor", "control": name, "estimate": getattr(s, floor), "low": low, "high": high}
        floors.append({**own, "p_value": getattr(s, f"p_{floor}")})
    return [{**base, **score, **verdict}, {**base, **selectivity, **verdict}, *({**base, **floor} for floor in floors)]


def _best(grid: Grid, resamples: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """At every age: site chosen on one half of the groups, scored on the other (the same halves at all ages)."""
    rows: list[dict[str, Any]] = []
    halves_seed = int(rng.integers(2**31))
    for age in sorted({age for age, _, _ in grid}):
        cells = {(concept, site): list(e.values()) for (a, site, concept), e in grid.items() if a == age}
        best = best_sites(cells, resamples=resamples, rng=np.random.default_rng(halves_seed))
        for concept, b in best.items():
            if b["site"] is None:
                continue
            seeds = len(cells[concept, b["site"]])
            base = {"concept": concept, "site": b["site"], "age": age, "n": b["n"], "seeds": seeds}
            score = {"metric": "best_site_score", "estimate": b["score"], "low": b["low"], "high": b["high"]}
            ends = {"estimate": b["selectivity"], "low": b["selectivity_low"], "high": b["selectivity_high"]}
            floors = f"shuffled {b['null']:.3f}, untrained {b['untrained']:.3f}, input {b['inputs']:.3f}"
            why = {"p_value": b["p_value"], "why": f"floors on this half: {floors}"}
            rows += [{**base, **score}, {**base, "metric": "best_site_selectivity", **ends, **why}]
    return rows


def emergence(table: pd.DataFrame) -> pd.DataFrame:
    """When each concept appeared, from the other findings; see the module docstring."""
    rows = []
    for concept, best in table[table["metric"] == "best_site_selectivity"].groupby("concept", sort=False):
        last = best.loc[cast(int, best["age"].idxmax())]
        at = (table["metric"] == "selectivity") & (table["concept"] == concept) & (table["site"] == last["site"])
        curve = table[at & table["seed"].isna()].dropna(subset=["estimate"]).sort_values("age")
        row = {"concept": concept, "site": last["site"], "metric": "emergence_age"}
        if curve.empty or curve["verdict"].iloc[-1] != "present":
            rows.append({**row, "verdict": "not measurable", "why": "not present at its best site at the last age"})
            continue
        ages, values = curve["age"].to_numpy(dtype=float), curve["estimate"].to_numpy()
        reached = values >= values[-1] / 2
        first = len(reached) - int(np.argmin(reached[::-1])) if not reached.all() else 0
        why = f"first age from which selectivity stays above half of its final {values[-1]:.3f}"
        rows.append({**row, "estimate": ages[first], "seeds": last["seeds"], "n": last["n"], "why": why})
    return findings(rows)
