"""What the value depends on, and since when: shares of its variance on the balanced design, now and at every age."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.plots import share_bars
from imprint.reports.figures.series import Scale, Series, curves
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import largest, last_age, records
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, capitalised, counts, interval, listing, percent, plural, quoted

PARTS = ("(interaction)", "(residual)")
NOTABLE = 0.01
"""Share of the variance from which a factor is named."""


class Shares(Section):
    """Bars at the last age, curves over age."""

    order: ClassVar[int] = 10
    title: ClassVar[str] = "What the value depends on"
    open: ClassVar[bool] = True

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures of the decomposition now and at every age."""
        if run.agents:
            return None
        pooled, seeds = run.both("latch", "share")
        if pooled.empty:
            return {"missing": ["The findings hold no shares of the value's variance."], "sentences": []}
        order = [name for name in (*run.concepts, *PARTS) if name in set(pooled["concept"])]
        now = last_age(pooled).set_index("concept").reindex(order).reset_index()
        drawn = [bars(run, now, last_age(seeds))]
        if pooled["age"].nunique() > 1:
            drawn.append(by_age(run, pooled.dropna(subset=["age"]), order))
        heading = f"Shares at {age_words(now['age'].max())}"
        columns = ["estimate", "low", "high", "n", "seeds", "why"]
        every = pd.concat([pooled, seeds]).drop_duplicates()
        rest = last_age(run.pooled("latch", "residual")).rename(columns={"control": "factor"})
        twins = last_age(run.pooled("latch", "untrained_share"))
        formats = dict.fromkeys(("estimate", "low", "high"), percent)
        at_ages = every[["concept", "age", "seed", *columns]]
        tables = [
            Table("shares-now", heading, now[["concept", *columns]], formats),
            Table("shares-ages", "Shares at every age, over seeds and per seed", at_ages, formats),
        ]
        if len(rest):
            heading = "What else the value varies with, within combinations of the concepts"
            tables.append(
                Table("shares-residual", heading, rest[["factor", "estimate", "low", "high", "seeds"]], formats)
            )
        if len(twins):
            reached = twins[["concept", "estimate", "high"]].rename(columns={"high": "untrained stay below"})
            more = formats | {"untrained stay below": percent}
            tables.append(Table("shares-twins", "Shares in untrained networks", reached, more))
        return {"figures": drawn, "tables": tables, "missing": unmeasured(pooled), "sentences": residual(rest)}


def residual(rest: pd.DataFrame) -> list[str]:
    """What else the value varies with most, and how far it follows what the learner takes the concept to be."""
    found = rest.dropna(subset=["estimate"])
    others = found[~found["factor"].str.startswith("(")].sort_values("estimate", ascending=False)
    largest_others = others[others["estimate"] > NOTABLE].head(3)
    listed = listing(f"“{row.factor}” ({percent(row.estimate)})" for row in records(largest_others))
    texts = [f"Beyond the concepts, the value varies with {listed}."] if listed else []
    for row in records(found[(found["factor"] == "(belief)") & (found["estimate"] > NOTABLE)]):
        texts.append(
            f"{percent(row.estimate)} of its variance goes with what the learner itself takes the intended concept to "
            "be, beyond what is true: there it follows its own mistakes."
        )
    return texts


def unmeasured(pooled: pd.DataFrame) -> list[str]:
    """What has no share at some age, and why; one sentence for all concepts that share a reason."""
    lost = pooled[pooled["estimate"].isna()].drop_duplicates(["concept", "age"])
    return [
        f"At {age_words(age)}, {quoted(rows['concept'])} {'was' if len(rows) == 1 else 'were'} not measured"
        f"{': ' + str(why) if why else ''}."
        for (age, why), rows in lost.groupby(["age", "why"], dropna=False)
    ]


def bars(run: RunData, now: pd.DataFrame, seeds: pd.DataFrame) -> Figure:
    """The decomposition at the last age."""
    named = now[~now["concept"].isin(PARTS)].dropna(subset=["estimate"])
    reading = "No share was measured."
    if len(named):
        top, rest = largest(named), records(now[now["concept"].isin(PARTS)])
        others = "".join(f"; {row.concept.strip('()')} {percent(row.estimate)}" for row in rest)
        reading = f"The largest is that of “{top['concept']}”, {interval(top, share=True)}{others}."
    caption = (
        "Part of the variance of the value that each concept alone explains when all concepts vary independently. "
        f"Bars: estimate over seeds; lines: 95 % interval; small circles: single training seeds. {counts(now)}. "
        "Estimates are unbiased, so a share near zero can come out slightly negative."
    )
    heading = f"Shares at {age_words(now['age'].max())}"
    return Figure("shares-bars", heading, share_bars(now, seeds, colours_of(run)), reading, caption)


def by_age(run: RunData, rows: pd.DataFrame, order: list[str]) -> Figure:
    """The same shares at every age."""
    ages, colours = sorted(int(age) for age in rows["age"].unique()), colours_of(run)
    series = [Series(name, colours[name], rows[rows["concept"] == name]) for name in order]
    plot = curves(series, ages, Scale("share of the value's variance"), height=420)
    named = rows[~rows["concept"].isin(PARTS) & (rows["low"].fillna(rows["estimate"]) > 0)]
    leaders = [(age, str(largest(named[named["age"] == age])["concept"])) for age in ages if age in set(named["age"])]
    turns = [lead for before, lead in zip([(-1, ""), *leaders], leaders, strict=False) if before[1] != lead[1]]
    leads = "; ".join(f"“{name}” leads from {age_words(age)} on" for age, name in turns[-4:])
    reading = f"{capitalised(leads)}." if leads else "No concept's share is shown to be above zero at any age."
    caption = f"Bands: 95 % intervals over seeds. {plural(len(ages), 'age')}, {counts(rows)}."
    return Figure("shares-ages-curves", "How the shares changed with age", plot, reading, caption)
