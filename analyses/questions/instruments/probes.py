"""Probes scored as estimators on planted cases: bias, coverage, power, false positives, localisation.

For a case, a readout, a number of rows and an effect, many samples of as many worlds are drawn and given to
:func:`imprint.analyses.locate.locate.locate` with an untrained twin and raw inputs that know nothing:

    bias          mean score - true score at the site
    coverage      part of the intervals that hold the true score
    refused       scores without an interval, because the rarest class has too few rows
    present       part of the samples in which the concept is called present at every site where it is
    false         part of the samples in which it is called present anywhere else
    located       part of the samples in which the best site is one of those where it is

The true score is what the same readout, fitted on as many rows as a fold leaves, scores on :data:`FRESH` fresh rows,
averaged over samples.

Letters: n rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.engine import Say
from imprint.analyses.locate.locate import locate
from imprint.analyses.locate.power import Design, minimum_detectable
from imprint.analyses.questions.instruments.cases import CASES, SITES, WIDTH, Case, Sample, draw
from imprint.analyses.statistics import clopper_pearson
from imprint.models.errors import NotMeasurableError
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.samples.leaks import find_leaks

FRESH = 4_000
"""Rows on which a fitted probe's true score is measured."""
GRID = (25, 8)
"""Concepts and sites of a grid of pure noise."""


def score_cases(
    readout: str,
    n: int,
    *,
    cases: Sequence[str],
    effect: float,
    repeats: int,
    nulls: int,
    seed: int,
    say: Say,
) -> pd.DataFrame:
    """One row per case: what ``repeats`` samples of ``n`` rows said, beside the truth."""
    rows = []
    for i, name in enumerate(cases):
        drawn = [
            _one(CASES[name], readout, n, effect, nulls, world=seed + r, rng=np.random.default_rng((seed, i, r)))
            for r in range(repeats)
        ]
        rows.append(_row(CASES[name], readout, n, effect, pd.DataFrame(drawn)))
        say(i + 1, len(cases), name)
    return pd.DataFrame(rows)


def _one(
    case: Case, readout: str, n: int, effect: float, nulls: int, *, world: int, rng: np.random.Generator
) -> dict[str, Any]:
    sample = draw(case.name, n, effect, world=world, rng=rng)
    nothing = {site: rng.normal(size=(n, WIDTH)) for site in SITES}
    table = locate(
        sample.activations, pd.DataFrame({"concept": sample.concept}), groups=sample.groups, untrained=nothing,
        inputs=rng.normal(size=(n, WIDTH)), readout=readout, nulls=nulls, seed=int(rng.integers(2**31)), resamples=400,
    ).set_index("site")  # fmt: skip
    said = table["verdict"] == "present"
    unread = bool((table["verdict"] == "not measurable").all())
    there = case.sites or (case.nonlinear if readout == "mlp" else ())
    asked = (case.sites or case.nonlinear or ("middle",))[0]
    truth = _true_score(case.name, asked, readout, n, effect, world, rng) if case.scored and not unread else np.nan
    best = locate_best(table)
    return {
        "score": table.loc[asked, "score"],
        "low": table.loc[asked, "low"],
        "high": table.loc[asked, "high"],
        "true": truth,
        "present": bool(said[list(there)].all()) if there and not unread else np.nan,
        "false": bool(said[[site for site in SITES if site not in there]].any()) if set(SITES) - set(there) else np.nan,
        "located": best in there if there and not unread else np.nan,
        "not_measurable": bool((table["verdict"] == "not measurable").any()),
    }


def locate_best(table: pd.DataFrame) -> str:
    """The site that the table names as best."""
    best = table.attrs.get("best", {}).get("concept", {}).get("site")
    return str(best)


def _true_score(
    name: str, site: str, readout: str, n: int, effect: float, world: int, rng: np.random.Generator
) -> float:
    train = draw(name, n, effect, world=world, rng=rng)
    try:
        fold = folds_of(compact_groups(train.groups, n), 5, rng)
    except NotMeasurableError:
        return float("nan")
    codes, classes = _codes(train)
    fresh = draw(name, FRESH, effect, world=world, rng=rng)
    y, _ = _codes(fresh)
    kept = fold != 0
    if classes and len(torch.unique(codes[kept])) < classes:
        return float("nan")
    groups = compact_groups(train.groups, n)[kept]
    probe = READOUTS.load(readout)().fit_rows(
        torch.from_numpy(train.activations[site][kept]),
        codes[kept],
        classes,
        groups=np.unique(groups, return_inverse=True)[1],
        seed=0,
    )
    return float(probe.score(torch.from_numpy(fresh.activations[site]), y))


def _codes(sample: Sample) -> tuple[torch.Tensor, int]:
    if pd.api.types.is_float_dtype(sample.concept):
        return torch.tensor(sample.concept.to_numpy(dtype=np.float64)), 0
    codes, names = pd.factorize(sample.concept, sort=True)
    return torch.from_numpy(codes.astype(np.int64)), len(names)


def _row(case: Case, readout: str, n: int, effect: float, drawn: pd.DataFrame) -> dict[str, Any]:
    true = float(drawn["true"].mean())
    scored = drawn.dropna(subset=["score", "low"])
    known = case.scored and np.isfinite(true)
    covered = ((scored["low"] <= true) & (true <= scored["high"])).sum() if known else 0
    return {
        "case": case.name,
        "readout": readout,
        "rows": n,
        "effect": effect,
        "samples": len(drawn),
        "score": float(scored["score"].mean()),
        "true": true,
        "bias": float(scored["score"].mean()) - true,
        "covered": int(covered),
        "intervals": len(scored) if known else 0,
        "refused": int(drawn["score"].notna().sum()) - len(scored) if known else 0,
        "present": _share(drawn["present"]),
        "false": _share(drawn["false"]),
        "located": _share(drawn["located"]),
        "not_measurable": _share(drawn["not_measurable"]),
    }


def _share(column: pd.Series) -> float:
    known = column.dropna()
    return float(known.astype(float).mean()) if len(known) else float("nan")


def score_noise(readout: str, n: int, *, grids: int, nulls: int, seed: int, say: Say) -> pd.DataFrame:
    """Grids of pure noise, with and without groups: how often anything is called present after correction."""
    rows = []
    for r in range(grids):
        rng = np.random.default_rng((seed, r))
        concepts = pd.DataFrame({f"c{i}": rng.random(n) < 0.5 for i in range(GRID[0])})
        for grouped in (False, True):
            made = ({f"s{i}": rng.normal(size=(n, WIDTH)) for i in range(GRID[1])} for _ in range(2))
            table = locate(
                next(made), concepts, untrained=next(made), inputs=rng.normal(size=(n, WIDTH)), readout=readout,
                groups=rng.integers(0, n // 10, n) if grouped else None, nulls=nulls, seed=r, resamples=300,
            )  # fmt: skip
            rows.append(
                {
                    "readout": readout,
                    "rows": n,
                    "groups": grouped,
                    "cells": len(table),
                    "present": int((table["verdict"] == "present").sum()),
                    "null_rejected": int((table["p_value"] < 0.05).sum()),
                }
            )
        say(r + 1, grids, f"{readout}: pure noise")
    return pd.DataFrame(rows)


def score_found(n: int, *, readout: str, times: float, repeats: int, nulls: int, seed: int, say: Say) -> pd.DataFrame:
    """How often the planted site is found, and called present, at ``times`` the minimum detectable effect."""
    least = minimum_detectable(Design(rows=n, width=WIDTH, cells=len(SITES), nulls=nulls, floor=0.5)).effect
    drawn = []
    for r in range(repeats):
        rng = np.random.default_rng((seed, n, r))
        drawn.append(_one(CASES["linear"], readout, n, times * least, nulls, world=seed + r, rng=rng))
        if r % 10 == 9:
            say(r + 1, repeats, f"{n} rows")
    found = int(sum(d["located"] and d["present"] for d in drawn))
    low, high = clopper_pearson(found, repeats)
    return pd.DataFrame(
        [
            {
                "readout": readout, "rows": n, "least_effect": least, "effect": times * least, "samples": repeats,
                "found": found / repeats, "low": low, "high": high,
                "elsewhere": float(np.mean([d["false"] for d in drawn])),
            }
        ]
    )  # fmt: skip


def score_leaks(n: int, *, repeats: int, seed: int, say: Say) -> pd.DataFrame:
    """How often :func:`find_leaks` reports each kind, on every case."""
    rows = []
    for i, (name, case) in enumerate(CASES.items()):
        seen: list[set[str]] = []
        for r in range(repeats):
            rng = np.random.default_rng((seed, i, r))
            sample = draw(name, n, 2.0, world=seed + r, rng=rng)
            try:
                found = find_leaks(sample.activations["middle"], sample.concept, groups=sample.groups, rng=rng)
            except NotMeasurableError:  # of a rare class no row was drawn
                continue
            seen.append({leak.kind for leak in found})
        flagged = sum(bool(kinds) for kinds in seen)
        low, high = clopper_pearson(flagged, len(seen))
        rows.append(
            {
                "case": name,
                "leak": case.leak or "none",
                "samples": len(seen),
                "flagged": flagged / len(seen),
                "low": low,
                "high": high,
                "right_kind": np.mean([case.leak in kinds for kinds in seen]) if case.leak else np.nan,
                "kinds": ", ".join(sorted(set().union(*seen))) or "none",
            }
        )
        say(i + 1, len(CASES), name)
    return pd.DataFrame(rows)
