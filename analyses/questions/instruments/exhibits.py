"""Tables and charts of the question instruments."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from imprint.analyses.locate.nulls import FEWEST
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds
from imprint.analyses.questions.instruments.probes import GRID

EXACT = "error bars: exact binomial 95 %."
COMBINATIONS = "combinations of an instrument and a network."


def exhibits(tables: Mapping[str, pd.DataFrame], wrong: pd.DataFrame) -> list[Exhibit]:
    """Exhibits of tables that are not empty, and where instruments fail (``wrong`` may be empty)."""
    make = {"coverage": _coverage, "noise": _noise, "found": _found, "leaks": _leak, "cases": _cases}
    made = [make[name](tables[name]) for name in make if len(tables[name])]
    for name, heading in (("causal", "Causal tests"), ("attribution", "Attributions")):
        if len(table := tables[name]):
            made.append(Exhibit(name, f"{heading} on planted networks", table, f"{len(table)} {COMBINATIONS}"))
    places = f"{len(wrong)} places where a probe or a leak check is wrong or blind."
    heading = "Where probes and leak checks fail"
    return [*made, Exhibit("failures", heading, wrong, places if len(wrong) else "None was seen.")]


def _coverage(covered: pd.DataFrame) -> Exhibit:
    reading = "The default readout, ridge, was not scored."
    for ridge in covered[covered["readout"] == "ridge"].to_dict("records"):
        reading = f"The default readout, ridge, covers {ridge['coverage']:.3f} over {ridge['intervals']:,.0f} "
        reading += f"intervals; {ridge['refused']:,.0f} more were refused."
    caption = f"Part of the 95 % intervals that hold the true score, over all scored cases, sizes and effects; {EXACT} "
    caption += f"refused: scores that get no interval because a class has fewer than {FEWEST} rows, a rule that was "
    caption += "chosen after looking: before it, ridge covered .922 on the same seed."
    chart = chart_over_seeds("points", "readout", "coverage", ("readout", "coverage"), reference=0.95)
    heading = "Do 95 % intervals hold the truth 95 % of the time?"
    return Exhibit("coverage", heading, covered, reading, caption, chart)


def _noise(silent: pd.DataFrame) -> Exhibit:
    reading = f"At most {silent['present'].max():.4f} of the cells of a grid of pure noise are called present."
    caption = f"Grids of {GRID[0]} concepts x {GRID[1]} sites, corrected by Benjamini-Hochberg; {EXACT} p_below_05: "
    caption += "cells with an uncorrected p below .05."
    titles, heading = ("readout", "called present"), "How often is pure noise called present?"
    chart = chart_over_seeds("points", "readout", "present", titles, colour="groups", reference=0.05)
    return Exhibit("noise", heading, silent, reading, caption, chart)


def _found(found: pd.DataFrame) -> Exhibit:
    reading = f"The right site is chosen and called present in at least {found['found'].min():.3f} of the samples."
    caption = "least_effect: the minimum detectable class distance by the formula of analyses/locate/plan/power.py, in "
    caption += f"standard deviations; {EXACT}"
    heading = "Is a site planted at twice the minimum detectable effect found?"
    chart = chart_over_seeds("points", "rows", "found", ("rows", "site found"), reference=0.95)
    return Exhibit("found", heading, found, reading, caption, chart)


def _leak(leaks: pd.DataFrame) -> Exhibit:
    unseen = leaks[(leaks["leak"] != "none") & (leaks["flagged"] < 0.5)]["case"]
    seen = "Every leak is seen in more than half of the samples."
    reading = f"Not seen: {', '.join(unseen)}." if len(unseen) else seen
    caption = f"Part of the samples in which anything is flagged at a false-alarm rate of 5 % per kind; {EXACT} "
    caption += "Forgotten groups whose rows were shuffled are neither refused nor flagged, because nothing in the data "
    caption += "shows them: there the probes call a concept present that is not."
    chart = chart_over_seeds("points", "case", "flagged", ("case", "flagged"), colour="leak")
    return Exhibit("leaks", "Are rows that leak flagged?", leaks, reading, caption, chart)


def _cases(cases: pd.DataFrame) -> Exhibit:
    shown = cases.assign(coverage=cases["covered"] / cases["intervals"].where(cases["intervals"] > 0))
    worst = shown.dropna(subset=["bias"]).sort_values("bias", key=abs).iloc[-1]
    where = f"{worst['readout']} on {worst['case']}, {worst['rows']} rows"
    caption = "score and true: mean over samples; present: called present wherever it is; false: called present "
    caption += "anywhere else; located: the best site is right."
    chart = Chart("points", "case", "bias", "case", "mean score minus true score", colour="readout", reference=0.0)
    reading = f"The largest bias is {worst['bias']:+.3f} ({where})."
    return Exhibit("cases", "Every readout on every planted case", shown, reading, caption, chart)
