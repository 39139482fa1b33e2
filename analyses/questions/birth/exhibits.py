"""Tables and charts of the question birth."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds

OVER = "Mean and 95 % interval over births or training seeds."


def exhibits(means: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on."""
    return [_useful(means), _life(means), _cuts(means), _bits(means), _memory(means)]


def _of(means: pd.DataFrame, *parts: str, measures: tuple[str, ...]) -> pd.DataFrame:
    return means[means["part"].isin(parts) & means["measure"].isin(measures)]


def _useful(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "newborn", "grown", measures=("right",)).drop(columns=["measure", "time"])
    grown = frame[frame["part"] == "grown"].set_index("arm")["value"]
    reading = f"Grown, {grown.idxmin()} is right in {grown.min():.2f} and {grown.idxmax()} in {grown.max():.2f}."
    chart = chart_over_seeds("points", "arm", "value", ("learner", "right choices"), colour="part", reference=0.5)
    caption = "Of two batches, one with the last frames of other episodes, the true one surprises less; 0.5: chance. "
    return Exhibit("useful", "From garbage to useful", frame, reading, f"{caption}{OVER}", chart)


def _life(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "cuts", measures=("accuracy",)).drop(columns=["part", "measure"])
    first, last = (frame[frame["time"] == time]["value"] for time in (frame["time"].min(), frame["time"].max()))
    reading = f"Before the first update {first.min():.3f} to {first.max():.3f}, after the last {last.min():.2f} to "
    reading += f"{last.max():.2f}."
    chart = chart_over_seeds("lines", "time", "value", ("updates", "accuracy on digits"), colour="arm", reference=0.1)
    return Exhibit("life", "Every rule starts at chance", frame, reading, OVER, chart)


def _cuts(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "cuts", measures=("chance", "rises", "early")).drop(columns=["part", "time"])
    by_claim = frame.groupby("measure", sort=False)["value"].mean()
    listed = ", ".join(f"{claim} {value:.0%}" for claim, value in by_claim.items())
    reading = f"A claim keeps the sign that it has at the true start at so many of the cuts: {listed}."
    chart = chart_over_seeds("points", "arm", "value", ("rule", "part of the cuts"), colour="measure", reference=0.8)
    caption = "Cuts: before the first update, after 1, 2, 4, ... of 512. "
    return Exhibit("cuts", "When one says that a learner is born", frame, reading, f"{caption}{OVER}", chart)


def _bits(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "grown", measures=("specification", "weights", "ratio")).drop(columns=["part", "time"])
    ratio = frame[frame["measure"] == "ratio"].set_index("arm")["value"]
    reading = f"The specification takes {ratio.min():.2%} ({ratio.idxmin()}) to {ratio.max():.2%} ({ratio.idxmax()})."
    caption = "Bits after lossless compression of code and settings, and of the trained weights. "
    return Exhibit("bits", "Bits of the recipe, bits of what was learned", frame, reading, f"{caption}{OVER}")


def _memory(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "memory", measures=("recall",)).drop(columns=["part", "measure", "time"])
    frame = frame.assign(load=frame["arm"].astype(float)).drop(columns="arm")
    reading = f"Recall is {frame['value'].iloc[0]:.2f} before anything is written, at best {frame['value'].max():.2f}."
    chart = chart_over_seeds("lines", "load", "value", ("patterns written per unit", "recall"), reference=0.5)
    return Exhibit("memory", "A memory that starts empty", frame, reading, OVER, chart)
