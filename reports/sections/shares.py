"""What the value depends on, and when: shares of its variance on the balanced design, now and at every age."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures import axes, plots
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, counts, interval, percent, plural, quoted

PARTS = ("(interaction)", "(residual)")


class Shares(Section):
    """Bars at the last age, curves over age."""

    order: ClassVar[int] = 10
    title: ClassVar[str] = "What the value depends on"
    short: ClassVar[str] = "Shares"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures of the decomposition now and at every age."""
        if run.agents:
            return None
        pooled = run.pooled("latch", "share")
        if pooled.empty:
            return {
                "missing": unmeasured(pooled),
            }
        order = [*run.concepts, *PARTS]
        order = [name for name in order if name in set(pooled["concept"])]
        colours = axes.palette(run.intended, run.proxies, [c for c in run.concepts if c not in run.proxies])
        now = last_age(pooled).drop_duplicates("concept", keep="last").set_index("concept").reindex(order).reset_index()
        seeds = run.per_seed("latch", "share")
        drawn = [bars(now, last_age(seeds), colours)]
        aged = pooled.dropna(subset=["age"])
        if aged["age"].nunique() > 1:
            drawn.append(curves(aged, colours, order))
        columns = ["concept", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
        shown = pd.concat([pooled, seeds]).drop_duplicates()[columns]
        table_now = now[["concept", "estimate", "low", "high", "n", "seeds", "why"]]
        formats = dict.fromkeys(("estimate", "low", "high"), percent)
        return {
            "figures": drawn,
            "tables": [
                Table("shares-now", f"Shares at {age_words(now['age'].max())}", table_now, formats),
                Table("shares-ages", "Shares at every age, over seeds and per seed", shown, formats),
            ],
            "missing": unmeasured(pooled),
        }


def unmeasured(pooled: pd.DataFrame) -> list[str]:
    """What has no share at some age, and why; one sentence for all concepts that share a reason."""
    lost = pooled[pooled["estimate"].isna()].drop_duplicates(["concept", "age"])
    return [
        f"At {age_words(age)}, {quoted(rows['concept'])} {'was' if len(rows) == 1 else 'were'} not measured"
        f"{': ' + str(why) if why else ''}."
        for (age, why), rows in lost.groupby(["age", "why"], dropna=False)
    ]


def bars(now: pd.DataFrame, seeds: pd.DataFrame, colours: dict[str, str]) -> Figure:
    """The decomposition at the last age."""
    named = now[~now["concept"].isin(PARTS)].dropna(subset=["estimate"])
    if named.empty:
        reading = "No share was measured."
    else:
        top = largest(named)
        rest = now[now["concept"].isin(PARTS)]
        others = ", ".join(f"{r.concept.strip('()')} {percent(r.estimate)}" for r in records(rest))
        reading = f"Largest: “{top['concept']}” with {interval(top, share=True)}{'; ' + others if others else ''}."
    caption = (
        f"Part of the variance of the value that each concept alone explains when all concepts vary independently. "
        f"Bars: estimate over seeds; lines: 95 % interval; small circles: single training seeds. {counts(now)}. "
        "Estimates are unbiased, so a share near zero can come out slightly negative."
    )
    return Figure(
        "shares-bars",
        f"Shares at {age_words(now['age'].max())}",
        plots.share_bars(now, seeds, colours),
        reading,
        caption,
    )


def curves(rows: pd.DataFrame, colours: dict[str, str], order: list[str]) -> Figure:
    """When the latch moved."""
    ages = sorted(int(age) for age in rows["age"].unique())
    leads: list[tuple[int, str]] = []
    for age in ages:
        at = rows[(rows["age"] == age) & ~rows["concept"].isin(PARTS)].dropna(subset=["estimate"])
        if len(at) and at["estimate"].max() > 0:
            leader = str(largest(at)["concept"])
            if not leads or leads[-1][1] != leader:
                leads.append((age, leader))
    moves = "; ".join(f"“{name}” leads from {age_words(age)} on" for age, name in leads[-4:])
    reading = f"{moves[0].upper()}{moves[1:]}." if moves else "No concept holds a positive share at any age."
    caption = f"The same shares by age; bands: 95 % intervals over seeds. {plural(len(ages), 'age')}, {counts(rows)}."
    return Figure(
        "shares-ages-curves", "When the latch moved", plots.share_curves(rows, colours, order, ages), reading, caption
    )
