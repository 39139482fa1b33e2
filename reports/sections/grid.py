"""What is known where, and since when: selectivity of every concept at every site and age."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports import figures
from imprint.reports.run_data import RunData, largest, last_age
from imprint.reports.sections.base import Figure, Section, Table
from imprint.reports.words import LOCATE_WORDS, MARKS, age_words, counts, number, plural


class Grid(Section):
    """One heat map per concept, all on one colour scale."""

    order: ClassVar[int] = 20
    title: ClassVar[str] = "What is known, where, and since when"
    short: ClassVar[str] = "What, when, where"

    def collect(self, run: RunData) -> dict[str, Any]:
        """One heat map per concept."""
        rows = run.pooled("locate", "selectivity")
        rows = rows[rows["site"] != ""].dropna(subset=["age"])
        if rows.empty:
            return {
                "missing": [
                    "The findings hold no selectivity per site and age: the locate analysis did not run or failed."
                ]
            }
        score = run.pooled("locate", "score")[["concept", "site", "age", "estimate", "verdict", "why"]]
        score = score.drop_duplicates(["concept", "site", "age"], keep="last")
        merged = rows.merge(score, how="left", on=["concept", "site", "age"], suffixes=("", "_score"))
        for column in ("verdict", "why"):
            merged[column] = merged[column].where(merged[column] != "", merged[f"{column}_score"].fillna(""))
        sites = list(dict.fromkeys(merged["site"]))
        ages = sorted(int(age) for age in merged["age"].unique())
        limit = round(figures.spread(merged["estimate"], floor=0.1), 2)
        names = [name for name in run.concepts if name in set(merged["concept"])]
        drawn = [
            chart(i, name, merged[merged["concept"] == name], sites, ages, limit, run) for i, name in enumerate(names)
        ]
        columns = [
            "concept",
            "site",
            "age",
            "estimate_score",
            "estimate",
            "low",
            "high",
            "n",
            "seeds",
            "p_value",
            "q_value",
            "verdict",
            "why",
        ]
        table = merged[columns].rename(columns={"estimate_score": "score", "estimate": "selectivity"})
        return {
            "figures": drawn,
            "tables": [Table("grid-cells", "Every concept, site and age", table)],
            "limit": number(limit),
            "ages": plural(len(ages), "age"),
            "counts": counts(merged),
            "key": [(MARKS[word], word, meaning) for word, meaning in LOCATE_WORDS.items()],
            "alpha": run.part("evaluation").get("alpha"),
        }


def chart(
    index: int, name: str, rows: pd.DataFrame, sites: list[str], ages: list[int], limit: float, run: RunData
) -> Figure:
    """The heat map of one concept."""
    role = "intended" if name == run.intended else "proxy" if name in run.proxies else "further concept"
    return Figure(f"grid-{index}", f"{name} · {role}", figures.heat_map(rows, sites, ages, limit), reading(rows))


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
