"""A made-up question with an exhibit of every kind of chart, asked for real, with names that try to break the page.

Numbers are drawn: a pure function of the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.analyses.ask import ask
from imprint.analyses.engine import Say
from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.statistics import Estimate
from imprint.models.errors import NotMeasurableError

NASTY = '<b>&"x"'
SCRIPT = "</script><script>alert(1)</script>"
METHODS = (NASTY, "occlusion", "integrated gradients", "layer conductance")
CONCEPTS = (*(f"concept {i:02d} of the nursery" for i in range(29)), SCRIPT)
SITES = ("hook_dense@seen", "hook_encoding@hidden", "hook_context@hidden", "hook_context@back", "blocks.0@1", NASTY)
LONG = 450
"""Rows of the table that is cut on the page."""


def _interval(table: pd.DataFrame, half: float) -> pd.DataFrame:
    return table.assign(low=table["score"] - half, high=table["score"] + half)


def points(seed: int, say: Say) -> pd.DataFrame:
    """Thirty categories in two colours; the third is not measured in one of them."""
    rng = np.random.default_rng(seed)
    rows = [(c, n, 0.55 + 0.012 * i + rng.normal(0, 0.03)) for i, c in enumerate(CONCEPTS) for n in ("learned", NASTY)]
    table = pd.DataFrame(rows, columns=["concept", "network", "score"])
    table.loc[4, "score"] = np.nan
    return _interval(table, 0.06)


def lines(seed: int, say: Say) -> pd.DataFrame:
    """Four methods in three panels over six sizes; a gap in the middle of one line, another without its end."""
    rng = np.random.default_rng(seed)
    sizes = (100, 200, 400, 600, 800, 1000)
    rows = [
        (world, method, size, 1 - (0.6 + 0.1 * m) * np.exp(-size / (150 + 80 * m)) + rng.normal(0, 0.01))
        for world in ("planted", "shuffled labels", NASTY)
        for m, method in enumerate(METHODS)
        for size in sizes
    ]
    table = pd.DataFrame(rows, columns=["world", "method", "rows", "score"])
    table.loc[[2, 11], "score"] = np.nan
    return _interval(table, 0.05)


def bars(seed: int, say: Say) -> pd.DataFrame:
    """Three colours at four short names; one bar is not measured, one points down."""
    rng = np.random.default_rng(seed)
    rows = [(d, m, rng.uniform(0.2, 0.9)) for d in ("0.1", "0.5", "1", "2") for m in METHODS[:3]]
    table = pd.DataFrame(rows, columns=["noise", "method", "score"])
    table.loc[[3, 7], "score"] = [np.nan, -0.2]
    return _interval(table, 0.08)


def heat(seed: int, say: Say) -> pd.DataFrame:
    """Sites by methods, one tile not measured, one without a row."""
    rng = np.random.default_rng(seed)
    rows = [(site, method, rng.uniform(-0.4, 0.9)) for site in SITES for method in METHODS]
    table = pd.DataFrame(rows, columns=["site", "method", "score"])
    table.loc[5, "score"] = np.nan
    return table.drop(index=6)


def plain(seed: int, say: Say) -> pd.DataFrame:
    """A long table without a chart."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"row": np.arange(LONG), "agrees": rng.random(LONG) > 0.5, "size": rng.normal(size=LONG)})


def fails(seed: int, say: Say) -> pd.DataFrame:
    """Work that has no answer."""
    raise NotMeasurableError(f"only one class of {NASTY} occurs")


def predictions() -> tuple[Prediction, ...]:
    """One of every outcome, one that was not measured, and a control between two bounds."""

    def number(name: str, middle: float, **more: Any) -> Prediction:
        return Prediction(name, Estimate(middle, middle - 0.1, middle + 0.1, 6), **more)

    return (
        number("high", 0.9, least=0.5, power=0.9),
        number(NASTY, 0.2, least=0.5, power=0.999),
        number("near", 0.5, least=0.5),
        number("lost", np.nan, most=0.5),
        number("shuffled", 0.0, least=-0.2, most=0.2, control=True),
    )


class Settings(QuestionSettings):
    """Settings of the example."""

    note: str = SCRIPT
    """Untrusted text."""


class ExampleQuestion(Question):
    """An exhibit of every kind."""

    Settings: ClassVar[type[QuestionSettings]] = Settings
    card: ClassVar[Card] = Card(
        question=f"Do the instruments tell a planted concept from {NASTY}?",
        prediction="Every method ranks the planted concept first at all sizes of at least 400 rows.",
        refuted_if="A method ranks another concept first at any such size.",
        decision="Confirmed when the lower end of the interval of every method lies above 0.5; refuted when an upper "
        "end lies below it; undetermined otherwise.",
        source="Adebayo et al. (2018), Sanity checks for saliency maps, section 4.",
    )

    def work(self) -> list[Work]:
        """One piece an exhibit, and one that fails."""
        pieces = (points, lines, bars, heat, plain, fails)
        return [Work(piece.__name__, piece, {"seed": self.settings.seed}) for piece in pieces]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """Exhibits around the tables."""
        rows = [{"analysis": "example", "metric": "score", "concept": SCRIPT, "estimate": 0.7, "low": 0.6, "high": 0.8}]
        shown = tuple(self._exhibit(name, table) for name, table in tables.items())
        why = f"11 of 12 methods rank the planted concept first; {NASTY} was not measured at 400 rows."
        return Answer("refuted", why, findings(rows), shown, predictions())

    def _exhibit(self, name: str, table: pd.DataFrame) -> Exhibit:
        reading = f"The largest of {len(table)} numbers belongs to {NASTY}."
        caption = "Balanced accuracy; lines: 95 % interval over 6 training seeds; n = 1,500 rows."
        ends = {"low": "low", "high": "high"}
        y = "balanced accuracy, cross-validated (0 to 1)"
        chart = {
            "points": Chart("points", "concept", "score", "concept", y, colour="network", reference=0.5, **ends),
            "lines": Chart("lines", "rows", "score", "rows", y, colour="method", panel="world", **ends),
            "bars": Chart("bars", "noise", "score", "noise (sd)", y, colour="method", reference=0.5, **ends),
            "heat": Chart("heat", "method", "site", "method", "site", colour="score"),
        }.get(name)
        return Exhibit(f"the-{name}", f"How the {name} look for {NASTY}", table, reading, caption, chart)


def write(parent: Path, seed: int = 0) -> Path:
    """Ask the question; its folder."""
    return ask(ExampleQuestion(Settings(seed=seed)), out=parent, jobs=1).path
