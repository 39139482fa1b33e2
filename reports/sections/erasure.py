"""Where the value takes a concept from: what its share loses when it is erased at a site, against random erasures."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.series import Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, measured, percent

ERASED, PLACEBO = "erased", "random subspace"


class Erasure(Section):
    """Erasure per site for the intended concept and every proxy."""

    order: ClassVar[int] = 50
    title: ClassVar[str] = "Where the value takes it from"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per concept."""
        if run.agents:
            return None
        rows = last_age(run.pooled("latch", "erasure_loss"))
        effect, placebo = rows[rows["control"] == ERASED], rows[rows["control"] == PLACEBO]
        if effect.empty:
            return {"missing": ["The findings hold no losses by erasure."]}
        names = [name for name in run.concepts if name in set(effect["concept"])]
        drawn = []
        for i, name in enumerate(names):
            here, null = effect[effect["concept"] == name], placebo[placebo["concept"] == name]
            drawn.append(Figure(f"erasure-{i}", name, plot_of(run, here, null), reading(here, null)))
        table = rows[["concept", "site", "control", "estimate", "low", "high", "n", "seeds", "why"]]
        formats = dict.fromkeys(("estimate", "low", "high"), percent)
        lacking = "No random subspaces were erased, so a loss may be mere damage."
        return {
            "figures": drawn,
            "tables": [Table("erasure-losses", "Loss at every site", table, formats)],
            "missing": [] if len(placebo) else [lacking],
            "age": age_words(rows["age"].max()),
            "counts": counts(effect),
        }


def plot_of(run: RunData, effect: pd.DataFrame, placebo: pd.DataFrame) -> dict[str, Any]:
    """Losses of one concept at every site."""
    sites = list(dict.fromkeys([*effect["site"], *placebo["site"]]))
    colour = colours_of(run)[str(effect["concept"].iloc[0])]
    series = [
        Series("concept erased", colour, effect.assign(place=effect["site"])),
        Series(PLACEBO, "--ink-soft", placebo.assign(place=placebo["site"]), symbol="circle-open"),
    ]
    return marks(sites, series, Scale("share of variance lost"))


def reach(placebo: pd.DataFrame, site: str) -> float:
    """The loss by random erasures at a site: its upper end, or its mean without an interval; infinite when unknown."""
    if site not in placebo.index:
        return float("inf")
    row: Any = placebo.loc[site]
    known = [float(row[key]) for key in ("high", "estimate") if measured(row[key])]
    return known[0] if known else float("inf")


def reading(effect: pd.DataFrame, placebo: pd.DataFrame) -> str:
    """Sites where erasing the concept loses more than random erasures do."""
    known = effect.dropna(subset=["estimate"])
    if known.empty:
        return "Not measured."
    null = placebo.drop_duplicates("site", keep="last").set_index("site")
    beyond = [r.site for r in records(known) if measured(r.low) and r.low > reach(null, str(r.site))]
    top = largest(known)
    control = null.loc[top["site"], "estimate"] if top["site"] in null.index else float("nan")
    return (
        f"More is lost than by random erasures at {len(beyond)} of {len(known)} sites; "
        f"the largest loss, {percent(top['estimate'])}, is at {top['site']} (random: {percent(control)})."
    )
