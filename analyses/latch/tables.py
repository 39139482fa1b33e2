"""Tables of the numbers behind a latch verdict, and the rows that they become in the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.latch.decision import Judgement
from imprint.analyses.latch.floor import bounds
from imprint.analyses.latch.pooling import Pooled
from imprint.analyses.latch.profile import split
from imprint.analyses.latch.shares import INTERACTION, RESIDUAL
from imprint.analyses.statistics import Floats

METRICS = {
    "latch": {
        "latch": "the verdict row; of agents its estimate is how often the intended goal comes first",
        "probability": "probability of the word that `control` names; the words of one age add up to 1",
        "leads": "probability that this concept has the largest dominance",
        "dominance": "part of the variance that the concepts explain; of agents, of levels in which a goal is reached",
        "carries": "probability that the concept counts: share, causal share, effect, and above untrained twins",
        "ruled_out": "1: the proxy's share is shown to be negligible; 0: it is not",
        "share": "share of the value's variance on the balanced design",
        "untrained_share": "mean share in untrained twins; `high`: what an untrained subject stays below",
        "effect": "mean counterfactual change of the value, in its standard deviations",
        "residual": "share of the value's variance, within combinations of the concepts, that goes with `control`",
        "power": "part of simulated runs that say the right word, `verdict`, at the dominance that `control` names",
        "limit": "1: something that a verdict of this setup can never say; `why` names it",
        "power_open": "part of simulated runs that say no word",
        "power_wrong": "part of simulated runs that say a wrong word",
        "multiverse": "part of the analyses with the choice that `control` names in which the verdict stands",
        "multiverse_word": "part of all analyses that say `verdict`",
        "erasure_loss": "share lost when the concept is erased at the site; control: `erased` or `random subspace`",
        "attribution": "part of the attribution on the concept's pixels; control `area`: their part of the picture",
    }
}

ENOUGH_TWINS = 5
"""Untrained twins below which the floor is said to be rough."""


def share_table(pooled: Pooled) -> pd.DataFrame:
    """concept, share, low, high."""
    names, ends = (*pooled.concepts, INTERACTION, RESIDUAL), pooled.intervals()[: len(pooled.concepts) + 2]
    return pd.DataFrame({"concept": names, "share": split(pooled.estimate)[0], "low": ends[:, 0], "high": ends[:, 1]})


def effect_table(pooled: Pooled, problems: Mapping[str, str]) -> pd.DataFrame:
    """concept, effect, low, high, n, why."""
    count = len(pooled.concepts)
    ends = pooled.intervals()[count + 2 : 2 * count + 2]
    table = pd.DataFrame(
        {"concept": pooled.concepts, "effect": split(pooled.estimate)[1], "low": ends[:, 0], "high": ends[:, 1]}
    )
    return table.assign(n=pooled.rows, why=[problems.get(concept, "") for concept in pooled.concepts])


def twin_table(shares: Floats, names: Sequence[str], seeds: int) -> pd.DataFrame:
    """concept, share, bound of untrained twins with ``shares [m, C + 2]``; no rows without twins."""
    table = pd.DataFrame({"concept": [*names, INTERACTION], "share": np.nan, "bound": bounds(shares, seeds)})
    return table.assign(share=shares[:, :-1].mean(0)) if len(shares) else table.iloc[:0]


def share_rows(shares: pd.DataFrame, **about: Any) -> pd.DataFrame:
    """Findings rows of a table of shares."""
    return shares.rename(columns={"share": "estimate"}).assign(metric="share", **about)


def twin_rows(twins: pd.DataFrame) -> pd.DataFrame:
    """Findings rows of a table of untrained twins; the bound is the upper end."""
    rows = twins.rename(columns={"share": "estimate", "bound": "high"})
    return rows.assign(metric="untrained_share")


def verdict_rows(judged: Judgement, shares: pd.DataFrame, **about: Any) -> pd.DataFrame:
    """Findings rows of a verdict: the word, the probability of each word, dominance, and proxies that are ruled out."""
    intended = str(shares["concept"].iloc[0])
    first = shares.rename(columns={"share": "estimate"}).iloc[:1]
    dominance = judged.dominance.rename(columns={"dominance": "estimate"}).drop(columns="carries")
    carries = judged.dominance[["concept", "carries"]].rename(columns={"carries": "estimate"})
    rows: list[dict[str, Any]] = []
    for word, probability in judged.probabilities.items():
        rows.append({"metric": "probability", "concept": intended, "control": word, "estimate": probability})
    leader, surely = judged.leads
    if leader:
        rows.append({"metric": "leads", "concept": leader, "estimate": surely})
    for proxy, out in judged.ruled_out.items():
        rows.append({"metric": "ruled_out", "concept": proxy, "estimate": float(out)})
    tables = [
        first.assign(metric="latch", verdict=judged.verdict, why=judged.why),
        dominance.assign(metric="dominance"),
        carries.assign(metric="carries"),
    ]
    return pd.concat([*tables, pd.DataFrame(rows)], ignore_index=True).assign(**about)


def twin_sentence(twins: int) -> str:
    """What the answer says of its floor; empty when there are enough twins."""
    if not twins:
        return " Not compared with untrained twins."
    few = f" Only {twins} untrained twin{'s' if twins > 1 else ''}, so their floor is rough."
    return few if twins < ENOUGH_TWINS else ""
