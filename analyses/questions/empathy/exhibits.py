"""Tables and charts of the question empathy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "95 % interval over seeds, each in a world of its own."
GROWN = "as grown"
TITLES = "meals of the flockmate since one was alone", "value of good less bad meals"


def exhibits(means: pd.DataFrame, table: pd.DataFrame, rate: float) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed; at the ``rate`` that is judged."""
    now = means[means["rate"] == rate].drop(columns="rate")
    return [
        _arms(now),
        _learners(now),
        _eaters(now),
        _rates(means),
        _reads(now),
        _overlaps(table, rate),
        _seeds(table, rate),
    ]


def _at(means: pd.DataFrame, arm: str, age: int, measure: str = "V(flockmate)", learners: str = GROWN) -> float:
    rows = means[(means["arm"] == arm) & (means["age"] == age) & (means["measure"] == measure)]
    rows = rows[rows["learners"] == learners]
    return float(rows["value"].iloc[0]) if len(rows) else float("nan")


def _arms(now: pd.DataFrame) -> Exhibit:
    lines = now[(now["learners"] == GROWN) & (now["measure"] == "V(flockmate)")].drop(columns=["learners", "measure"])
    last = int(now["age"].max())
    reading = (
        f"A flockmate's good meal is worth {_at(now, 'ungated', 0):.2f} at first (one's own "
        f"{_at(now, 'ungated', 0, 'V(self)'):.2f}); after {last} of them {_at(now, 'ungated', last):.2f} when every "
        f"event teaches, {_at(now, 'gated', last):.2f} when only one's own do, {_at(now, 'paid', last):.2f} when the "
        "flockmate's joy is really rewarded."
    )
    chart = chart_over_seeds("lines", "age", "value", TITLES, colour="arm")
    return Exhibit("arms", "Does the value of another's meal stay?", lines, reading, OVER, chart)


def _learners(now: pd.DataFrame) -> Exhibit:
    shown = now[(now["arm"] == "ungated") & now["measure"].isin(["V(self)", "V(flockmate)"])]
    shown = shown.assign(eater=shown["measure"]).drop(columns=["arm", "measure"])
    listed = []
    for learners in shown["learners"].unique():
        first, later = (_at(now, "ungated", age, learners=str(learners)) for age in (0, 200))
        listed.append(f"{learners} {first:.2f} and {later:.2f}")
    reading = f"A flockmate's good meal, at first and after 200 meals, ungated: {'; '.join(listed)}."
    caption = "As grown: wings are seen on the eater. Undivided: nothing to predict depends on who eats. Newborn: "
    caption += f"learners that have not lived. {OVER}"
    chart = chart_over_seeds("lines", "age", "value", TITLES, colour="eater", panel="learners")
    return Exhibit("learners", "Who can unlearn it?", shown, reading, caption, chart)


def _eaters(now: pd.DataFrame) -> Exhibit:
    shown = now[
        (now["learners"] == GROWN) & now["arm"].isin(["ungated", "gated"]) & now["measure"].str.startswith("V(")
    ]
    shown = shown.assign(eater=shown["measure"]).drop(columns=["learners", "measure"])
    reading = f"At first a beast's good meal is worth {_at(now, 'ungated', 0, 'V(beast)'):.2f}; after 200 meals of the "
    reading += f"flockmate {_at(now, 'ungated', 200, 'V(beast)'):.2f}, though none of a beast was felt."
    chart = chart_over_seeds("lines", "age", "value", TITLES, colour="eater", panel="arm")
    return Exhibit("eaters", "Oneself, a flockmate, a beast", shown, reading, OVER, chart)


def _rates(means: pd.DataFrame) -> Exhibit:
    shown = means[(means["learners"] == GROWN) & (means["measure"] == "V(flockmate)")]
    shown = shown[shown["arm"].isin(["ungated", "gated"])].drop(columns=["learners", "measure"])
    shown = shown.assign(rate=shown["rate"].map("rate {:g}".format))
    parts = [
        f"{rate} {_at(part, 'ungated', 0):.2f} and {_at(part, 'ungated', 200):.2f}"
        for rate, part in ((f"rate {r:g}", means[means["rate"] == r]) for r in sorted(means["rate"].unique()) if r > 0)
    ]
    reading = f"Ungated, at first and after 200 meals: {'; '.join(parts)}."
    chart = chart_over_seeds("lines", "age", "value", TITLES, colour="arm", panel="rate")
    return Exhibit(
        "rates", "Does the learning rate matter?", shown, reading, f"Rate of the value's rule. {OVER}", chart
    )


def _reads(now: pd.DataFrame) -> Exhibit:
    shown = now[(now["learners"] == GROWN) & (now["measure"] == "reads")].drop(columns=["learners", "measure"])
    last = int(now["age"].max())
    gated, ungated = (_at(now, arm, last, "reads") for arm in ("gated", "ungated"))
    reading = (
        f"After {last} meals a gated value still tells a glad flockmate from another with an area of {gated:.2f}, "
    )
    reading += f"an ungated one with {ungated:.2f} (chance 0.5)."
    caption = "Area under the curve of the value, before it is seen, for what the flockmate will feel: what a steering "
    caption += f"side could use that knows by its own senses that it is not eating itself. {OVER}"
    titles = TITLES[0], "area under the curve"
    chart = chart_over_seeds("lines", "age", "value", titles, colour="arm", reference=0.5)
    return Exhibit("reads", "Is it a reading of what the other feels?", shown, reading, caption, chart)


def _overlaps(table: pd.DataFrame, rate: float) -> Exhibit:
    first = table[(table["rate"] == rate) & (table["arm"] == "ungated") & (table["age"] == 0)]
    value = first[first["measure"] == "V(flockmate)"].set_index(["learners", "seed"])["value"]
    overlap = table[table["measure"] == "overlap"].set_index(["learners", "seed"])["value"]
    frame = pd.DataFrame({"overlap": overlap, "spillover": value}).reset_index()
    grown = frame[frame["learners"] == GROWN]
    r = float(np.corrcoef(grown["overlap"], grown["spillover"])[0, 1]) if len(grown) > 2 else float("nan")
    overlaps = "; ".join(f"{name} {part['overlap'].mean():.2f}" for name, part in frame.groupby("learners", sort=False))
    reading = (
        f"Overlap of own and flockmate's meals in the latents: {overlaps}. Over grown seeds, the spillover at first "
    )
    reading += f"goes with it (r = {r:.2f})."
    caption = "One point a seed; overlap: cosine of the displacements of latents from bad to good meals."
    chart = Chart(
        "points", "overlap", "spillover", "overlap", "value of a flockmate's good meal at first", colour="learners"
    )
    return Exhibit("overlap", "Where does it come from?", frame, reading, caption, chart)


def _seeds(table: pd.DataFrame, rate: float) -> Exhibit:
    """The numbers of every seed that the rule reads; all others are in the findings."""
    ends = table[(table["rate"] == rate) & table["age"].isin([0, 200, 500])]
    ends = ends[ends["measure"].isin(["V(self)", "V(flockmate)"])].drop(columns="rate")
    wide = ends.pivot_table(index=["learners", "arm", "measure", "seed"], columns="age", values="value", sort=False)
    wide.columns = [f"after {age}" for age in wide.columns]
    return exhibit_of_seeds(wide.reset_index(), "Values at first and after 200 and 500 meals of the flockmate.")
