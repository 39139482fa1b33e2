"""What is known where, and since when: selectivity of every concept at every site and age."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.answers.located import MARKS, MEANINGS, PRESENT
from imprint.reports.figures.axes import spread
from imprint.reports.figures.plots import heat_map
from imprint.reports.figures.sites import diagram
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.agents import nothing_learned
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, number, plural

CELLS = "Every concept, site and age"


class Grid(Section):
    """One heat map per concept, all on one colour scale."""

    order: ClassVar[int] = 20
    title: ClassVar[str] = "What is known, where, and since when"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One heat map per concept."""
        cells = cells_of(run)
        if cells.empty and run.agents:
            return None
        if cells.empty:
            return {"missing": ["The findings do not say how well any concept can be read at any site and age."]}
        if run.agents and (sentence := nothing_learned(run)):
            shown = {"sentence": sentence, "gist": sentence, "tables": [Table("grid-cells", CELLS, cells)]}
            return {"figures": [], **shown}
        listed = [str(name) for name in run.arrays("sites", ("site",)).values.get("site", ())]
        sites = sorted(dict.fromkeys(cells["site"]), key=lambda name: listed.index(name) if name in listed else -1)
        ages = sorted(int(age) for age in cells["age"].unique())
        there = cells[cells["verdict"].isin(PRESENT)]
        limit = round(spread((there if len(there) else cells)["selectivity"], floor=0.1), 2)
        drawn: list[Figure] = []
        absent: list[Figure] = []
        for i, name in enumerate(name for name in run.concepts if name in set(cells["concept"])):
            rows = cells[cells["concept"] == name]
            heading = f"{name} · {run.roles.get(name, 'further concept')}"
            figure = Figure(f"grid-{i}", heading, heat_map(rows, sites, ages, limit), reading(rows))
            (drawn if rows["verdict"].isin(PRESENT).any() else absent).append(figure)
        return {
            "figures": drawn + absent,
            "present": drawn,
            "absent": absent,
            "sites": diagram(run, cells, colours_of(run)),
            "tables": [Table("grid-cells", CELLS, cells)],
            "limit": number(limit),
            "ages": plural(len(ages), "age"),
            "counts": counts(cells),
            "key": [(MARKS[word], word, meaning) for word, meaning in MEANINGS.items()],
            "alpha": run.part("evaluation").get("alpha"),
        }


def cells_of(run: RunData) -> pd.DataFrame:
    """One row per concept, site and age: score, selectivity with its interval, p and q, verdict and why."""
    at = ["concept", "site", "age"]
    rows = run.pooled("locate", "selectivity").drop_duplicates(at, keep="last")
    rows = rows[rows["site"] != ""].dropna(subset=["age"]).rename(columns={"estimate": "selectivity"})
    score = run.pooled("locate", "score").drop_duplicates(at, keep="last").rename(columns={"estimate": "score"})
    merged = rows.merge(score[[*at, "score"]], "left", on=at)
    columns = ["score", "selectivity", "low", "high", "n", "seeds", "p_value", "q_value", "verdict", "why"]
    return merged[[*at, *columns]]


def reading(rows: pd.DataFrame) -> str:
    """Where the concept is present, first and now."""
    known = rows.dropna(subset=["selectivity"])
    if known.empty:
        return "Not measured anywhere."
    present, now = known[known["verdict"].isin(PRESENT)], last_age(known)
    unmeasured = len(rows) - len(known)
    tail = f" {plural(unmeasured, 'cell')} not measured." if unmeasured else ""
    best = (known if present.empty else now).sort_values("selectivity", kind="stable").iloc[-1]
    top = f"highest selectivity {number(best['selectivity'])} at {best['site']}"
    if present.empty:
        return f"Present nowhere at any age; {top}, {age_words(best['age'])}.{tail}"
    here = int(now["verdict"].isin(PRESENT).sum())
    places = f"at {here} of {plural(len(now), 'site')}" if here else "nowhere"
    return f"First present at {age_words(present['age'].min())}; at the last age present {places}, {top}.{tail}"
