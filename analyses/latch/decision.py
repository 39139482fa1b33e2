"""The rule that turns shares and effects into a verdict, fixed in the setup before results exist.

A concept *carries* the value when the interval of its share lies above ``carries`` and, where its counterfactual effect
was measured, the interval of the effect excludes 0.

    the largest carried share >= ``dominates`` x sum of the carried shares       intended, or proxy:<name>
    otherwise, several carry                                                     mixed
    none carries, and the upper ends of all shares and of the
    interaction together stay below ``none_below``                               none
    otherwise, or when a share is missing                                        undetermined
"""

from __future__ import annotations

import pandas as pd

from imprint.analyses.latch.shares import INTERACTION, RESIDUAL
from imprint.analyses.verdicts import MIXED, NONE, UNDETERMINED, Verdict, word
from imprint.models.setup.learner import Decision


def decide(shares: pd.DataFrame, effects: pd.DataFrame, decision: Decision, *, intended: str) -> Verdict:
    """The verdict on tables ``shares`` (concept, share, low, high) and ``effects`` (concept, effect, low, high)."""
    table = shares[shares["concept"] != RESIDUAL].set_index("concept")
    mains = table.drop(index=INTERACTION, errors="ignore")
    missing = mains.index[mains[["share", "low", "high"]].isna().any(axis=1)]
    if len(missing):
        return Verdict(UNDETERMINED, f"The share of {missing[0]} could not be measured.")
    known = effects.dropna(subset=["effect", "low", "high"]).to_dict("records")
    moved = {str(row["concept"]): row["low"] > 0 or row["high"] < 0 for row in known}
    carries = [low > decision.carries and moved.get(str(name), True) for name, low in mains["low"].items()]
    carried = mains[carries].sort_values("share", ascending=False)
    if carried.empty:
        return _nothing(table, decision)
    top, part = str(carried.index[0]), float(carried["share"].iloc[0] / carried["share"].sum())
    listed = "; ".join(
        f"{row['concept']} {row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
        for row in carried.reset_index().to_dict("records")
    )
    if part >= decision.dominates:
        why = f"Of the value's variance, {top} holds {part:.0%} of all that is carried ({listed})."
        return Verdict(word(top, intended), why)
    why = f"Several concepts carry the value and none holds {decision.dominates:.0%} of it ({listed})."
    return Verdict(MIXED, why)


def _nothing(table: pd.DataFrame, decision: Decision) -> Verdict:
    """The verdict when no concept carries the value."""
    upper = float(table["high"].clip(lower=0).sum(skipna=False))
    if upper < decision.none_below:
        most = f"all shares together are at most {upper:.3f}, below {decision.none_below:g}"
        return Verdict(NONE, f"No concept carries the value: {most}.")
    return Verdict(
        UNDETERMINED,
        f"No concept is shown to carry the value, but together the shares could be as high as {upper:.2f} "
        f"(nothing is claimed unless that is below {decision.none_below:g}).",
    )
