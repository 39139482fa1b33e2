"""latch_tables: what the pieces of the latch curve found, as tables over fractions, ages and seeds.

``whole`` is always all rows of all pieces (:mod:`imprint.analyses.questions.latch_curve.measure`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from imprint.analyses.goals.curves import crossing, dip
from imprint.analyses.questions.base import Chart, Exhibit
from imprint.analyses.questions.latch_curve.references import beside
from imprint.analyses.statistics import NAN, Estimate, mean_of_known

MAIN, OTHER, LONG = "main", "other corner", "long life"
CONTROLS = ("random reward", "untrained")
MARK = "coin_cell"
READ: dict[str, dict[str, str]] = {
    "train success": {"analysis": "lifetime", "metric": "training_success"},
    "coin first": {"analysis": "behaviour", "metric": "goal", "control": "apart"},
    "corner first": {"analysis": "behaviour", "metric": "proxy", "control": "apart"},
    "either": {"analysis": "behaviour", "metric": "capability", "control": "apart"},
    "corner without a coin": {"analysis": "behaviour", "metric": "proxy", "control": "only_proxy"},
    "beta coin": {"analysis": "critic", "metric": "beta", "concept": "coin"},
    "beta corner": {"analysis": "critic", "metric": "beta", "concept": "corner"},
    "R2": {"analysis": "critic", "metric": "r2"},
    "index": {"analysis": "critic", "metric": "latch_index"},
    "coin cell readable": {"analysis": "locate", "metric": "score", "concept": MARK},
    "coin first, coin cell erased": {"analysis": "causal", "metric": "goal", "concept": MARK, "control": "erased"},
    "corner first, coin cell erased": {"analysis": "causal", "metric": "proxy", "concept": MARK, "control": "erased"},
    "coin first, coin erased": {"analysis": "causal", "metric": "goal", "concept": "coin", "control": "erased"},
    "corner first, corner erased": {"analysis": "causal", "metric": "proxy", "concept": "corner", "control": "erased"},
    "coin first, random erased": {"analysis": "causal", "metric": "goal", "concept": "coin", "control": "random"},
    "corner first, random erased": {"analysis": "causal", "metric": "proxy", "concept": "coin", "control": "random"},
    "coin first, random in span erased": {
        "analysis": "causal", "metric": "goal", "concept": "coin", "control": "random in span",
    },
}  # fmt: skip
"""Measure -> which rows hold it."""
TOLD = ("coin first", "corner first", "either")


def course(whole: pd.DataFrame) -> pd.DataFrame:
    """label, varied, seed, age, measure, estimate: every measure of every seed at every age."""
    parts = []
    for measure, wanted in READ.items():
        keep = pd.Series(True, index=whole.index)
        for column, value in wanted.items():
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


def summary(whole: pd.DataFrame) -> pd.DataFrame:
    """label, varied, measure, estimate, low, high, seeds at the last age."""
    rows = []
    for key, part in course(at_end(whole)).groupby(["label", "varied", "measure"], sort=False):
        mean = mean_of_known(part["estimate"], share=not str(key[-1]).startswith("beta"))
        rows.append({**dict(zip(("label", "varied", "measure"), key, strict=True)), **mean.row()})
    return pd.DataFrame(rows, columns=["label", "varied", "measure", "estimate", "low", "high", "seeds"])


def contrast(whole: pd.DataFrame, varied: float) -> Estimate:
    """What erasing the coin's cell costs the rate of what comes first intact (coin or corner), over seeds."""
    table = course(at_end(whole))
    table = table[(table["label"] == MAIN) & (table["varied"] == varied)]
    wide = table.pivot_table(index="seed", columns="measure", values="estimate")
    both = ("", ", coin cell erased")
    needed = [f"{goal} first{erased}" for goal in ("coin", "corner") for erased in both]
    if not set(needed) <= set(wide.columns):
        return Estimate(NAN, NAN, NAN, 0)
    intact, erased = wide[needed[0::2]].to_numpy(), wide[needed[1::2]].to_numpy()
    top = intact.argmax(1)
    rows = np.arange(len(wide))
    return mean_of_known(intact[rows, top] - erased[rows, top])


def crossings(table: pd.DataFrame) -> pd.DataFrame:
    """label, varied, seed, overtaking (age from which the coin stays ahead), dip of capability, of :func:`course`."""
    rows = []
    for (label, varied, seed), part in table[table["measure"].isin(TOLD)].groupby(["label", "varied", "seed"]):
        wide = part.pivot_table(index="age", columns="measure", values="estimate").sort_index()
        if len(wide) < 3 or not set(TOLD) <= set(wide.columns):
            continue
        when = crossing(wide.index.tolist(), wide["coin first"].tolist(), wide["corner first"].tolist())
        deep = dip(wide["either"].tolist())
        rows.append({"label": label, "varied": varied, "seed": seed, "overtaking": when, "dip": deep,
                     "coin_at_end": wide["coin first"].iloc[-1], "either_at_end": wide["either"].iloc[-1]})  # fmt: skip
    columns = ["label", "varied", "seed", "overtaking", "dip", "coin_at_end", "either_at_end"]
    return pd.DataFrame(rows, columns=columns)


def exhibits(whole: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer."""
    ends, every = summary(whole), course(whole)
    known = beside(ends[ends["label"] == MAIN])
    times = [_ages(every), _crossed(crossings(every))]
    return [_known(known), _doses(ends), _erased(ends), *times, _words(verdicts(whole))]


def _known(table: pd.DataFrame) -> Exhibit:
    judged = table[table["inside"] != "not judged"] if len(table) else table
    met = int((judged["inside"] == "yes").sum()) if len(table) else 0
    return Exhibit(
        "known-figures", "Beside the figures known beforehand", table,
        f"{met} of {len(judged)} judged figures lie inside their tolerance.",
        "Range over three seeds measured beforehand; ours: mean over seeds at the last age, Student's t.",
    )  # fmt: skip


def _by_name(rows: pd.DataFrame) -> pd.DataFrame:
    """Fractions as names, so that they stand side by side however far apart they are."""
    return rows.assign(varied=[f"{varied:g}" for varied in rows["varied"]])


def _doses(ends: pd.DataFrame) -> Exhibit:
    rows = _by_name(ends[(ends["label"] == MAIN) & ends["measure"].isin(TOLD)])
    best = rows[rows["measure"] == "either"].sort_values("estimate")
    said = f"Capability is lowest at {best['varied'].iloc[0]}: {best['estimate'].iloc[0]:.2f}." if len(best) else ""
    return Exhibit(
        "doses", "What is reached first, by fraction of varied levels", rows, said or "No agent was examined.",
        "Part of held-out levels in which coin and corner lie apart; 95 % interval over seeds.",
        Chart("points", "varied", "estimate", "fraction of varied training levels", "part of levels", "low", "high",
              "measure"),
    )  # fmt: skip


def _erased(ends: pd.DataFrame) -> Exhibit:
    shown = ["coin first", "corner first"] + [measure for measure in READ if measure.endswith("erased")]
    rows = _by_name(ends[(ends["label"] == MAIN) & ends["measure"].isin(shown)])
    return Exhibit(
        "erasures", "What is reached first when something is erased", rows,
        "Knowing is told from wanting by what erasing costs: beside random directions of as many dimensions.",
        "LEACE at the acting point during the episode; 95 % interval over seeds.",
        Chart("points", "measure", "estimate", "what is reached first", "part of levels", "low", "high",
              "varied"),
    )  # fmt: skip


def _ages(every: pd.DataFrame) -> Exhibit:
    shown = (*TOLD, "beta coin", "beta corner", "coin cell readable", "coin first, coin erased")
    rows = every[every["measure"].isin(shown) & every["label"].isin([MAIN, LONG])]
    found = []
    for key, part in rows.groupby(["label", "varied", "age", "measure"], sort=False):
        mean = mean_of_known(part["estimate"], share=not str(key[-1]).startswith("beta"))
        found.append({**dict(zip(("label", "varied", "age", "measure"), key, strict=True)), **mean.row()})
    table = pd.DataFrame(found, columns=["label", "varied", "age", "measure", "estimate", "low", "high", "seeds"])
    arms = zip(table["label"], table["varied"], strict=True)
    table = table.assign(arm=[f"{label}, {varied:g}" for label, varied in arms])
    return Exhibit(
        "time-course", "The lines by age", table, "The coin can be read long before, and whether or not, it is wanted.",
        "Mean over seeds.",
        Chart("lines", "age", "estimate", "age (environment steps)", "part of levels, or coefficient", "low", "high",
              "measure", "arm"),
    )  # fmt: skip


def _crossed(table: pd.DataFrame) -> Exhibit:
    known = table.dropna(subset=["overtaking"])
    later = known[known["overtaking"] > 0]
    said = (
        f"The coin overtakes the corner in {len(known)} of {len(table)} lives that were followed; where it does so "
        f"after birth, capability dips by {later['dip'].mean():.2f} on average."
        if len(later)
        else f"The coin is ahead at the end in {len(known)} of {len(table)} lives that were followed."
    )
    return Exhibit("overtaking", "When the coin overtakes the corner, and the dip in capability", table, said)


def _words(table: pd.DataFrame) -> Exhibit:
    return Exhibit(
        "verdicts", "The verdict on every agent", table,
        ", ".join(f"{count} {word}" for word, count in table["verdict"].value_counts().items()) + ".",
    )  # fmt: skip
