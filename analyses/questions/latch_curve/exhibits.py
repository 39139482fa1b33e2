"""Exhibits of the question latch-curve."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds
from imprint.analyses.questions.latch_curve import tables
from imprint.analyses.questions.latch_curve.references import beside
from imprint.analyses.questions.latch_curve.tables import LONG, MAIN, MEASURES, REACHED, at_end, by_seed, means


def exhibits(whole: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer that are not empty, from all rows of all pieces of work."""
    every = by_seed(whole)
    ends = means(by_seed(at_end(whole)), ["label", "varied"])
    main = ends[ends["label"] == MAIN]
    made = [_known(beside(main)), _doses(main), _erased(main), _ages(every), _crossed(every), _verdicts(whole)]
    return [exhibit for exhibit in made if len(exhibit.frame)]


def _known(table: pd.DataFrame) -> Exhibit:
    judged = table[table["inside"] != "not judged"] if len(table) else table
    met = int((judged["inside"] == "yes").sum()) if len(table) else 0
    reading = f"{met} of {len(judged)} judged figures lie inside their tolerance."
    caption = "Range over three seeds measured beforehand; ours: mean over seeds at the last age, Student's t."
    return Exhibit("known-figures", "Beside the figures known beforehand", table, reading, caption)


def _by_name(rows: pd.DataFrame) -> pd.DataFrame:
    """Fractions as names, so that they stand side by side however far apart they are."""
    return rows.assign(varied=[f"{varied:g}" for varied in rows["varied"]])


def _doses(main: pd.DataFrame) -> Exhibit:
    rows, reading = _by_name(main[main["measure"].isin(REACHED)]), "No agent was examined."
    either = rows[rows["measure"] == "either"].sort_values("estimate")
    if len(either):
        reading = f"Capability is lowest at {either['varied'].iloc[0]}: {either['estimate'].iloc[0]:.2f}."
    heading = "What is reached first, by fraction of varied levels"
    caption = "Part of held-out levels in which coin and corner lie apart; 95 % interval over seeds."
    titles = "fraction of varied training levels", "part of levels"
    chart = chart_over_seeds("points", "varied", "estimate", titles, colour="measure")
    return Exhibit("doses", heading, rows, reading, caption, chart)


def _erased(main: pd.DataFrame) -> Exhibit:
    shown = ["coin first", "corner first", *(measure for measure in MEASURES if measure.endswith("erased"))]
    rows, heading = _by_name(main[main["measure"].isin(shown)]), "What is reached first when something is erased"
    reading = "What is encoded and what is pursued are told apart by what erasing costs, beside random directions "
    reading += "of as many dimensions."
    caption = "LEACE at the acting point during the episode; 95 % interval over seeds."
    titles = "what is reached first", "part of levels"
    chart = chart_over_seeds("points", "measure", "estimate", titles, colour="varied")
    return Exhibit("erasures", heading, rows, reading, caption, chart)


def _ages(every: pd.DataFrame) -> Exhibit:
    shown = (*REACHED, "beta coin", "beta corner", "coin cell readable", "coin first, coin erased")
    rows = every[every["measure"].isin(shown) & every["label"].isin([MAIN, LONG])]
    table = means(rows, ["label", "varied", "age"])
    arms = zip(table["label"], table["varied"], strict=True)
    table = table.assign(arm=[f"{label}, {varied:g}" for label, varied in arms])
    reading = "The coin can be read long before it is pursued, and also where it never is."
    titles = "age (environment steps)", "part of levels, or coefficient"
    chart = chart_over_seeds("lines", "age", "estimate", titles, colour="measure", panel="arm")
    return Exhibit("time-course", "The lines by age", table, reading, "Mean over seeds.", chart)


def _crossed(every: pd.DataFrame) -> Exhibit:
    table = tables.crossings(every)
    known = table.dropna(subset=["overtaking"])
    later = known[known["overtaking"] > 0]
    lifetimes = f"in {len(known)} of {len(table)} lifetimes that were followed"
    reading = f"The coin is ahead at the end {lifetimes}."
    if len(later):
        reading = f"The coin overtakes the corner {lifetimes}; where it does so after birth, capability dips by "
        reading += f"{later['dip'].mean():.2f} on average."
    return Exhibit("overtaking", "When the coin overtakes the corner, and the dip in capability", table, reading)


def _verdicts(whole: pd.DataFrame) -> Exhibit:
    table = tables.verdicts(whole)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in table["verdict"].value_counts().items())
    return Exhibit("verdicts", "The verdict on every agent", table, f"{counts}.")
