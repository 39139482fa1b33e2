"""what-when-where: which concept can be read, at which age, at which site, over all seeds of a run.

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
from numpy.typing import NDArray

from imprint.analyses.findings import findings
from imprint.analyses.locate.evidence import Evidence, Summary, verdict_of
from imprint.analyses.locate.judging import MARGIN, best_sites, summaries_of
from imprint.analyses.locate.reading import Reading
from imprint.analyses.statistics import benjamini_hochberg, score

METRICS = {
    "locate": {
        "score": "balanced accuracy (classes) or R2 (numbers) of a probe on rows that it was not trained on",
        "selectivity": "score minus the highest floor",
        "floor": "score of a control: `shuffled labels`, `untrained twins` or `input history`",
        "best_site_score": "score at the best site, which was chosen on the other half of the groups",
        "best_site_selectivity": "selectivity at the best site, which was chosen on the other half of the groups",
        "emergence_age": "age from which the concept is present",
    }
}

Readings = Mapping[tuple[int, str, str], Reading]
"""(age, site, concept) -> reading, of one seed."""
Floors = Mapping[str, NDArray[np.float64]]
"""``untrained|site|concept`` -> ``[twins, G, M]`` and ``inputs|moment|concept`` -> ``[G, M]``."""
FLOORS = {"null": "shuffled labels", "untrained": "untrained twins", "inputs": "input history"}


def evidence_of(readings: Mapping[int, Readings], floors: Floors) -> dict[tuple[int, str, str], dict[int, Evidence]]:
    """(age, site, concept) -> seed -> evidence, with the run's shared floors attached."""
    out: dict[tuple[int, str, str], dict[int, Evidence]] = {}
    for seed, cells in readings.items():
        for (age, site, concept), reading in cells.items():
            moment = site.rpartition("@")[2]
            untrained, inputs = floors.get(f"untrained|{site}|{concept}"), floors.get(f"inputs|{moment}|{concept}")
            out.setdefault((age, site, concept), {})[seed] = Evidence(reading, untrained, inputs)
    return out


def grid_findings(
    setup: str,
    readings: Mapping[int, Readings],
    floors: Floors,
    problems: Mapping[str, str],
    *,
    cells: Sequence[tuple[int, str, str]],
    alpha: float,
    resamples: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Findings of the whole grid ``cells`` (age, site, concept).

    Scores, floors, selectivities, best sites, emergence.
    """
    evidence = evidence_of(readings, floors)
    summaries = summaries_of({c: list(s.values()) for c, s in evidence.items()}, resamples=resamples, rng=rng)
    q = benjamini_hochberg(np.array([s.p_value for s in summaries.values()]))
    q_null = benjamini_hochberg(np.array([s.p_null for s in summaries.values()]))
    rows: list[dict[str, Any]] = []
    for i, ((age, site, concept), s) in enumerate(summaries.items()):
        where = {"analysis": "locate", "setup": setup, "concept": concept, "site": site, "age": age}
        verdict, why = verdict_of(s, q[i], q_null[i], alpha=alpha, margin=MARGIN)
        if verdict == "present" and not floors:
            verdict, why = (
                "undetermined",
                "the floors of this run could not be measured, so nothing can be called learned",
            )
        rows += _pooled(where, s, len(evidence[age, site, concept]), verdict, why, q[i])
        rows += _per_seed(where, evidence[age, site, concept], s)
    rows += [_unmeasured(setup, cell, problems, evidence) for cell in cells if cell not in evidence]
    rows += _best(setup, evidence, resamples, rng)
    table = findings(rows)
    return findings(pd.concat([table, emergence(table, setup)], ignore_index=True))


def _pooled(where: dict[str, Any], s: Summary, seeds: int, verdict: str, why: str, q: float) -> list[dict[str, Any]]:
    base = {**where, "n": s.n, "seeds": seeds}
    rows = [
        {**base, "metric": "score", "estimate": s.score, "low": s.low, "high": s.high, "verdict": verdict, "why": why},
        {
            **base, "metric": "selectivity", "estimate": s.selectivity, "low": s.selectivity_low,
            "high": s.selectivity_high, "p_value": s.p_value, "q_value": q, "verdict": verdict, "why": why,
        },
    ]  # fmt: skip
    floors = (("null", s.null, s.p_null), ("untrained", s.untrained, s.p_untrained), ("inputs", s.inputs, s.p_inputs))
    rows += [
        {**base, "metric": "floor", "control": FLOORS[name], "estimate": value, "p_value": p}
        for name, value, p in floors
    ]
    return rows


def _per_seed(where: dict[str, Any], evidence: Mapping[int, Evidence], s: Summary) -> list[dict[str, Any]]:
    rows = []
    for seed, e in evidence.items():
        value = float(score(e.reading.sums.sum(0), regression=e.reading.regression))
        floor = np.nanmax([float(e.reading.nulls.mean()), s.untrained, s.inputs])
        for metric, estimate in (("score", value), ("selectivity", value - floor)):
            rows.append({**where, "seed": seed, "metric": metric, "estimate": estimate, "n": s.n, "seeds": 1})
    return rows


def _unmeasured(
    setup: str, cell: tuple[int, str, str], problems: Mapping[str, str], evidence: Mapping[Any, Any]
) -> dict[str, Any]:
    age, site, concept = cell
    why = problems.get(concept, "the activations here are constant, or no seed reached this age")
    return {
        "analysis": "locate", "setup": setup, "concept": concept, "site": site, "age": age, "metric": "selectivity",
        "n": 0, "seeds": 0, "verdict": "not measurable", "why": why,
    }  # fmt: skip


def _best(
    setup: str,
    evidence: Mapping[tuple[int, str, str], Mapping[int, Evidence]],
    resamples: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """At every age: site chosen on one half of the groups, scored on the other (the same halves at all ages)."""
    rows: list[dict[str, Any]] = []
    halves_seed = int(rng.integers(2**31))
    for age in sorted({age for age, _, _ in evidence}):
        cells = {(concept, site): list(e.values()) for (a, site, concept), e in evidence.items() if a == age}
        best = best_sites(cells, resamples=resamples, rng=np.random.default_rng(halves_seed))
        for concept, b in best.items():
            if b["site"] is None:
                continue
            base = {
                "analysis": "locate", "setup": setup, "concept": concept, "site": b["site"], "age": age, "n": b["n"],
                "seeds": len(cells[concept, b["site"]]),
            }  # fmt: skip
            rows.append(
                {**base, "metric": "best_site_score", "estimate": b["score"], "low": b["low"], "high": b["high"]}
            )
            rows.append(
                {
                    **base, "metric": "best_site_selectivity", "estimate": b["selectivity"],
                    "low": b["selectivity_low"], "high": b["selectivity_high"], "p_value": b["p_value"],
                    "why": f"floors on this half: shuffled {b['null']:.3f}, untrained {b['untrained']:.3f}, "
                    f"input {b['inputs']:.3f}",
                }
            )  # fmt: skip
    return rows


def emergence(table: pd.DataFrame, setup: str) -> pd.DataFrame:
    """When each concept appeared; see the module docstring."""
    rows = []
    best = table[(table["metric"] == "best_site_selectivity")]
    for concept, part in best.groupby("concept", sort=False):
        last = part.loc[cast(int, part["age"].idxmax())]
        at = (table["metric"] == "selectivity") & (table["concept"] == concept) & (table["site"] == last["site"])
        curve = table[at & table["seed"].isna()].dropna(subset=["estimate"]).sort_values("age")
        base = {
            "analysis": "locate",
            "setup": setup,
            "concept": concept,
            "site": last["site"],
            "metric": "emergence_age",
        }
        present = len(curve) > 0 and curve["verdict"].iloc[-1] == "present"
        if not present:
            rows.append({**base, "verdict": "not measurable", "why": "not present at its best site at the last age"})
            continue
        ages, values = curve["age"].to_numpy(dtype=float), curve["estimate"].to_numpy()
        reached = values >= values[-1] / 2
        first = len(reached) - int(np.argmin(reached[::-1])) if not reached.all() else 0
        rows.append({**base, "estimate": ages[first], "seeds": last["seeds"], "n": last["n"],
                     "why": "first age from which selectivity stays above half of its final "
                     f"{values[-1]:.3f}"})  # fmt: skip
    return findings(rows)
