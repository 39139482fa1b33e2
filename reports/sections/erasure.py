"""Where the value takes a concept from: what its share loses when it is erased at a site, against a placebo."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures import axes, plots
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, counts, measured, number, percent

ERASED, PLACEBO = "erased", "random subspace"


class Erasure(Section):
    """Erasure per site for the intended concept and every proxy."""

    order: ClassVar[int] = 50
    title: ClassVar[str] = "Where the value takes it from"
    short: ClassVar[str] = "Erasure"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """One figure per concept."""
        if run.agents:
            return None
        rows = last_age(run.pooled("latch", "erasure_loss"))
        effect = rows[rows["control"].isin((ERASED, ""))]
        placebo = rows[rows["control"] == PLACEBO]
        if effect.empty:
            return {"missing": ["The findings hold no erasure losses."]}
        names = [name for name in run.concepts if name in set(effect["concept"])]
        sites = list(dict.fromkeys(rows["site"]))
        colours = axes.palette(run.intended, run.proxies, [c for c in run.concepts if c not in run.proxies])
        drawn = []
        for i, name in enumerate(names):
            here, null = effect[effect["concept"] == name], placebo[placebo["concept"] == name]
            legend = ("concept erased", "random subspace")
            title = "share of variance lost"
            plot = plots.versus(sites, here, null, names=legend, colour=colours.get(name, "--c-other1"), x_title=title)
            drawn.append(Figure(f"erasure-{i}", name, plot, reading(here, null)))
        table = rows[["concept", "site", "control", "estimate", "low", "high", "n", "seeds", "why"]]
        missing = (
            [] if len(placebo) else ["No random-subspace placebo was measured, so no loss can be told from damage."]
        )
        return {
            "figures": drawn,
            "tables": [
                Table(
                    "erasure-losses", "Loss at every site", table, dict.fromkeys(("estimate", "low", "high"), percent)
                )
            ],
            "missing": missing,
            "age": age_words(rows["age"].max()),
            "counts": counts(effect),
        }


def reach(placebo: pd.DataFrame, site: str) -> float:
    """What the placebo reaches at a site: its upper end, or its mean without an interval; infinite when unknown."""
    if site not in placebo.index:
        return float("inf")
    row: Any = placebo.loc[site]
    known = [float(row[key]) for key in ("high", "estimate") if measured(row[key])]
    return known[0] if known else float("inf")


def reading(effect: pd.DataFrame, placebo: pd.DataFrame) -> str:
    """Sites where erasing does more than the placebo."""
    known = effect.dropna(subset=["estimate"])
    if known.empty:
        return "Not measured."
    null = placebo.drop_duplicates("site", keep="last").set_index("site")
    beyond = [r.site for r in records(known) if measured(r.low) and r.low > reach(null, str(r.site))]
    top = largest(known)
    control = null.loc[top["site"], "estimate"] if top["site"] in null.index else float("nan")
    return (
        f"Loss beyond the placebo at {number(len(beyond))} of {number(len(known))} sites; "
        f"largest at {top['site']}: {percent(top['estimate'])} (placebo {percent(control)})."
    )
