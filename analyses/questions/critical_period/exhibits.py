"""Tables and charts of the question critical-period."""

from __future__ import annotations

import numpy as np
import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds
from imprint.analyses.questions.critical_period.measure import COMMANDS, SPANS, command

OVER = "Ages and spans are parts of a lifetime. Mean and 95 % interval over seeds."
TITLES = ("age at which the eye is shut", "lost acuity in the end")


def exhibits(table: pd.DataFrame, means: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``table``: of every seed, ``means``: deficits over seeds."""
    seeds = table[(table["command"] == "falling") & (table["span"] == SPANS[-1])]
    kept = seeds[["shut", "onset", "seed", "acuity", "other", "deficit", "dominance"]].reset_index(drop=True)
    caption = "Falling command, longest span; other: acuity of the right eye."
    return [_ages(means), _spans(means), _eyes(table, means), _commands(), exhibit_of_seeds(kept, caption)]


def _ages(means: pd.DataFrame) -> Exhibit:
    frame = means[(means["shut"] == "left") & (means["span"] == SPANS[-1])].reset_index(drop=True)
    wide = frame.pivot_table(index="onset", columns="command", values="deficit")
    falls, *others = COMMANDS
    reading = (
        f"Under a {falls} command most is lost when the eye is shut from {wide[falls].idxmax():g} of a lifetime on "
    )
    reading += f"({wide[falls].max():.2f}); " + ", ".join(
        f"under a {kind} one {wide[kind].max():.2f} at the worst age" for kind in others
    )
    chart = chart_over_seeds("lines", "onset", "deficit", TITLES, colour="command")
    return Exhibit("ages", "By the age of deprivation", frame, f"{reading}.", f"Span {SPANS[-1]:g}. {OVER}", chart)


def _spans(means: pd.DataFrame) -> Exhibit:
    frame = means[(means["shut"] == "left") & (means["command"] == "falling")].reset_index(drop=True)
    frame = frame.assign(span=frame["span"].map("{:g}".format))
    high = frame.groupby("span", sort=False)["deficit"].max()
    reading = "At the worst age, an eye loses " + ", ".join(
        f"{value:.2f} if it is shut for {span} of a lifetime" if i == 0 else f"{value:.2f} for {span}"
        for i, (span, value) in enumerate(high.items())
    )
    chart = chart_over_seeds("lines", "onset", "deficit", TITLES, colour="span")
    return Exhibit("spans", "By its duration", frame, f"{reading}.", f"Falling command. {OVER}", chart)


def _eyes(table: pd.DataFrame, means: pd.DataFrame) -> Exhibit:
    shut = means[(means["command"] == "falling") & (means["span"] == SPANS[-1])]
    frame = shut[["shut", "onset", "deficit", "low", "high", "seeds"]].reset_index(drop=True)
    one = table[(table["command"] == "falling") & (table["span"] == SPANS[-1]) & (table["shut"] == "left")]
    apart = over_seeds(one, ["onset"], "dominance").set_index("onset")["dominance"]
    worst = {kind: part["deficit"].max() for kind, part in frame.groupby("shut", sort=False)}
    reading = (
        f"Shutting one eye costs it up to {worst['left']:.2f}, shutting both {worst['both']:.2f}; the cortex turns "
    )
    reading += f"to the open eye by up to {-apart.min():.2f} (ocular dominance)."
    chart = chart_over_seeds("lines", "onset", "deficit", TITLES, colour="shut")
    caption = f"Falling command, span {SPANS[-1]:g}; deficit of the left eye. {OVER}"
    return Exhibit("eyes", "One eye or both", frame, reading, caption, chart)


def _commands() -> Exhibit:
    ages = np.linspace(0.0, 1.0, 41)
    rows = [{"command": kind, "age": age, "rate": command(kind, age)} for kind in COMMANDS for age in ages.tolist()]
    frame = pd.DataFrame(rows)
    low = frame[(frame["command"] == "falling") & (frame["rate"] < 0.1)]["age"].min()
    reading = f"The falling command is below a tenth from {low:.2f} of a lifetime on."
    chart = Chart("lines", "age", "rate", "age (part of a lifetime)", "plasticity command", colour="command")
    return Exhibit("commands", "The plasticity command", frame, reading, "Multiplies the rate of the rule.", chart)
