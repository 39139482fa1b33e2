"""When the latch moved, and through what: behaviour, critic, causal line and decodability on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd

from imprint.reports.figures.axes import DASHES, SYMBOLS, palette
from imprint.reports.figures.rates import Series, curves, rates
from imprint.reports.parts import Figure, Table
from imprint.reports.reading.agents import after_erasing, apart, causal_sentence, of, overtakings, pursuits, readable
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, interval, listing, measured, number, plural


class LatchCurve(Section):
    """Four kinds of curves under one another; the age at which the intended goal overtakes is marked in all."""

    order: ClassVar[int] = 6
    title: ClassVar[str] = "When the latch moved, and through what"
    short: ClassVar[str] = "Latch curve"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Figures, and the age of the crossing per seed."""
        if not run.agents:
            return None
        lines = [behaviour(run), critic(run), *causal(run), *decodability(run)]
        ages = sorted({int(age) for _, series, _, _ in lines for one in series for age in one.rows["age"].dropna()})
        crossed = overtakings(run)
        marks = [float(row.age) for row in records(crossed) if measured(row.age) and row.age > row.first]
        drawn = [draw(i, *line, ages, marks) for i, line in enumerate(lines) if any(len(one.rows) for one in line[1])]
        lacking = [
            heading.split(":")[0].lower() for heading, series, _, _ in lines if not any(len(s.rows) for s in series)
        ]
        missing = [f"Not in the findings: {listing(dict.fromkeys(lacking))}."] if lacking else []
        crossed = crossed.drop(columns="first").rename(columns={"age": "overtaken_at"})
        tables = [Table("latch-curve-crossing", "Age from which the intended goal stays ahead", crossed)]
        tables = tables if len(crossed) else []
        for name in ("critic", "causal"):
            every = run.findings[run.findings["analysis"] == name]
            if len(every):
                tables.append(Table(f"latch-curve-{name}", f"All findings of the {name} line", every[COLUMNS]))
        return {
            "figures": drawn,
            "tables": tables,
            "missing": [*missing, *unmeasured(run)],
            "marked": len(marks),
            "aged": len(ages) > 1,
        }


COLUMNS = ["metric", "concept", "control", "site", "age", "seed", "estimate", "low", "high", "n", "seeds", "why"]
Line = tuple[str, list[Series], str, str]
"""Heading, series, title of the vertical axis, reading."""


def draw(
    index: int, heading: str, series: list[Series], title: str, reading: str, ages: list[int], marks: list[float]
) -> Figure:
    """Curves over ages; rows of marks where erasing was tried at one age alone."""
    tried = {int(age) for one in series for age in one.rows["age"].dropna()}
    if len(tried) == 1 and len(ages) > 1:
        every = Series("", "--ink-soft", *(pd.concat([getattr(s, k) for s in series]) for k in ("rows", "seeds")))
        plot = rates([one.name for one in series], [every], title, {one.name: one.colour for one in series})
        caption = f"Measured at {age_words(min(tried))} only."
        return Figure(f"latch-curve-{index}", heading, plot, reading, caption)
    rate = title == "part of the levels"
    return Figure(f"latch-curve-{index}", heading, curves(series, ages, title, rate=rate, crossings=marks), reading)


def behaviour(run: RunData) -> Line:
    """Who is reached first where goal and proxy lie apart."""
    colours = palette(run.intended, run.proxies)
    series = []
    for i, (name, metric) in enumerate([*pursuits(run), ("either", "capability")]):
        about = run.intended if metric == "capability" else name
        parts = [of(apart(run, metric, per_seed=single), about) for single in (False, True)]
        said = name if metric == "capability" else f"{name} first"
        dash = "dot" if metric == "capability" else "solid"
        series.append(series_of(said, colours.get(name, "--c-other1"), parts, SYMBOLS[i], dash))
    return "Behaviour: what is reached first, apart", series, "part of the levels", moved(run)


def series_of(name: str, colour: str, parts: Sequence[pd.DataFrame], symbol: str, dash: str = "solid") -> Series:
    """A series from its rows over seeds and per seed: those with an age, one per age and seed."""
    known = [part.dropna(subset=["age"]).drop_duplicates(["age", "seed"], keep="last") for part in parts]
    rows, seeds = (part.assign(place=name) for part in known)
    return Series(name, colour, rows, seeds, symbol, dash)


def moved(run: RunData) -> str:
    """When the intended goal overtook the proxies, per seed, in a sentence."""
    crossed = overtakings(run)
    if crossed.empty:
        return "Behaviour of single seeds was not measured at any age."
    known = crossed.dropna(subset=["age"])
    late, total = known[known["age"] > known["first"]], len(crossed)
    always, never = len(known) - len(late), total - len(known)
    parts = []
    if len(late):
        low, high = (age_words(float(f"{age:.2g}")) for age in (late["age"].min(), late["age"].max()))
        span = f"at about {low}" if low == high else f"between about {low.split()[0]} and {high}"
        parts.append(f"overtakes for good {span} in {len(late)} of {plural(total, 'seed')}")
    if always:
        parts.append(f"is ahead at every age in {always} of {plural(total, 'seed')}")
    if never:
        parts.append(f"is not ahead at the end in {never} of {plural(total, 'seed')}")
    return f"“{run.intended}” {listing(parts)}.{dip(run)}"


def dip(run: RunData) -> str:
    """Capability at its lowest after the first age, when it recovers by a tenth or more."""
    rows = apart(run, "capability").dropna(subset=["age", "estimate"]).sort_values("age")
    rates_ = [float(value) for value in rows["estimate"]]
    if len(rates_) < 3:
        return ""
    at = min(range(1, len(rates_)), key=lambda i: rates_[i])
    if max(rates_[:at]) - rates_[at] < 0.1 or max(rates_[at:]) - rates_[at] < 0.1:
        return ""
    row = rows.iloc[at]
    return f" On the way capability dips to {interval(row, share=True)} at {age_words(row['age'])}."


def critic(run: RunData) -> Line:
    """What the critic's value follows."""
    colours = palette(run.intended, run.proxies)
    series = []
    for i, name in enumerate((run.intended, *run.proxies)):
        parts = [of(pick("critic", "beta", control=""), name) for pick in (run.pooled, run.per_seed)]
        series.append(series_of(f"β {name}", colours[name], parts, SYMBOLS[i]))
    for i, (metric, said) in enumerate((("r2", "R²"), ("latch_index", "latch index"))):
        parts = [pick("critic", metric, control="") for pick in (run.pooled, run.per_seed)]
        series.append(series_of(said, ("--c-other2", "--ink")[i], parts, SYMBOLS[i + 4], DASHES[i]))
    return "Critic: what its value follows", series, "coefficient, R², index", index_words(run)


def index_words(run: RunData) -> str:
    """The latch index now, or that the fit does not allow one."""
    rows = run.pooled("critic", "latch_index", control="").dropna(subset=["age"])
    if rows.empty:
        return "The latch index of the critic was not measured."
    now = last_age(rows).iloc[-1]
    if not measured(now["estimate"]):
        why = f": {now['why']}" if now["why"] else ", for its fit does not beat its floors"
        return f"No latch index at {age_words(now['age'])}{why}."
    side = "the proxies" if now["estimate"] > 0.5 else f"“{run.intended}”"
    return f"Latch index {interval(now)} at {age_words(now['age'])} (0 the goal, 1 the proxies): nearer to {side}."


def unmeasured(run: RunData) -> list[str]:
    """Why erasing could not be tried, in the words of the findings."""
    lost = run.rows("causal", "goal", control="")
    return [f"Erasing was not measured: {str(why).rstrip('.')}." for why in lost["why"].unique() if why]


def causal(run: RunData) -> list[Line]:
    """What pursuing each thing becomes when things are erased."""
    colours = palette(run.intended, run.proxies)
    found = []
    for name, _ in pursuits(run):
        both = [after_erasing(run, name, per_seed=single) for single in (False, True)]
        series = []
        edits = list(dict.fromkeys(both[0]["edit"]))
        for i, edit in enumerate(sorted(edits, key=lambda edit: (edit != "intact", not edit.startswith("without ")))):
            colour = colours.get(edit.removeprefix("without "), "--ink" if edit == "intact" else "--ink-soft")
            dash = "dot" if edit.startswith("random") else "solid"
            series.append(series_of(edit, colour, [part[part["edit"] == edit] for part in both], SYMBOLS[i], dash))
        said = causal_sentence(run, name)
        reading = f"{said[0].upper()}{said[1:]}." if said else "What erasing does was not measured."
        found.append((f"Causal line: “{name}” first after erasing", series, "part of the levels", reading))
    return found


def decodability(run: RunData) -> list[Line]:
    """How well facts about each goal can be read, at the best site."""
    colours = palette(run.intended, run.proxies)
    series: list[Series] = []
    said = []
    for fact in run.roles:
        parts = [readable(run, fact, per_seed=single) for single in (False, True)]
        if parts[0].empty:
            continue
        colour = next(colours[name] for name in (run.intended, *run.proxies) if fact.startswith(f"{name}_"))
        dash = ("solid", *DASHES)[sum(one.colour == colour for one in series) % 5]
        series.append(series_of(fact, colour, parts, SYMBOLS[len(series) % len(SYMBOLS)], dash))
        now = last_age(parts[0]).iloc[-1]
        chosen = "" if now["metric"] == "best_site_score" else " (the highest of all sites)"
        said.append(f"“{fact}” {number(now['estimate'])}{chosen}")
    reading = f"At the last age: {listing(said)}. Being readable is not being wanted." if said else ""
    return [("Decodability: what can be read", series, "score at the best site", reading)]
