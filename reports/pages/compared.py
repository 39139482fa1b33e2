"""Setups side by side -> one self-contained HTML page.

First the design choices that moved the latch most: pairs of setups that differ in one setting. Then every setup in one
chart and one table, and which setups have no run yet, with the commands that make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from imprint.analyses.evaluate.setups_compared.shipped import Compared
from imprint.analyses.questions.base import Chart, Exhibit
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
    every = Table("setups", "Every setup, with every number", compared.table, open=True)
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


def _exhibits(compared: Compared) -> Iterator[Exhibit]:
    contrasts = compared.contrasts
    if len(contrasts):
        named = contrasts.assign(
            choice=[f"{row.setting}: {row.from_value} to {row.to_value}" for row in contrasts.itertuples(index=False)]
        )
        first = contrasts.iloc[0]
        yield Exhibit(
            "choices",
            "What each design choice does to the latch",
            named,
            f"Largest: {first['setting']}, {number(first['difference'], signed=True)}.",
            "Difference in dominance of the intended concept (of agents: of the intended goal) between two setups that "
            "differ in this setting alone; 95 % interval by Student's t over seeds that both have; p adjusted over all "
            "choices (Holm). Of setups that answer different questions no difference is formed.",
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
