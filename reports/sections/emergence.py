"""When a concept became readable: its score by age, at a site chosen on one half of the groups, on the other half."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures.axes import DASHES, limits, palette
from imprint.reports.figures.series import Scale, Series, curves
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.agents import nothing_learned
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.sections.base import Section
from imprint.reports.words import UNIT, age_words, counts, interval, measured, quoted

ROUNDING = 9
"""Decimals of a difference of scores that mean anything."""


class Emergence(Section):
    """One curve figure for the intended concept and for every proxy."""

    order: ClassVar[int] = 30
    title: ClassVar[str] = "When each concept emerged"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per concept of the question, and the ages of emergence."""
        pooled = run.pooled("locate", "best_site_score").dropna(subset=["age"])
        names = [name for name in run.roles if name in set(pooled["concept"])]
        if run.agents and (not names or nothing_learned(run)):
            return None
        if not names:
            return {"missing": ["The findings hold no score at the best site for the intended concept or a proxy."]}
        seeds = seeds_of(run, pooled)
        floors = {name: floors_of(run, name, pooled[pooled["concept"] == name]) for name in names}
        pooled, seeds = pooled[pooled["concept"].isin(names)], seeds[seeds["concept"].isin(names)]
        every = [pooled["low"], pooled["high"], pooled["estimate"], seeds["estimate"]]
        scale = Scale("score", share=False, limits=limits(*every, *(floor["estimate"] for floor in floors.values())))
        ages = sorted(int(age) for age in pooled["age"].unique())
        warm = palette("", [name for name in names if "proxy" in run.roles[name]])
        drawn = []
        for i, name in enumerate(names):
            rows, lines = (part[part["concept"] == name] for part in (pooled, seeds))
            series = [Series("score", warm.get(name, "--c-intended"), rows, lines), *_floor_series(floors[name])]
            caption = "" if len(floors[name]) else "No floors were measured for this concept."
            plot = curves(series, ages, scale, height=330)
            drawn.append(Figure(f"emergence-{i}", f"{name} · {run.roles[name]}", plot, reading(run, rows), caption))
        lacking = [name for name in run.roles if name not in names]
        missing = [f"No score at the best site for {quoted(lacking)}."] if lacking else []
        return {"figures": drawn, "tables": tables(run), "missing": missing, "counts": counts(pooled)}


def seeds_of(run: RunData, best: pd.DataFrame) -> pd.DataFrame:
    """Scores of single seeds: as recorded for the best site, else those at the sites chosen over all seeds."""
    own = run.per_seed("locate", "best_site_score").dropna(subset=["age"])
    rows = run.per_seed("locate", "score").dropna(subset=["age"])
    return own if len(own) else rows.merge(best[["concept", "age", "site"]], on=["concept", "age", "site"])


def floors_of(run: RunData, name: str, best: pd.DataFrame) -> pd.DataFrame:
    """Floors of a concept at the sites chosen for it (over all sites where none is named): control, age, estimate."""
    rows = run.pooled("locate", "floor")
    rows = rows[rows["concept"] == name].dropna(subset=["age"])
    chosen = rows.merge(best[["age", "site"]], on=["age", "site"])
    return (chosen if len(chosen) else rows).groupby(["control", "age"])["estimate"].mean().reset_index()


def _floor_series(floors: pd.DataFrame) -> list[Series]:
    """A broken grey line per floor, without an interval."""
    bare = floors.assign(low=np.nan, high=np.nan)
    return [
        Series(str(control), "--ink-soft", rows, symbol="", dash=DASHES[i % len(DASHES)])
        for i, (control, rows) in enumerate(bare.groupby("control", sort=True))
    ]


def reading(run: RunData, rows: pd.DataFrame) -> str:
    """Score at the last age, how far above the highest floor, and since when."""
    now = last_age(rows).iloc[-1]
    both = (run.pooled("locate", metric) for metric in ("best_site_selectivity", "emergence_age"))
    gains, ages = (own[own["concept"] == now["concept"]] for own in both)
    above = row_of(last_age(gains.dropna(subset=["age"])).round(ROUNDING))
    since = row_of(ages)
    text = f"Score {interval(now)} at {age_words(now['age'])}{', site ' + str(now['site']) if now['site'] else ''}"
    if above is not None:
        text += f"; above the highest floor by {interval(above)}"
    if since is not None:
        known = measured(since["estimate"])
        text += f"; emerged at {age_words(since['estimate'])}" if known else "; no age of emergence"
    return f"{text}."


def tables(run: RunData) -> list[Table]:
    """Scores of all concepts at their best sites, and ages of emergence."""
    at, ends = ["concept", "site", "age"], ["estimate", "low", "high"]
    scores = run.pooled("locate", "best_site_score")[[*at, *ends, "n", "seeds", "why"]]
    gains = run.pooled("locate", "best_site_selectivity")[[*at, *ends]]
    gains = gains.rename(columns=dict(zip(ends, ("selectivity", "selectivity_low", "selectivity_high"), strict=True)))
    every = scores.merge(gains, how="left", on=at)
    ages = run.pooled("locate", "emergence_age")[["concept", *ends, "seeds", "why"]]
    ages = ages.drop(columns=[name for name in ("low", "high") if ages[name].isna().all()])
    shown = [Table("emergence-scores", "Score at the best site, all concepts", every)]
    return (
        [*shown, Table("emergence-age", f"Age of emergence, in {UNIT.get()}", ages, open=True)] if len(ages) else shown
    )
