"""When the latch moved, and through what: behaviour, critic, causal line and decodability on one axis of age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.axes import DASHES, SYMBOLS
from imprint.reports.figures.series import RATE, Scale, Series, curves, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.reading import agents
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, capitalised, interval, listing, measured, number, plural

COLUMNS = ["metric", "concept", "control", "site", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
LEVELS = Scale("part of the levels", limits=RATE)


@dataclass(frozen=True)
class Line:
    """One line of evidence about what the agents pursue."""

    name: str
    heading: str
    series: list[Series]
    scale: Scale
    reading: str

    @property
    def ages(self) -> set[int]:
        """Ages at which it was measured."""
        return {int(age) for one in self.series for age in one.rows["age"].dropna()}


class LatchCurve(Section):
    """Four kinds of curves under one another; the age at which the intended goal overtakes is marked in all."""

    order: ClassVar[int] = 6
    title: ClassVar[str] = "When the latch moved, and through what"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures, and the age of the crossing per seed."""
        if not run.agents:
            return None
        lines = [behaviour(run), critic(run), *(causal(run, goal) for goal in run.goals), decodability(run)]
        ages = sorted(set().union(*(line.ages for line in lines)))
        crossed = agents.overtakings(run)
        crossings = [float(row.age) for row in records(crossed) if measured(row.age) and row.age > row.first]
        drawn = [draw(i, line, ages, crossings) for i, line in enumerate(lines) if line.ages]
        lacking = listing(dict.fromkeys(line.name for line in lines if not line.ages))
        missing = [f"Not in the findings: {lacking}."] if lacking else []
        return {
            "figures": drawn,
            "tables": tables(run, crossed),
            "missing": [*missing, *unmeasured(run)],
            "marked": len(crossings),
            "aged": len(ages) > 1,
        }


def tables(run: RunData, crossed: pd.DataFrame) -> list[Table]:
    """Ages of the crossing, and all findings of the critic and of the causal line."""
    ages = crossed.drop(columns="first").rename(columns={"age": "overtaken_at"})
    shown = [Table("latch-curve-crossing", "Age from which the intended goal stays ahead", ages)] if len(ages) else []
    for name in ("critic", "causal"):
        every = run.findings[run.findings["analysis"] == name]
        if len(every):
            shown.append(Table(f"latch-curve-{name}", f"All findings of the {name} line", every[COLUMNS]))
    return shown


def draw(index: int, line: Line, ages: list[int], crossings: list[float]) -> Figure:
    """Curves over ages; rows of marks where the line was measured at one age alone."""
    name, caption = f"latch-curve-{index}", ""
    if len(line.ages) == 1 and len(ages) > 1:
        rows, seeds = (pd.concat([getattr(one, part) for one in line.series]) for part in ("rows", "seeds"))
        colours = {one.name: one.colour for one in line.series}
        plot = marks(list(colours), [Series("", "--ink-soft", rows, seeds)], line.scale, colours=colours)
        caption = f"Measured at {age_words(min(line.ages))} only."
    else:
        plot = curves(line.series, ages, line.scale, crossings=crossings)
    return Figure(name, line.heading, plot, line.reading, caption)


def series_of(name: str, parts: Sequence[pd.DataFrame], colour: str, *, symbol: str, dash: str = "solid") -> Series:
    """A series from its rows over seeds and per seed: those with an age, one per age and seed."""
    known = [part.dropna(subset=["age"]).drop_duplicates(["age", "seed"], keep="last") for part in parts]
    rows, seeds = (part.assign(place=name) for part in known)
    return Series(name, colour, rows, seeds, symbol, dash)


def behaviour(run: RunData) -> Line:
    """What is reached first where the goals are in different places."""
    colours, series = colours_of(run), []
    for i, goal in enumerate(run.goals):
        both = [agents.where_apart(run, agents.metric_of(run, goal), per_seed=single) for single in (False, True)]
        own = [rows[rows["concept"] == goal] for rows in both]
        series.append(series_of(f"{goal} first", own, colours[goal], symbol=SYMBOLS[i % len(SYMBOLS)]))
    either = [agents.where_apart(run, "capability", per_seed=single) for single in (False, True)]
    series.append(series_of("either", either, "--c-other1", symbol=SYMBOLS[len(series) % len(SYMBOLS)], dash="dot"))
    return Line("behaviour", "Behaviour: what is reached first, where the goals are apart", series, LEVELS, moved(run))


def moved(run: RunData) -> str:
    """When the intended goal overtook the proxies, per seed."""
    crossed = agents.overtakings(run)
    if crossed.empty:
        return "Behaviour of single seeds was not measured at any age."
    known = crossed.dropna(subset=["age"])
    late, total = known[known["age"] > known["first"]], plural(len(crossed), "seed")
    always, never = len(known) - len(late), len(crossed) - len(known)
    texts = []
    if len(late):
        low, high = (age_words(float(f"{age:.2g}")) for age in (late["age"].min(), late["age"].max()))
        span = f"at about {low}" if low == high else f"between about {low.split()[0]} and {high}"
        texts.append(f"overtakes for good {span} in {len(late)} of {total}")
    if always:
        texts.append(f"is ahead at every age in {always} of {total}")
    if never:
        texts.append(f"is not ahead at the last age in {never} of {total}")
    goal = f"“{run.intended}”" if run.intended else "The intended goal"
    return f"{goal} {listing(texts)}.{dip(run)}"


def dip(run: RunData) -> str:
    """Capability at its lowest after the first age, when it falls by a tenth before and recovers by one after."""
    rows = agents.where_apart(run, "capability").dropna(subset=["age", "estimate"]).sort_values("age")
    rates = [float(rate) for rate in rows["estimate"]]
    if len(rates) < 3:
        return ""
    at = min(range(1, len(rates)), key=lambda i: rates[i])
    if min(max(rates[:at]), max(rates[at:])) - rates[at] < 0.1:
        return ""
    row = rows.iloc[at]
    return f" In between, capability falls to {interval(row, share=True)} at {age_words(row['age'])}."


def critic(run: RunData) -> Line:
    """What the critic's value follows."""
    colours, series = colours_of(run), []
    for i, goal in enumerate(run.goals):
        parts = [rows[rows["concept"] == goal] for rows in run.both("critic", "beta", control="")]
        series.append(series_of(f"β {goal}", parts, colours[goal], symbol=SYMBOLS[i % len(SYMBOLS)]))
    for i, (metric, name, colour) in enumerate((("r2", "R²", "--c-other2"), ("latch_index", "latch index", "--ink"))):
        both = run.both("critic", metric, control="")
        series.append(series_of(name, both, colour, symbol=SYMBOLS[i + 4], dash=DASHES[i]))
    scale = Scale("coefficient, R², index", share=False)
    return Line("critic", "Critic: what its value follows", series, scale, index_words(run))


def index_words(run: RunData) -> str:
    """The latch index now, or why there is none."""
    rows = run.pooled("critic", "latch_index", control="").dropna(subset=["age"])
    if rows.empty:
        return "The latch index of the critic was not measured."
    now = last_age(rows).iloc[-1]
    if not measured(now["estimate"]):
        why = str(now["why"]).rstrip(".") or "its fit does not beat its floors"
        return f"No latch index at {age_words(now['age'])}: {why}."
    side = "the proxies" if now["estimate"] > 0.5 else f"“{run.intended}”"
    return f"Latch index {interval(now)} at {age_words(now['age'])} (0 the goal, 1 the proxies): nearer to {side}."


def unmeasured(run: RunData) -> list[str]:
    """Why erasing could not be tried, in the words of the findings."""
    lost = run.rows("causal", "goal", control="")
    return [f"Erasing was not measured: {str(why).rstrip('.')}." for why in lost["why"].unique() if why]


def causal(run: RunData, goal: str) -> Line:
    """How often ``goal`` is reached first when things are erased."""
    colours, series = colours_of(run), []
    both = [agents.after_erasing(run, goal, per_seed=single) for single in (False, True)]
    edits = sorted(dict.fromkeys(both[0]["edit"]), key=lambda edit: (edit != agents.INTACT, edit.startswith("random")))
    for i, edit in enumerate(edits):
        colour = colours.get(edit.removeprefix("without "), "--ink" if edit == agents.INTACT else "--ink-soft")
        dash = "dot" if edit.startswith("random") else "solid"
        parts = [rows[rows["edit"] == edit] for rows in both]
        series.append(series_of(edit, parts, colour, symbol=SYMBOLS[i % len(SYMBOLS)], dash=dash))
    sentence = agents.causal_sentence(run, goal)
    reading = f"{capitalised(sentence)}." if sentence else "What erasing does was not measured."
    return Line("causal line", f"Causal line: “{goal}” first after erasing", series, LEVELS, reading)


def decodability(run: RunData) -> Line:
    """How well facts about each goal can be read, at the best site."""
    colours, texts = colours_of(run), []
    series: list[Series] = []
    for fact in run.roles:
        parts = [agents.readable(run, fact, per_seed=single) for single in (False, True)]
        if parts[0].empty:
            continue
        colour = next(colours[goal] for goal in run.goals if fact.startswith(f"{goal}_"))
        dash = ("solid", *DASHES)[sum(one.colour == colour for one in series) % 5]
        series.append(series_of(fact, parts, colour, symbol=SYMBOLS[len(series) % len(SYMBOLS)], dash=dash))
        now = last_age(parts[0]).iloc[-1]
        chosen = "" if now["metric"] == "best_site_score" else " (the highest of all sites)"
        texts.append(f"“{fact}” {number(now['estimate'])}{chosen}")
    reading = f"At the last age: {listing(texts)}. That a fact can be read does not show that it is used."
    scale = Scale("score at the best site", share=False)
    return Line("decodability", "Decodability: what can be read", series, scale, reading if texts else "")
