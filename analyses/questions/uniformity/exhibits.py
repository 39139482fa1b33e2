"""Tables and charts of the question uniformity."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on."""
    return [_modules(means), _assessors(means)]


def _modules(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "modules"].drop(columns="part")
    arm = frame["measure"] + frame["donor"].map(lambda donor: "" if donor == "none" else f", taught by {donor}")
    frame = frame.assign(arm=arm.where(frame["measure"] != "native", "native"))
    native, again = (frame[frame["measure"] == measure]["value"] for measure in ("native", "retrained"))
    reading = f"Native modules score {native.min():.2f} to {native.max():.2f}, those that first learned another stream "
    reading += f"{again.min():.2f} to {again.max():.2f}."
    titles = ("module", "score, balanced over symbols")
    chart = chart_over_seeds("points", "arm", "value", titles, panel="stream", colour="measure")
    return Exhibit("modules", "One recipe, three streams", frame, reading, OVER, chart)


def _assessors(means: pd.DataFrame) -> Exhibit:
    frame = means[means["part"] == "assessors"].drop(columns=["part", "donor"])
    total = frame[frame["stream"] == "all channels"].set_index("measure")["value"]
    channels = frame[frame["stream"] != "all channels"]
    reading = (
        f"Over all channels the shared rate gives {total['shared / tuned']:.3f} of what each channel's own gives, "
    )
    reading += f"the worst rate of each {total['worst / tuned']:.3f}."
    titles = ("sense and steps ahead", "squared correlation")
    chart = chart_over_seeds("points", "stream", "value", titles, colour="measure")
    caption = "Channels that can be foretold at all, in seeds in which they can. "
    return Exhibit("assessors", "One cell type for all channels", channels, reading, f"{caption}{OVER}", chart)
