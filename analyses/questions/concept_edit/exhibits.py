"""Tables and charts of the question concept-edit."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.concept_edit.measure import DOSED, JUDGED

OVER = "95 % interval over seeds."
CONFLICT = "Rooms in which coin and corner are both in reach."


def exhibits(means: pd.DataFrame, choices: pd.DataFrame, model: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``choices``: of every seed, ``means``: over seeds, ``model``: its predictions."""
    grown = means[means["model"] == "grown"]
    shown = [_choices(grown), _doses(grown), _side_effects(grown), _trained_otherwise(means), _model(model)]
    return [*shown, exhibit_of_seeds(choices, "Mean over draws.")]


def _at_dose(means: pd.DataFrame, where: str, metric: str) -> pd.DataFrame:
    """One row per arm and labels at the dose of the verdict, or without any."""
    dose = float(means.loc[means["arm"] == "random", "dose"].iloc[0])
    rows = means[(means["where"] == where) & (means["metric"] == metric) & means["dose"].isin([0.0, dose])]
    return rows.drop(columns=["model", "where", "metric"])


def _choices(grown: pd.DataFrame) -> Exhibit:
    coin = _at_dose(grown, "conflict", "coin first")
    value = coin.set_index(["arm", "labels"])["value"]
    reading = f"The coin is reached first in {value[JUDGED, 'first']:.2f} of rooms after the edit with labels from the "
    reading += f"agent's own walks, in {value[JUDGED, 'third']:.2f} with labels from another's, in "
    reading += f"{value['unedited', 'none']:.2f} unedited, in {value['random', 'first']:.2f} with a random direction."
    caption = f"{CONFLICT} The desire that was taught is for the corner. {OVER}"
    titles = ("direction that was added to the value", "coin first")
    chart = chart_over_seeds("points", "arm", "value", titles, colour="labels", reference=0.8)
    heading = "Where does it go when coin and corner pull apart?"
    return Exhibit("choices", heading, coin, reading, caption, chart)


def _doses(grown: pd.DataFrame) -> Exhibit:
    conflict = grown[(grown["where"] == "conflict") & (grown["metric"] == "coin first")]
    unedited = conflict[conflict["arm"] == "unedited"]
    parts = [conflict[conflict["arm"].isin(DOSED)]]
    parts += [unedited.assign(arm=arm, labels=person) for arm in DOSED for person in ("first", "third")]
    curve = pd.concat(parts).assign(labels=lambda rows: "labels from the " + rows["labels"] + " person")
    curve = curve.sort_values(["arm", "labels", "dose"])[["arm", "labels", "dose", "value", "low", "high", "seeds"]]
    probe = curve[(curve["arm"] == JUDGED) & curve["labels"].str.contains("first")]
    listed = ", ".join(f"{dose:g}: {value:.2f}" for dose, value in zip(probe["dose"], probe["value"], strict=True))
    reading = f"Coin first by dose of the probe's direction, first person: {listed}."
    caption = f"Dose 1 makes the concept worth one reward; a negative dose makes it repulsive. {CONFLICT} {OVER}"
    titles = ("dose, in rewards", "coin first")
    chart = chart_over_seeds("lines", "dose", "value", titles, colour="arm", panel="labels", reference=0.8)
    return Exhibit("doses", "How much is needed", curve, reading, caption, chart)


def _side_effects(grown: pd.DataFrame) -> Exhibit:
    corner = _at_dose(grown, "elsewhere", "corner first")
    value = corner.set_index(["arm", "labels"])["value"]
    base = float(value["unedited", "none"])
    reading = f"Where the coin is out of reach the corner is reached in {base:.2f} of rooms unedited, in "
    reading += (
        f"{value[JUDGED, 'first']:.2f} and {value[JUDGED, 'third']:.2f} after the edits (first and third person)."
    )
    caption = f"The choice of the desire that was not edited; the line is the unedited value. {OVER}"
    titles = ("direction that was added to the value", "corner reached")
    chart = chart_over_seeds("points", "arm", "value", titles, colour="labels", reference=base)
    return Exhibit("side-effects", "What else changes", corner, reading, caption, chart)


def _trained_otherwise(means: pd.DataFrame) -> Exhibit:
    rows = means[means["arm"].isin([JUDGED, "unedited"])]
    coin = pd.concat([_at_dose(pd.concat([part, means[means["arm"] == "random"]]), "conflict", "coin first")
                      .query("arm != 'random'").assign(model=name)
                      for name, part in rows.groupby("model", sort=False)])  # fmt: skip
    coin["labels"] = coin["labels"].replace("none", "unedited")
    wide = coin.pivot_table(index="model", columns="labels", values="value", sort=False)
    listed = "; ".join(
        f"{name}: {row['unedited']:.2f}, {row['first']:.2f}, {row['third']:.2f}" for name, row in wide.iterrows()
    )
    reading = f"Coin first unedited, and edited with labels from the first and the third person: {listed}."
    caption = f"World models that were not trained, or were not taught that an episode ends. {CONFLICT} {OVER}"
    columns = ["model", "labels", "value", "low", "high", "seeds"]
    chart = chart_over_seeds("points", "model", "value", ("world model", "coin first"), colour="labels", reference=0.8)
    return Exhibit("models", "What the world model must have learned", coin[columns], reading, caption, chart)


def _model(model: pd.DataFrame) -> Exhibit:
    steps = model[model["step"] > 0]
    last = steps[steps["step"] == steps["step"].max()].set_index("what")["right"]
    reading = f"After one look, the whole frame is right in {last['frame']:.3f} and the agent's place in "
    reading += f"{last['agent']:.3f} of the walks at the last step."
    caption = (
        "Random walks in new rooms; end_hit: ends that are predicted, end_false: other frames predicted to be one."
    )
    chart = chart_over_seeds("lines", "step", "right", ("steps after the look", "right"), colour="what", reference=0.9)
    return Exhibit("model", "Does the world model predict?", steps, reading, f"{caption} {OVER}", chart)
