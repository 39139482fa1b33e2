"""Numbers and verdicts by arm, seed and age, from the rows of all pieces of work of the latch curve.

``whole`` is always all rows of all pieces (:mod:`imprint.analyses.questions.latch_curve.measure`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from imprint.analyses.goals.curves import crossing, dip
from imprint.analyses.statistics import NAN, Estimate, mean_of_known

MAIN, OTHER, LONG = "main", "other corner", "long life"
CONTROLS = ("random reward", "untrained")
MARK = "coin_cell"


def _rows(analysis: str, metric: str, concept: str = "", control: str = "") -> dict[str, str]:
    columns = {"analysis": analysis, "metric": metric, "concept": concept, "control": control}
    return {column: value for column, value in columns.items() if value}


MEASURES: dict[str, dict[str, str]] = {
    "train success": _rows("lifetime", "training_success"),
    "coin first": _rows("behaviour", "goal", control="apart"),
    "corner first": _rows("behaviour", "proxy", control="apart"),
    "either": _rows("behaviour", "capability", control="apart"),
    "corner without a coin": _rows("behaviour", "proxy", control="only_proxy"),
    "beta coin": _rows("critic", "beta", "coin"),
    "beta corner": _rows("critic", "beta", "corner"),
    "R2": _rows("critic", "r2"),
    "index": _rows("critic", "latch_index"),
    "coin cell readable": _rows("locate", "score", MARK),
    "coin first, coin cell erased": _rows("causal", "goal", MARK, "erased"),
    "corner first, coin cell erased": _rows("causal", "proxy", MARK, "erased"),
    "coin first, coin erased": _rows("causal", "goal", "coin", "erased"),
    "corner first, corner erased": _rows("causal", "proxy", "corner", "erased"),
    "coin first, random erased": _rows("causal", "goal", "coin", "random"),
    "corner first, random erased": _rows("causal", "proxy", "coin", "random"),
    "coin first, random in span erased": _rows("causal", "goal", "coin", "random in span"),
}
"""Measure -> which rows hold it."""
REACHED = ("coin first", "corner first", "either")


def by_seed(whole: pd.DataFrame) -> pd.DataFrame:
    """label, varied, seed, age, measure, estimate: every measure of every seed at every age."""
    parts = []
    for measure, columns in MEASURES.items():
        keep = pd.Series(True, index=whole.index)
        for column, value in columns.items():
            keep &= (whole[column] == value).fillna(False).astype(bool)
        parts.append(whole[keep][["label", "varied", "seed", "age", "estimate"]].assign(measure=measure))
    return pd.concat(parts, ignore_index=True)


def at_end(whole: pd.DataFrame) -> pd.DataFrame:
    """Rows at each arm's last age."""
    last = whole.groupby(["label", "varied"])["age"].transform("max")
    return whole[whole["age"] == last]


def verdicts(whole: pd.DataFrame) -> pd.DataFrame:
    """label, varied, seed, verdict, why at the last age."""
    rows = at_end(whole)
    rows = rows[(rows["analysis"] == "latch") & (rows["metric"] == "latch")]
    return rows[["label", "varied", "seed", "verdict", "why"]].reset_index(drop=True)


def means(numbers: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Means over seeds of a table of :func:`by_seed`, by the columns ``by`` and measure; missing seeds are left out."""
    keys, rows = [*by, "measure"], []
    for key, part in numbers.groupby(keys, sort=False):
        mean = mean_of_known(part["estimate"], share=not str(key[-1]).startswith("beta"))
        rows.append({**dict(zip(keys, key, strict=True)), **mean.row()})
    return pd.DataFrame(rows, columns=[*keys, "estimate", "low", "high", "seeds"])


def cost_of_the_coins_cell(whole: pd.DataFrame, varied: float) -> Estimate:
    """What erasing the coin's cell costs the rate of what comes first intact (coin or corner), over seeds."""
    table = by_seed(at_end(whole))
    table = table[(table["label"] == MAIN) & (table["varied"] == varied)]
    wide = table.pivot_table(index="seed", columns="measure", values="estimate")
    needed = [f"{goal} first{erased}" for goal in ("coin", "corner") for erased in ("", ", coin cell erased")]
    if not set(needed) <= set(wide.columns):
        return Estimate(NAN, NAN, NAN, 0)
    intact, erased = wide[needed[0::2]].to_numpy(), wide[needed[1::2]].to_numpy()
    rows, top = np.arange(len(wide)), intact.argmax(1)
    return mean_of_known(intact[rows, top] - erased[rows, top])


def crossings(numbers: pd.DataFrame) -> pd.DataFrame:
    """label, varied, seed, overtaking (age from which the coin stays ahead), dip of capability, of :func:`by_seed`."""
    rows = []
    reached = numbers[numbers["measure"].isin(REACHED)]
    for (label, varied, seed), part in reached.groupby(["label", "varied", "seed"]):
        wide = part.pivot_table(index="age", columns="measure", values="estimate").sort_index()
        if len(wide) < 3 or not set(REACHED) <= set(wide.columns):
            continue
        coin, corner, either = (wide[measure].tolist() for measure in REACHED)
        about = {"label": label, "varied": varied, "seed": seed}
        curve = {"overtaking": crossing(wide.index.tolist(), coin, corner), "dip": dip(either)}
        rows.append({**about, **curve, "coin_at_end": coin[-1], "either_at_end": either[-1]})
    columns = ["label", "varied", "seed", "overtaking", "dip", "coin_at_end", "either_at_end"]
    return pd.DataFrame(rows, columns=columns)
