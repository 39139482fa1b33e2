"""Tables and charts of the question twins."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds
from imprint.analyses.questions.twins.recipe import KNOWN, SAME

OVER = "Mean and 95 % interval over seeds, each with images of its own."


def exhibits(means: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on."""
    return [_mistakes(means), _curves(means), _distances(means), _read(means)]


def _of(means: pd.DataFrame, part: str, measure: str) -> pd.DataFrame:
    return means[(means["part"] == part) & (means["measure"] == measure)].drop(columns=["part", "measure"])


def _mistakes(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "copies", "kappa").drop(columns="time")
    value = frame.set_index("arm")["value"]
    reading = (
        f"The other code agrees with the reference beyond chance by {value['other code']:.2f}, the same code born "
    )
    reading += f"again by {value['same code']:.2f}, a nearest neighbour by {value['neighbour']:.2f}, the same code in "
    reading += f"another world by {value['other world']:.2f}."
    chart = chart_over_seeds("points", "arm", "value", ("compared with one network", "error consistency"), reference=0)
    caption = "Error consistency: agreement in who is right and who is wrong, 0: as of independent ones, 1: always. "
    return Exhibit("mistakes", "Who makes the same mistakes", frame, reading, f"{caption}{OVER}", chart)


def _curves(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "copies", "accuracy")
    last = frame[frame["time"] == frame["time"].max()].set_index("arm")["value"]
    reading = f"In the end the reference names {last['reference']:.3f}, the other code {last['other code']:.3f}."
    chart = chart_over_seeds("lines", "time", "value", ("passes over the images", "accuracy"), colour="arm")
    return Exhibit("curves", "Who learns as fast", frame, reading, OVER, chart)


def _distances(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "copies", "distance").drop(columns="time")
    value = frame.set_index("arm")["value"]
    reading = f"The largest distance is that of {value.idxmax()} ({value.max():.3f}), that of the other code "
    reading += f"{value['other code']:.3f}."
    chart = chart_over_seeds("points", "arm", "value", ("compared with one network", "mean difference in accuracy"))
    return Exhibit("distances", "Distances between learning curves", frame, reading, OVER, chart)


def _read(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "recipe"].drop(columns=["part", "measure"])
    frame = frame.rename(columns={"time": "numbers"})
    rule, copied = (frame[frame["arm"] == arm] for arm in ("rule", "copied"))
    reading = f"From {rule['numbers'].max():.0f} numbers about one unit the rule is named in {rule['value'].max():.2f} "
    reading += (
        f"of the records; {copied['numbers'].iloc[-2]:.0f} copied numbers give {copied['value'].iloc[-2]:.2f} of "
    )
    reading += "the answers."
    chart = chart_over_seeds("lines", "numbers", "value", ("numbers that were read", "part"), colour="arm")
    caption = (
        f"Rule: records named rightly ({KNOWN:g} is enough). Copied and asked: answers that are the network's own "
    )
    return Exhibit(
        "read", "To know the rule and to know the function", frame, reading, f"{caption}({SAME:g}). {OVER}", chart
    )
