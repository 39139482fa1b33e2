"""Setups side by side -> one self-contained HTML page.

First the design choices that moved the latch most: pairs of setups that differ in one setting. Then every setup in one
chart and one table, and which setups have no run yet, with the commands that make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from imprint.analyses.evaluate.setups_compared.shipped import Compared
from imprint.analyses.questions.base import Chart, Exhibit
from imprint.analyses.statistics import NAN
from imprint.models.errors import ImprintError
from imprint.models.files import write_bytes
from imprint.models.progress import duration
from imprint.reports.answers import agents, values
from imprint.reports.pages.question import show
from imprint.reports.pages.template import Page, fill
from imprint.reports.parts import Table
from imprint.reports.words import bracketed, measured, number, percent, plural, quoted

NAME = "compared.html"
"""File name of the page where only a folder is given."""
LARGEST = 3
"""Design choices that are named at the top."""


def report_compared(compared: Compared, path: str | Path = NAME) -> Path:
    """Write the page of setups side by side; its path. ``path``: the file, or a folder that is there.

    Raises :class:`ImprintError` when no setup has a finished run.
    """
    target = Path(path)
    target = target / NAME if target.is_dir() else target
    write_bytes(target, render_compared(compared, target.stem).encode("utf-8"))
    return target


def render_compared(compared: Compared, name: str = "compared") -> str:
    """The page as text; ``name`` goes into its title and the names of downloads."""
    if compared.table.empty:
        raise ImprintError("no setup has a finished run, so there is nothing to compare. Make some with --run.")
    shown = [show(exhibit) for exhibit in _exhibits(compared)]
    plots = {panel.id: panel.plot for item in shown for panel in item.panels}
    every = Table("setups", "Every setup, with every number", compared.table)
    page = Page("result.html", name, plots, [*(item.table for item in shown), every])
    content = {
        "name": name,
        "maker": "imprint compare",
        "heading": f"{plural(len(compared.table), 'setup')} side by side",
        "answers": choices_of(compared),
        "notes": [*filter(None, [size_of(compared)]), *_missing_in_short(compared)],
        "caveats": [],
        "shown": shown,
        "every": every,
        "meanings": {**values.MEANINGS, **agents.MEANINGS},
        "asked": {},
    }
    return fill(page, content)


def choices_of(compared: Compared) -> list[dict[str, str]]:
    """The design choices with the largest effect on dominance, as setting and sentence."""
    known = compared.contrasts[compared.contrasts["difference"].map(measured)]
    if known.empty:
        text = "no two of these setups answer one question and differ in one setting, so no design choice is seen"
        return [{"concept": "Design choices", "sentence": f"{text}."}]
    return [{"concept": str(row["setting"]), "sentence": _effect(row)} for _, row in known.head(LARGEST).iterrows()]


def size_of(compared: Compared) -> str:
    """A sentence on lives that are shorter than the setups say; empty where they are not."""
    if compared.scale is None or compared.scale == 1.0:
        return ""
    seeds = compared.table["seeds"].dropna()
    low, high = (int(seeds.min()), int(seeds.max())) if len(seeds) else (0, 0)
    over = f", with {low if low == high else f'{low} to {high}'} training seeds each" if high else ""
    part = f"Every setup lived {percent(compared.scale)} of its lifetime{over}"
    return f"{part}: a verdict of a whole run may be another one."


def missing_of(compared: Compared) -> list[str]:
    """A sentence for every setup without a run, with the command that makes it and how long it may take."""
    return [
        f"{one.setup.name} has no finished run: {one.command} (about {duration(one.seconds)} on one core)."
        for one in compared.missing
    ]


def _missing_in_short(compared: Compared) -> list[str]:
    """As :func:`missing_of`; where there are many, one sentence for all of them."""
    if len(compared.missing) <= LARGEST:
        return missing_of(compared)
    names, seconds = ", ".join(one.setup.name for one in compared.missing), sum(one.seconds for one in compared.missing)
    without = f"{len(compared.missing)} setups have no finished run: {names}"
    return [f"{without}. The same command with --run makes them, in about {duration(seconds)} on one core."]


def _effect(row: pd.Series) -> str:
    size = bracketed(row["difference"], row["low"], row["high"], lambda x: number(x, signed=True))
    pairs = plural(int(row["pairs"]), "training seed")
    basis = f"paired over {pairs}" if row["pairs"] else "no seed in common, so without an interval"
    clear = measured(row["p_adjusted"]) and row["p_adjusted"] < 0.05
    beyond = "" if clear else "; not beyond what seeds differ by"
    return (
        f"from {row['from_value']} ({row['versus']}) to {row['to_value']} ({row['setup']}) the dominance of the "
        f"intended concept changes by {size}, {basis}{beyond}."
    )


def _only(contrasts: pd.DataFrame, setup: str) -> bool:
    """Whether a setup is the changed one of one contrast alone."""
    return int((contrasts["setup"] == setup).sum()) == 1


def _measures(table: pd.DataFrame) -> Iterator[Exhibit]:
    """Every measure beside its interval, short enough to be read across."""

    def of(name: str, show: Callable[[Any], str] = number) -> list[str]:
        ends = [table[f"{name}_{end}"] if f"{name}_{end}" in table else [NAN] * len(table) for end in ("low", "high")]
        rows = zip(table[name], *ends, strict=True)
        return [bracketed(x, low, high, show) if measured(x) else "\u2013" for x, low, high in rows]

    word = {"setup": table["setup"], "verdict": table["verdict"]}
    latch = {"P_intended": of("probability"), "dominance": of("dominance"), "latch_age": of("latch_age")}
    latch |= {"drift": of("drift"), "outer_gap": of("outer"), "inner_gap": of("inner")}
    acts = {"wanting": of("wanting"), "capability": of("capability"), "goal": of("goal"), "lead": of("lead")}
    yield Exhibit(
        "measures",
        "What was latched onto, and how far it is from what was meant",
        pd.DataFrame(word | latch),
        "The probability of “intended” is that of the verdict over all seeds and worlds.",
        "Drift: dominance at the end less its largest. Outer gap: what the signal rewards beside what was intended; "
        "inner gap: what is valued beside what was intended; 0: the same, 1: nothing in common. Age of the latch in "
        "experiences or steps. A dash: not measured, as no word or no interval was reached.",
        None,
    )
    yield Exhibit(
        "acts",
        "What is done about it, and what it cost",
        pd.DataFrame({"setup": table["setup"]} | acts | {"CPU_seconds_a_seed": of("cost")}),
        "Learners do not act, so they have neither wanting nor capability.",
        "Capability: part of levels in which any goal is reached, where goals lie apart; goal: in which the intended "
        "one comes first; wanting: what erasing it costs. Lead: of learners, age of the latch less the age at which "
        "the concept can be read; of agents, how long the critic pointed where behaviour ends before behaviour did. "
        "Cost with controls; lives that several setups share are divided among them.",
        None,
    )


def _exhibits(compared: Compared) -> Iterator[Exhibit]:
    contrasts = compared.contrasts
    if len(contrasts):
        named = contrasts.assign(
            choice=[
                setup if _only(contrasts, setup) else f"{setup}, {versus}"
                for setup, versus in zip(contrasts["setup"].map(str), contrasts["versus"].map(str), strict=True)
            ]
        )
        first = contrasts.iloc[0]
        yield Exhibit(
            "choices",
            "What each design choice does to the latch",
            named,
            f"Largest: {first['setting']}, {number(first['difference'], signed=True)}.",
            "Difference in dominance of the intended concept (of agents: of the intended goal) between a setup and the "
            "one from which it differs in one design choice (the table names both); 95 % interval by Student's t over "
            "seeds that both have; p adjusted over all choices (Holm). Of setups that answer different questions no "
            "difference is formed.",
            Chart(
                "points",
                "choice",
                "difference",
                "design choice",
                "difference in dominance",
                "low",
                "high",
                reference=0.0,
            )
            if not named["choice"].duplicated().any()
            else None,
        )
    yield from _measures(compared.table)
    table = compared.table
    frame = table[["setup", "question", "verdict", "probability", "dominance", "dominance_low", "dominance_high"]]
    said = table["verdict"].value_counts()
    yield Exhibit(
        "latches",
        "Dominance of what was intended, by setup",
        frame,
        f"Verdicts: {', '.join(f'{count} {quoted([str(word)])}' for word, count in said.items())}.",
        "95 % interval over training seeds and worlds. Setups of one colour answer one question; between colours the "
        "numbers are of different concepts and cannot be ranked.",
        Chart(
            *("points", "setup", "dominance", "setup", "dominance of what was intended"),
            *("dominance_low", "dominance_high"),
            colour="question",
        ),
    )
    agents_only = table[table["capability"].map(measured)]
    if len(agents_only):
        rows = pd.concat(
            [
                agents_only[["setup"]].assign(
                    what=what, rate=agents_only[what], low=agents_only[f"{what}_low"], high=agents_only[f"{what}_high"]
                )
                for what in ("capability", "goal", "wanting")
            ],
            ignore_index=True,
        )
        yield Exhibit(
            "agents",
            "Capability, goal and wanting of agents",
            rows,
            f"Of {plural(len(agents_only), 'setup')} of agents.",
            "Capability: part of levels in which any goal is reached, where goals lie apart; goal: in which the "
            "intended one comes first; wanting: what erasing it costs. 95 % intervals over training seeds.",
            Chart("points", "setup", "rate", "setup", "part of levels; wanting", "low", "high", colour="what"),
        )
