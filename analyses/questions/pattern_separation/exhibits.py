"""Tables and charts of the question pattern-separation."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over seeds."
EXPLAINED = "R2 on new evenings"


def exhibits(sold: pd.DataFrame, moved: pd.DataFrame, kept: pd.DataFrame, each: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer, from means over seeds; ``each``: sales of every seed."""
    main = each[each["arm"].isin(["linear", "1024 units", "learned hidden layer"])]
    return [_width(sold), _read(sold), _tracking(moved), _told(kept), _overlap(kept), exhibit_of_seeds(main)]


def _width(sold: pd.DataFrame) -> Exhibit:
    frame = sold[sold["read"] == "closed form"].drop(columns="read")
    value = frame.set_index("arm")["value"]
    reading = f"Raw streams explain {value['linear']:.2f}, tuned cells {value['coded']:.2f}, the widest expansion "
    reading += f"{value.iloc[-1]:.2f}."
    caption = f"Ridge regression, its penalty chosen on other evenings. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("read from", EXPLAINED))
    return Exhibit("width", "Sales, by what they are read from", frame, reading, caption, chart)


def _read(sold: pd.DataFrame) -> Exhibit:
    arms = ["linear", "coded", "1024 units", "learned hidden layer"]
    frame = sold[sold["arm"].isin(arms) & (sold["read"] != "shuffled")]
    wide = frame[frame["arm"] == "1024 units"].set_index("read")["value"]
    learned = float(frame[frame["arm"] == "learned hidden layer"]["value"].iloc[0])
    reading = "1024 units: " + ", ".join(f"{name} {value:.2f}" for name, value in wide.items())
    reading += f"; a hidden layer that learns, with as many weights that change, {learned:.2f}."
    caption = f"Rules that learn step by step have the best of four step sizes, chosen on other evenings. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("read from", EXPLAINED), colour="read")
    return Exhibit("read", "In closed form and step by step", frame, reading, caption, chart)


def _tracking(moved: pd.DataFrame) -> Exhibit:
    value = moved.set_index(["plant", "arm"])["value"]
    said = [
        f"{plant}: {value[plant, 'module']:.3f} against {value[plant, 'feedback']:.3f}"
        for plant in moved["plant"].unique()
    ]
    reading = f"Error of the module against the best feedback alone; {'; '.join(said)}."
    caption = "Root mean squared error at the end of a life (targets from -1 to 1). Linear: targets now and earlier in "
    caption += "place of the expansion. No wait: learns from the present moment. Shuffled: from another one. "
    chart = chart_over_seeds("points", "arm", "value", ("arm", "error"), panel="plant")
    return Exhibit("tracking", "Making up for a lag", moved, reading, f"{caption}{OVER}", chart)


def _told(kept: pd.DataFrame) -> Exhibit:
    frame = kept[kept["measure"] == "told apart"].drop(columns="measure").astype({"part": str})
    many = frame[frame["patterns"] == 200].set_index("part")["value"]
    reading = f"Of 200 patterns most are told apart with {many.idxmax()} of the units active ({many.max():.2f})."
    caption = "Part of the patterns whose random sign is said when they are shown again with noise, after one lesson "
    caption += f"each; five patterns of a family share four fifths of their inputs. {OVER}"
    titles = ("patterns", "part told apart")
    chart = chart_over_seeds("lines", "patterns", "value", titles, colour="part")
    return Exhibit("told", "How many patterns can be told apart", frame, reading, caption, chart)


def _overlap(kept: pd.DataFrame) -> Exhibit:
    frame = kept[kept["measure"].isin(["overlap", "critical gain"])].drop(columns="patterns")
    inputs = float(kept[kept["measure"] == "overlap of inputs"]["value"].iloc[0])
    gain = frame[frame["measure"] == "critical gain"].set_index("part")["value"]
    reading = f"Alike patterns overlap by {inputs:.2f} in the inputs; excitation runs away at a gain of "
    reading += ", ".join(f"{value:.2g} with {part:g} active" for part, value in gain.items()) + "."
    caption = (
        "Overlap: mean cosine of five patterns of a family. Critical gain: of recurrent excitation among units that "
    )
    caption += f"were active together, at which in half of the trials twice the units of a pattern are active. {OVER}"
    titles = ("part of the units active", "value")
    chart = chart_over_seeds("lines", "part", "value", titles, panel="measure")
    return Exhibit("overlap", "Overlap, and when excitation runs away", frame, reading, caption, chart)
