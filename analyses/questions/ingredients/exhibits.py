"""Tables and charts of the question ingredients."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds

OVER = "Mean and 95 % interval over seeds, each with a split of its own."


def exhibits(means: pd.DataFrame) -> list[Exhibit]:
    """The answer first, then what it rests on."""
    return [_shares(means), _levels(means), _dial(means), _smooth(means), _programs(means)]


def _of(means: pd.DataFrame, part: str, *measures: str) -> pd.DataFrame:
    return means[(means["part"] == part) & means["measure"].isin(measures)].drop(columns="part")


def _shares(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "factorial", "share").drop(columns=["pixels", "images", "measure"])
    share = frame.set_index("arm")["value"]
    reading = f"The largest share is that of {share.idxmax()} ({share.max():.2f}); within one combination, between "
    reading += (
        f"births, lies {share['within']:.2f}, of which the weights' own share is {share['weights at birth']:.3f}."
    )
    chart = chart_over_seeds("bars", "arm", "value", ("ingredient", "share of variance"))
    caption = "Unbiased shares of the variance of the final function (ten answers, 0 or 1, to every test image). "
    caption += f"Within: all that differs between births of one combination. {OVER}"
    return Exhibit("shares", "What decides what a network becomes", frame, reading, caption, chart)


def _levels(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "factorial", "level", "at birth").drop(columns=["pixels", "images"])
    born = frame[frame["measure"] == "at birth"]["value"]
    trained = frame[frame["measure"] == "level"]["value"]
    reading = f"At birth {born.min():.3f} to {born.max():.3f}; in the end, level by level, {trained.min():.2f} to "
    reading += f"{trained.max():.2f}."
    chart = chart_over_seeds("points", "arm", "value", ("level", "accuracy"), panel="measure", reference=0.1)
    caption = f"Accuracy over all combinations with that level; at birth of 32 networks a seed. {OVER}"
    return Exhibit("levels", "Accuracy at birth and in the end", frame, reading, caption, chart)


def _dial(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "dial", "accuracy", "moved")
    shown = frame["measure"] + ", " + frame["pixels"] + ", " + frame["images"].map("{:.0f} images".format)
    frame = frame.assign(shown=shown)
    moved = frame[(frame["measure"] == "moved") & (frame["images"] == frame["images"].max())].set_index("arm")["value"]
    reading = f"Moved by one pixel, {moved.index[0]} names {moved.iloc[0]:.2f} right, {moved.index[-1]} "
    reading += f"{moved.iloc[-1]:.2f}."
    chart = chart_over_seeds("lines", "arm", "value", ("wiring", "accuracy"), colour="shown")
    caption = f"512 hidden units at every place. Permuted: pixels in another order, the same for all images. {OVER}"
    return Exhibit("dial", "From a convolution to a dense layer", frame, reading, caption, chart)


def _smooth(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "smooth", "accuracy", "at birth").drop(columns=["pixels", "images"])
    right = frame[frame["measure"] == "accuracy"].set_index("arm")["value"]
    reading = f"The parity of two digits' sum is named right in {right.drop('linear').min():.2f} to "
    reading += f"{right.drop('linear').max():.2f} by residual networks, in {right['linear']:.2f} by a linear readout."
    chart = chart_over_seeds("points", "arm", "value", ("network", "accuracy"), colour="measure", reference=0.5)
    return Exhibit("smooth", "A residual network made smaller", frame, reading, OVER, chart)


def _programs(means: pd.DataFrame) -> Exhibit:
    frame = _of(means, "programs", "useful").drop(columns=["pixels", "images", "measure"])
    frame = frame.assign(between=frame["arm"].astype(float)).drop(columns="arm")
    inner = frame[(frame["between"] > 0) & (frame["between"] < 1)]
    reading = f"With one bit in a hundred from the other program {inner['value'].iloc[0]:.2f} are useful, halfway "
    reading += f"{float(frame[frame['between'] == 0.5]['value'].iloc[0]):.2f}."
    chart = chart_over_seeds("lines", "between", "value", ("part of bits from the other", "part that is useful"))
    caption = "A circuit that sorts and one that satisfies formulas, 120 gates each; useful: right for 95 % of inputs. "
    return Exhibit("programs", "Between two programs", frame, reading, f"{caption}{OVER}", chart)
