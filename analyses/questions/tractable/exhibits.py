"""Tables and charts of the question tractable, and its answer in words."""

from __future__ import annotations

import math

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds
from imprint.analyses.questions.tractable.families import STRUCTURED, UNSTRUCTURED, bits, remembered
from imprint.analyses.questions.tractable.measure import RIGHT

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, shaped: pd.DataFrame, coins: pd.DataFrame, needed: pd.DataFrame) -> list[Exhibit]:
    """All tables; ``means``: log2 of examples over seeds, ``shaped``: fits by seed, ``needed``: examples by seed."""
    return [_needs(means), _shapes(shaped), _counted(means), _coins(coins), exhibit_of_seeds(needed)]


def in_words(shaped: pd.DataFrame) -> str:
    """The answer for somebody who has not read the card."""
    mean = shaped.groupby(["learner", "family"], sort=False)[["degree", "doubling", "evidence"]].mean()
    structured = mean[mean.index.get_level_values("family").isin(STRUCTURED)]
    unreached = [f"{learner} on {family}" for learner, family in structured.index[structured["evidence"].isna()]]
    structured = structured.dropna(subset="evidence")
    every = mean.xs(UNSTRUCTURED, level="family")["doubling"]
    power = int((structured["evidence"] > 0).sum())
    low, high = structured["degree"].min(), structured["degree"].max()
    return (
        f"Three networks that begin from scratch, each with one set of dials, learn three kinds of structured tasks "
        f"with examples that grow polynomially with size rather than exponentially in {power} of "
        f"{len(structured)} cases (degree {low:.1f} to {high:.1f}){_left_out(unreached)}; where a task may be any task "
        "at all, the examples "
        f"double with every {every.min():.1f} to {every.max():.1f} further cells. Whether from scratch, "
        "general and tractable go together thus hangs on whether general is said of tasks with a structure or of all "
        "tasks; strips this short are a toy."
    )


def _left_out(unreached: list[str]) -> str:
    """Cases in which a learner ran out of examples."""
    return f", not counting {' and '.join(unreached)}, which ran out of examples in some seed" if unreached else ""


def _needs(means: pd.DataFrame) -> Exhibit:
    largest = means[means["cells"] == means.groupby("family")["cells"].transform("max")]
    said = "; ".join(
        f"{family} of {part['cells'].iloc[0]}: "
        + ", ".join(f"{row['learner']} {_geometric(float(row['value']))}" for _, row in part.iterrows())
        for family, part in largest.groupby("family", sort=False)
    )
    titles = "cells of the strip", "log2 of examples to criterion"
    chart = chart_over_seeds("lines", "cells", "value", titles, colour="learner", panel="family")
    caption = f"Examples until {RIGHT:g} of other strips are named right. {OVER}"
    reading = f"Examples at the largest size (geometric means). {said}."
    return Exhibit("needs", "Examples that are needed, by size of the task", means, reading, caption, chart)


def _geometric(octaves: float) -> str:
    return "not reached by all" if math.isnan(octaves) else f"{2**octaves:,.0f}"


def _shapes(shaped: pd.DataFrame) -> Exhibit:
    parts = [
        over_seeds(shaped, ["learner", "family"], name, named="value").assign(number=name)
        for name in ("evidence", "degree", "doubling")
    ]
    frame = pd.concat(parts, ignore_index=True)
    evidence = frame[frame["number"] == "evidence"]
    structured = evidence[evidence["family"] != UNSTRUCTURED]["value"]
    every = evidence[evidence["family"] == UNSTRUCTURED]["value"]
    reading = (
        f"Evidence for a power over an exponential: {structured.min():.1f} to {structured.max():.1f} with structure, "
        f"{every.min():.1f} to {every.max():.1f} over all tasks."
    )
    caption = (
        "Evidence: information criterion of the exponential less that of the power. Degree: of the power. Doubling: "
        f"cells by which examples double, were they exponential. {OVER}"
    )
    titles = "family of tasks", "evidence for a power; degree; cells"
    chart = chart_over_seeds("points", "family", "value", titles, colour="learner", panel="number")
    return Exhibit("shapes", "A power, or an exponential", frame, reading, caption, chart)


def _counted(means: pd.DataFrame) -> Exhibit:
    best = means.groupby(["family", "cells"], sort=False)["value"].min().reset_index(name="fewest")
    pairs = list(zip(best["family"], best["cells"], strict=True))
    frame = best.assign(
        bits=[bits(family, n) for family, n in pairs],
        remembered=[math.log2(remembered(family, n, RIGHT)) for family, n in pairs],
    )
    weigh = frame[frame["family"] == "weigh"].iloc[-1]
    reading = (
        f"Who only remembers needs 2^{weigh['remembered']:.0f} examples to weigh {weigh['cells']} signs; "
        f"the best of the three needs 2^{weigh['fewest']:.1f}."
    )
    caption = (
        "Bits: that it takes to name one task of the family. Fewest: log2 of examples that the best of the three "
        "learners needs. Remembered: log2 of examples that a learner needs that remembers strips and guesses others."
    )
    return Exhibit("counted", "What counting says", frame, reading, caption)


def _coins(coins: pd.DataFrame) -> Exhibit:
    said = ", ".join(f"{row['learner']} {row['value']:.2f}" for _, row in coins.iterrows())
    reading = f"Taught by coins, learners name right: {said}, where .5 is chance."
    return Exhibit("coins", "Taught by coins", coins, reading, OVER)
