"""What is known where, and since when: selectivity of every concept at every site and age."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures import axes, plots
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age
from imprint.reports.sections.base import Section
from imprint.reports.words import LOCATE_WORDS, MARKS, age_words, counts, number, plural


class Grid(Section):
    """One heat map per concept, all on one colour scale."""

    order: ClassVar[int] = 20
    title: ClassVar[str] = "What is known, where, and since when"
    short: ClassVar[str] = "What, when, where"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One heat map per concept."""
        cells = cells_of(run)
        if cells.empty and run.agents:
            return None
        if cells.empty:
            why = "The findings hold no selectivity per site and age: the locate analysis did not run or failed."
            return {"missing": [why]}
        sites = list(dict.fromkeys(cells["site"]))
        ages = sorted(int(age) for age in cells["age"].unique())
        limit = round(axes.spread(cells["selectivity"], floor=0.1), 2)
        parts = [cells[cells["concept"] == name] for name in run.concepts if name in set(cells["concept"])]
        return {
            "figures": [chart(i, part, sites, ages, limit, run) for i, part in enumerate(parts)],
            "tables": [Table("grid-cells", "Every concept, site and age", cells)],
            "limit": number(limit),
            "ages": plural(len(ages), "age"),
            "counts": counts(cells),
            "key": [(MARKS[word], word, meaning) for word, meaning in LOCATE_WORDS.items()],
            "alpha": run.part("evaluation").get("alpha"),
        }


def cells_of(run: RunData) -> pd.DataFrame:
    """One row per concept, site and age: score, selectivity with its interval, p and q, verdict and why."""
    at, numbers = ["concept", "site", "age"], ["low", "high", "n", "seeds", "p_value", "q_value"]
    rows = run.pooled("locate", "selectivity").drop_duplicates(at, keep="last")
    rows = rows[rows["site"] != ""].dropna(subset=["age"])[[*at, "estimate", *numbers, "verdict", "why"]]
    score = run.pooled("locate", "score").drop_duplicates(at, keep="last")
    score = score[[*at, "estimate", "verdict", "why"]].rename(columns={"estimate": "score"})
    merged = rows.rename(columns={"estimate": "selectivity"}).merge(score, "left", on=at, suffixes=("", "_of_score"))
    for name in ("verdict", "why"):
        merged[name] = merged[name].where(merged[name] != "", merged[f"{name}_of_score"].fillna(""))
    return merged[[*at, "score", "selectivity", *numbers, "verdict", "why"]]


def chart(index: int, rows: pd.DataFrame, sites: list[str], ages: list[int], limit: float, run: RunData) -> Figure:
    """The heat map of one concept."""
    name, drawn = str(rows["concept"].iloc[0]), rows.rename(columns={"selectivity": "estimate"})
    role = run.roles.get(name, "further concept")
    return Figure(f"grid-{index}", f"{name} · {role}", plots.heat_map(drawn, sites, ages, limit), reading(drawn))


def reading(rows: pd.DataFrame) -> str:
    """Where the concept is present, first and now."""
    known = rows.dropna(subset=["estimate"])
    if known.empty:
        return "Not measured anywhere."
    present = known[known["verdict"] == "present"]
    unmeasured = len(rows) - len(known)
    tail = f" {plural(unmeasured, 'cell')} not measured." if unmeasured else ""
    if present.empty:
        best = largest(known)
        top = f"highest selectivity {number(best['estimate'])} at {best['site']}, {age_words(best['age'])}"
        return f"Present nowhere at any age; {top}.{tail}"
    first, now = int(present["age"].min()), last_age(known)
    here, best = now[now["verdict"] == "present"], largest(now)
    places = f"present at {len(here)} of {plural(len(now), 'site')} now" if len(here) else "present nowhere now"
    top = f"highest selectivity {number(best['estimate'])} at {best['site']}"
    return f"First present at {age_words(first)}; {places}, {top}.{tail}"
