"""Probes scored as estimators on planted cases: bias, coverage, power, false positives, localisation.

For a case, a readout, a number of rows and an effect, many samples of as many worlds are drawn and given to
:func:`imprint.analyses.locate.locate.locate` with an untrained twin and raw inputs that hold no information:

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
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses.engine import Say
from imprint.analyses.locate.locate import locate
from imprint.analyses.locate.plan.power import Design, minimum_detectable
from imprint.analyses.questions.instruments.cases import CASES, SITES, WIDTH, Case, Sample, draw
from imprint.analyses.statistics import NAN, mean_of_known, rate_of
from imprint.models.errors import NotMeasurableError
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of
from imprint.probes.samples.leaks import find_leaks

FRESH = 4_000
"""Rows on which a fitted probe's true score is measured."""
FLAGS = ("present", "false", "located", "not_measurable")
GRID = (25, 8)
"""Concepts and sites of a grid of pure noise."""


@dataclass(frozen=True)
class Condition:
    """What is drawn, and with which probe it is read."""

    case: Case
    readout: str
    rows: int
    effect: float


def score_cases(
    readout: str, n: int, *, cases: Sequence[str], effect: float, repeats: int, nulls: int, seed: int, say: Say
) -> pd.DataFrame:
    """One row per case: results of ``repeats`` samples of ``n`` rows, beside the truth."""
    rows = []
    for i, name in enumerate(cases):
        condition = Condition(CASES[name], readout, n, effect)
        drawn = [
            _sample(condition, nulls=nulls, world=seed + r, rng=np.random.default_rng((seed, i, r)))
            for r in range(repeats)
        ]
        rows.append(_row(condition, pd.DataFrame(drawn)))
        say(i + 1, len(cases), name)
    return pd.DataFrame(rows)


def _sample(condition: Condition, *, nulls: int, world: int, rng: np.random.Generator) -> dict[str, Any]:
    """What ``locate`` says of one sample, and what is true of it."""
    case, n, readout = condition.case, condition.rows, condition.readout
    sample = draw(case.name, n, condition.effect, world=world, rng=rng)
    table = locate(
        sample.activations,
        pd.DataFrame({"concept": sample.concept}),
        groups=sample.groups,
        untrained={site: rng.normal(size=(n, WIDTH)) for site in SITES},
        inputs=rng.normal(size=(n, WIDTH)),
        readout=readout,
        nulls=nulls,
        seed=int(rng.integers(2**31)),
        resamples=400,
    ).set_index("site")
    present = table["verdict"] == "present"
    unread = bool((table["verdict"] == "not measurable").all())
    there = case.sites or (case.nonlinear if readout == "mlp" else ())
    elsewhere = [site for site in SITES if site not in there]
    scored_at = (case.sites or case.nonlinear or ("middle",))[0]
    truth = true_score(condition, scored_at, world=world, rng=rng) if case.scored and not unread else NAN
    best = str(table.attrs.get("best", {}).get("concept", {}).get("site"))
    return {
        "score": table.loc[scored_at, "score"],
        "low": table.loc[scored_at, "low"],
        "high": table.loc[scored_at, "high"],
        "true": truth,
        "present": bool(present[list(there)].all()) if there and not unread else np.nan,
        "false": bool(present[elsewhere].any()) if elsewhere else np.nan,
        "located": best in there if there and not unread else np.nan,
        "not_measurable": bool((table["verdict"] == "not measurable").any()),
    }


def true_score(condition: Condition, site: str, *, world: int, rng: np.random.Generator) -> float:
    """Score of the readout, fitted on as many rows as a fold leaves, on fresh rows; NaN when it cannot be fitted."""
    name, n, effect = condition.case.name, condition.rows, condition.effect
    train = draw(name, n, effect, world=world, rng=rng)
    try:
        fold = folds_of(compact_groups(train.groups, n), 5, rng)
    except NotMeasurableError:
        return NAN
    codes, classes = _codes(train)
    fresh = draw(name, FRESH, effect, world=world, rng=rng)
    y, _ = _codes(fresh)
    kept = fold != 0
    if classes and len(torch.unique(codes[kept])) < classes:
        return NAN
    groups = np.unique(compact_groups(train.groups, n)[kept], return_inverse=True)[1]
    x = torch.from_numpy(train.activations[site][kept])
    probe = READOUTS.load(condition.readout)().fit_rows(x, codes[kept], classes, groups=groups, seed=0)
    return float(probe.score(torch.from_numpy(fresh.activations[site]), y))


def _codes(sample: Sample) -> tuple[torch.Tensor, int]:
    if pd.api.types.is_float_dtype(sample.concept):
        return torch.tensor(sample.concept.to_numpy(dtype=np.float64)), 0
    codes, names = pd.factorize(sample.concept, sort=True)
    return torch.from_numpy(codes.astype(np.int64)), len(names)


def _row(condition: Condition, drawn: pd.DataFrame) -> dict[str, Any]:
    true = float(drawn["true"].mean())
    scored = drawn.dropna(subset=["score", "low"])
    known = condition.case.scored and np.isfinite(true)
    covered = ((scored["low"] <= true) & (true <= scored["high"])).sum() if known else 0
    return {
        **vars(condition),
        "case": condition.case.name,
        "samples": len(drawn),
        "score": float(scored["score"].mean()),
        "true": true,
        "bias": float(scored["score"].mean()) - true,
        "covered": int(covered),
        "intervals": len(scored) if known else 0,
        "refused": int(drawn["score"].notna().sum()) - len(scored) if known else 0,
        **{name: mean_of_known(drawn[name].astype(float)).value for name in FLAGS},
    }


def score_noise(readout: str, n: int, *, grids: int, nulls: int, seed: int, say: Say) -> pd.DataFrame:
    """Grids of pure noise, with and without groups: how often anything is called present after correction."""
    rows = []
    for r in range(grids):
        rng = np.random.default_rng((seed, r))
        concepts = pd.DataFrame({f"c{i}": rng.random(n) < 0.5 for i in range(GRID[0])})
        for grouped in (False, True):
            made = ({f"s{i}": rng.normal(size=(n, WIDTH)) for i in range(GRID[1])} for _ in range(2))
            table = locate(
                next(made),
                concepts,
                untrained=next(made),
                inputs=rng.normal(size=(n, WIDTH)),
                readout=readout,
                groups=rng.integers(0, n // 10, n) if grouped else None,
                nulls=nulls,
                seed=r,
                resamples=300,
            )
            present, rejected = table["verdict"] == "present", table["p_value"] < 0.05
            counts = {"present": int(present.sum()), "null_rejected": int(rejected.sum())}
            rows.append({"readout": readout, "rows": n, "groups": grouped, "cells": len(table), **counts})
        say(r + 1, grids, f"{readout}: pure noise")
    return pd.DataFrame(rows)


def score_found(n: int, *, readout: str, times: float, repeats: int, nulls: int, seed: int, say: Say) -> pd.DataFrame:
    """How often the planted site is found, and called present, at ``times`` the minimum detectable effect."""
    least = minimum_detectable(Design(rows=n, width=WIDTH, cells=len(SITES), floor=0.5)).effect
    condition, drawn = Condition(CASES["linear"], readout, n, times * least), []
    for r in range(repeats):
        rng = np.random.default_rng((seed, n, r))
        drawn.append(_sample(condition, nulls=nulls, world=seed + r, rng=rng))
        if r % 10 == 9:
            say(r + 1, repeats, f"{n} rows")
    found = int(sum(d["located"] and d["present"] for d in drawn))
    about = {"readout": readout, "rows": n, "least_effect": least, "effect": times * least, "samples": repeats}
    elsewhere = float(np.mean([d["false"] for d in drawn]))
    return pd.DataFrame([{**about, **rate_of(found, repeats).row("found", count=None), "elsewhere": elsewhere}])


def score_leaks(n: int, *, repeats: int, seed: int, say: Say) -> pd.DataFrame:
    """How often :func:`find_leaks` reports each kind, on every case."""
    rows = []
    for i, (name, case) in enumerate(CASES.items()):
        kinds: list[set[str]] = []
        for r in range(repeats):
            rng = np.random.default_rng((seed, i, r))
            sample = draw(name, n, 2.0, world=seed + r, rng=rng)
            try:
                leaks = find_leaks(sample.activations["middle"], sample.concept, groups=sample.groups, rng=rng)
            except NotMeasurableError:  # no row of a rare class was drawn
                continue
            kinds.append({leak.kind for leak in leaks})
        flagged = rate_of(sum(map(bool, kinds)), len(kinds))
        right = float(np.mean([case.leak in each for each in kinds])) if case.leak else NAN
        listed = ", ".join(sorted(set().union(*kinds))) or "none"
        about = {"case": name, "leak": case.leak or "none", "samples": len(kinds)}
        rows.append({**about, **flagged.row("flagged", count=None), "right_kind": right, "kinds": listed})
        say(i + 1, len(CASES), name)
    return pd.DataFrame(rows)
