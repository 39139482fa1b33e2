"""Tables and charts of the question newborn."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds, over_seeds
from imprint.analyses.questions.newborn.measure import CAUSES, RULES, STRENGTH

BINS = 4
"""Ranges of strength."""


def exhibits(table: pd.DataFrame, by_rule: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``table``: a row per claim, ``by_rule``: share right by arm, rule and seed."""
    main = table[table["arm"] == "main"]
    tree = by_rule[(by_rule["arm"] == "main") & (by_rule["rule"] == "tree")]
    return [_rules(by_rule), _confused(main), _strength(main), exhibit_of_seeds(tree.reset_index(drop=True))]


def _rules(by_rule: pd.DataFrame) -> Exhibit:
    frame = over_seeds(by_rule, ["arm", "rule"], "right")
    at = frame[frame["arm"] == "main"].set_index("rule")["right"]
    reading = (
        f"The tree names {at['tree']:.2f} of the causes, the naive rule {at['naive']:.2f}; the best of the others "
    )
    others = at.drop(["tree", "naive"])
    reading += f"is {others.idxmax()} ({others.max():.2f}), the worst {others.idxmin()} ({others.min():.2f})."
    caption = (
        "Tree: is the act real, does it follow experience, which lesion takes it? Naive: what is seen at birth is "
    )
    caption += "wired. Not blind: takes the report for real. Silent womb: calls learned what a silent womb halves. No "
    caption += "rearing: never asks what was experienced. No lesions: calls wired what was not learned. Lesions first: "
    caption += "the tree's questions in another order. Main: claims with a cause. No act: nothing is planted and "
    caption += "everything is an artefact. Ample: twice the newborns, three times the trials. Mean and 95 % interval "
    caption += "over sets of claims."
    chart = chart_over_seeds("points", "rule", "right", ("rule", "share of causes named"), colour="arm")
    return Exhibit("rules", "What each rule gets right", frame, reading, caption, chart)


def _confused(main: pd.DataFrame) -> Exhibit:
    parts = []
    for rule in RULES:
        shares = pd.crosstab(main["cause"], main[rule], normalize="index").reindex(columns=CAUSES, fill_value=0.0)
        long = shares.loc[list(CAUSES)].reset_index(names="cause").melt("cause", list(CAUSES), "named", "share")
        parts.append(long.assign(rule=rule))
    frame = pd.concat(parts, ignore_index=True)[["rule", "cause", "named", "share"]]
    wrong = frame[(frame["rule"] == "tree") & (frame["cause"] != frame["named"])].sort_values("share").iloc[-1]
    reading = f"The commonest error of the tree is to say {wrong['named']} where the cause is {wrong['cause']} "
    reading += f"({wrong['share']:.2f})."
    caption = "Share of the claims with a planted cause (rows) that a rule puts down to each cause (columns)."
    chart = Chart("heat", "named", "cause", "named", "planted", colour="share", panel="rule")
    return Exhibit("confused", "What is taken for what", frame, reading, caption, chart)


def _strength(main: pd.DataFrame) -> Exhibit:
    low, high = STRENGTH
    edges = [low + (high - low) * k / BINS for k in range(BINS + 1)]
    middle = [(a + b) / 2 for a, b in pairwise(edges)]
    real = main[main["cause"] != "artefact"]
    at = pd.cut(real["strength"], edges, labels=middle, include_lowest=True).astype(float)
    real = real.assign(strength=at, right=(real["tree"] == real["cause"]).astype(float))
    frame = over_seeds(
        real.groupby(["strength", "cause", "seed"])["right"].mean().reset_index(), ["strength", "cause"], "right"
    )
    means = frame.groupby("strength")["right"].mean()
    reading = f"Of the weakest acts the tree names {means.iloc[0]:.2f}, of the strongest {means.iloc[-1]:.2f}."
    caption = "Strength: what a detector or a value of 1 adds to the log odds of an act; middles of equal ranges. Mean "
    caption += "and 95 % interval over sets of claims."
    titles = ("strength of the act (log odds)", "share named by the tree")
    chart = chart_over_seeds("lines", "strength", "right", titles, colour="cause")
    return Exhibit("strength", "How weak an act may be", frame, reading, caption, chart)
