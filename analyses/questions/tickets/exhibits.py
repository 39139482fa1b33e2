"""Tables and charts of the question tickets."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    measure = table["measure"].fillna(table["part"].map({"tickets": "accuracy", "dictionary": "known"}))
    load = table["load"].map(lambda load: f"{load:.0f}", na_action="ignore").fillna("")
    own = table.assign(measure=measure, load=load)
    return [_tickets(means), _units(means), _dictionary(means), exhibit_of_seeds(own)]


def _tickets(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "tickets"][["arm", "value", "low", "high", "seeds"]]
    reading = ", ".join(f"{row['arm']} {row['value']:.3f}" for row in frame.to_dict("records"))
    chart = chart_over_seeds("points", "arm", "value", ("network", "accuracy on new images"))
    caption = (
        "A ticket is the twentieth of each layer's weights that is largest after learning; all arms learn from birth. "
    )
    return Exhibit("tickets", "A twentieth of a network, and the rest", frame, f"{reading}.", caption + OVER, chart)


def _units(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "units"][["arm", "measure", "value", "low", "high", "seeds"]]
    gini = frame[frame["measure"] == "gini"]
    reading = ", ".join(f"{row['arm']} {row['value']:.2f}" for row in gini.to_dict("records"))
    chart = chart_over_seeds("points", "arm", "value", ("learning", "measure"), panel="measure")
    caption = "Gini coefficient of how much the loss rises when a hidden unit is held at its mean; dispensable: units "
    caption += "without which it rises by less than .001 nats. Jobs: each of eight groups also has to name the digit. "
    caption += "Planted: seven of eight units cut off. "
    heading = "How unequally useful units are"
    return Exhibit("units", heading, frame, f"Gini: {reading}.", caption + OVER, chart)


def _dictionary(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "dictionary"][["arm", "load", "value", "low", "high", "seeds"]]
    most = frame[frame["load"] == frame["load"].max()]
    reading = ", ".join(f"{row['arm']} {row['value']:.2f}" for row in most.to_dict("records"))
    chart = chart_over_seeds("lines", "load", "value", ("patterns", "part whose label is known"), colour="arm")
    caption = "32 hidden units that stay as they were born, or that learn; random patterns with random labels. "
    heading, said = "A dictionary that is there already", f"With {most['load'].iloc[0]:.0f} patterns: {reading}."
    return Exhibit("dictionary", heading, frame, said, caption + OVER, chart)
