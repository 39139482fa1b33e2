"""When a concept became readable: its score by age, at a site chosen on one half of the groups, on the other half."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures import axes, plots
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, counts, interval, measured, quoted

ROUNDING = 9
"""Decimals of a difference of scores that mean anything."""


class Emergence(Section):
    """One curve figure for the intended concept and for every proxy."""

    order: ClassVar[int] = 30
    title: ClassVar[str] = "When each concept emerged"
    short: ClassVar[str] = "Emergence"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per concept of the question, and the ages of emergence."""
        pooled = run.pooled("locate", "best_site_score").dropna(subset=["age"])
        names = [name for name in run.roles if name in set(pooled["concept"])]
        if not names and run.agents:
            return None
        if not names:
            return {"missing": ["The findings hold no score at the best site for the intended concept or a proxy."]}
        seeds = seeds_of(run, pooled)
        floors = {name: floors_of(run, name, pooled[pooled["concept"] == name]) for name in names}
        pooled, seeds = pooled[pooled["concept"].isin(names)], seeds[seeds["concept"].isin(names)]
        every = [pooled["low"], pooled["high"], pooled["estimate"], seeds["estimate"]]
        limits = axes.limits(*every, *(f["estimate"] for f in floors.values()))
        warm = [name for name in names if "proxy" in run.roles[name]]
        colours = dict.fromkeys(names, "--c-intended") | axes.palette("", warm)
        drawn = [chart(i, n, pooled, seeds, floors[n], colours[n], limits, run) for i, n in enumerate(names)]
        gain = run.pooled("locate", "best_site_selectivity")[["concept", "site", "age", "estimate", "low", "high"]]
        gain = gain.rename(columns={"estimate": "selectivity", "low": "selectivity_low", "high": "selectivity_high"})
        all_scores = run.pooled("locate", "best_site_score")[
            ["concept", "site", "age", "estimate", "low", "high", "n", "seeds", "why"]
        ]
        table = all_scores.merge(gain, how="left", on=["concept", "site", "age"])
        tables = [Table("emergence-scores", "Score at the best site, all concepts", table)]
        ages = run.pooled("locate", "emergence_age")[["concept", "estimate", "low", "high", "seeds", "why"]]
        ages = ages.drop(columns=[name for name in ("low", "high") if ages[name].isna().all()])
        tables += [Table("emergence-age", "Age of emergence, in experiences", ages, open=True)] if len(ages) else []
        lacking = [name for name in run.roles if name not in names]
        missing = [f"No score at the best site for {quoted(lacking)}."] if lacking else []
        return {"figures": drawn, "tables": tables, "missing": missing, "counts": counts(pooled)}


def seeds_of(run: RunData, best: pd.DataFrame) -> pd.DataFrame:
    """Scores of single seeds: as recorded for the best site, else those at the sites chosen over all seeds."""
    own = run.per_seed("locate", "best_site_score").dropna(subset=["age"])
    if len(own):
        return own
    rows = run.per_seed("locate", "score").dropna(subset=["age"])
    chosen = {(r.concept, int(r.age), r.site) for r in records(best)}
    keep = [(r.concept, int(r.age), r.site) in chosen for r in records(rows)]
    return rows[np.array(keep, dtype=bool)]


def floors_of(run: RunData, name: str, best: pd.DataFrame) -> pd.DataFrame:
    """Floors of a concept at the sites chosen for it (over all sites where none is named): control, age, estimate."""
    rows = run.pooled("locate", "floor")
    rows = rows[(rows["concept"] == name)].dropna(subset=["age"])
    chosen = {(int(r.age), r.site) for r in records(best) if r.site}
    at = np.array([(int(r.age), r.site) in chosen for r in records(rows)], dtype=bool)
    kept = rows[at] if at.any() else rows
    return kept.groupby(["control", "age"])["estimate"].mean().reset_index()


def chart(
    index: int,
    name: str,
    pooled: pd.DataFrame,
    seeds: pd.DataFrame,
    floors: pd.DataFrame,
    colour: str,
    limits: tuple[float, float],
    run: RunData,
) -> Figure:
    """Emergence of one concept."""
    rows, lines = pooled[pooled["concept"] == name], seeds[seeds["concept"] == name]
    ages = sorted(int(age) for age in pooled["age"].unique())
    plot = plots.emergence(rows, lines, floors, colour=colour, ages=ages, limits=limits)
    caption = "" if len(floors) else "No floors were measured for this concept."
    return Figure(f"emergence-{index}", f"{name} · {run.roles[name]}", plot, reading(run, name, rows), caption)


def reading(run: RunData, name: str, rows: pd.DataFrame) -> str:
    """Score at the last age, how far above the highest floor, and since when."""
    gain = run.pooled("locate", "best_site_selectivity")
    gain = last_age(gain[gain["concept"] == name].dropna(subset=["age"])).round(ROUNDING)
    now = last_age(rows).iloc[-1]
    text = f"Score {interval(now)} at {age_words(now['age'])}{', site ' + str(now['site']) if now['site'] else ''}"
    if len(gain):
        text += f"; above the highest floor by {interval(gain.iloc[-1])}"
    born = run.pooled("locate", "emergence_age")
    born = born[born["concept"] == name]
    if len(born):
        row = born.iloc[-1]
        text += f"; emerged at {age_words(row['estimate'])}" if measured(row["estimate"]) else "; no age of emergence"
    return text + "."
