"""Findings about agents: what they reach on each design, and what erasing a goal from their activations changes.

Rows of ``behaviour`` name in ``control`` the design of the levels (``apart``: the goals are in different places), or an
agent that could learn nothing (``untrained``, ``random reward``), which is tried ``apart`` alone. Rows of ``causal``
name in ``concept`` what was erased and in ``control`` how: ``intact``, ``erased``, or the kind of random directions
that were erased instead.
"""

from __future__ import annotations

import pandas as pd

from imprint.analyses.goals.curves import crossing
from imprint.reports.reading.run import UNTAUGHT, RunData
from imprint.reports.reading.tables import last_age, row_of
from imprint.reports.words import interval, measured, percent

APART, TRAINED, INTACT, ERASED = "apart", "trained", "intact", "erased"


def tried(run: RunData, metric: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Rows of ``behaviour`` with columns ``agent`` and ``design`` added."""
    rows = (run.per_seed if per_seed else run.pooled)("behaviour", metric)
    untaught = rows["control"].isin(UNTAUGHT)
    return rows.assign(agent=rows["control"].where(untaught, TRAINED), design=rows["control"].mask(untaught, APART))


def where_apart(run: RunData, metric: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Rows of the trained agents on levels in which the goals are in different places."""
    rows = tried(run, metric, per_seed=per_seed)
    return rows[(rows["agent"] == TRAINED) & (rows["design"] == APART)]


def metric_of(run: RunData, goal: str) -> str:
    """The metric that says how often ``goal`` is reached first."""
    return "goal" if run.goals.get(goal) == "intended" else "proxy"


def readable(run: RunData, fact: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Scores of a fact by age, at its best site; at the site with the highest score where none was chosen."""
    pick = run.per_seed if per_seed else run.pooled
    chosen, every = (pick("locate", metric, control="") for metric in ("best_site_score", "score"))
    rows = chosen if fact in set(chosen["concept"]) else every
    rows = rows[rows["concept"] == fact].dropna(subset=["age"])
    return rows.sort_values("estimate", kind="stable").drop_duplicates(["age", "seed"], keep="last")


def after_erasing(run: RunData, goal: str, *, per_seed: bool = False) -> pd.DataFrame:
    """How often ``goal`` is reached first, with a column ``edit``: ``intact``, ``without coin``, ``random``, ...

    Erasures of parts of what is known of a goal are left out. Random directions are those that were matched to the
    erasure of ``goal``. With several proxies, the findings hold for each only its own erasure.
    """
    metric = metric_of(run, goal)
    rows = (run.per_seed if per_seed else run.pooled)("causal", metric)
    rows = rows[rows["control"] != ""]
    erased, own = rows["control"] == ERASED, rows["concept"] == goal
    if metric == "goal" or len(run.proxies) == 1:
        own = own.mask(erased, rows["concept"].isin(list(run.goals)))
    edit = rows["control"].mask(erased, "without " + rows["concept"])
    return rows.assign(edit=edit)[own]


def causal_sentence(run: RunData, goal: str) -> str:
    """What erasing ``goal`` does to reaching it, beside random erasures; empty when that was not measured."""
    rows = last_age(after_erasing(run, goal)).drop_duplicates("edit", keep="last").set_index("edit")
    after = row_of(rows[rows.index == f"without {goal}"])
    if after is None or not measured(after["estimate"]):
        return ""
    before = f" instead of {percent(rows.loc[INTACT, 'estimate'])}" if INTACT in rows.index else ""
    rate = interval(after, share=True)
    text = f"with “{goal}” erased from their activations, the agents reach it first in {rate} of levels{before}"
    random = rows[~rows["control"].isin((INTACT, ERASED))].dropna(subset=["estimate"])
    if random.empty:
        return f"{text}; random directions were not erased, so this may be mere damage"
    least = random.sort_values("estimate").iloc[0]
    text += f", and in {percent(least['estimate'])} with as many random directions erased"
    if not (measured(after["high"]) and measured(least["low"])):
        return text
    if after["high"] < least["low"]:
        return f"{text}: they act on it"
    return f"{text}: they lose no more than with random directions, so it is not shown that they act on it"


def overtakings(run: RunData) -> pd.DataFrame:
    """The age from which the intended goal stays ahead of every proxy (NaN: never), per training seed.

    Columns ``seed``, ``age`` and ``first``, the first age that was examined.
    """
    goal = where_apart(run, "goal", per_seed=True).dropna(subset=["age"])
    proxies = where_apart(run, "proxy", per_seed=True)
    rival = proxies.groupby(["seed", "age"], as_index=False)["estimate"].max()
    both = goal.merge(rival, how="left", on=["seed", "age"], suffixes=("", "_rival")).sort_values("age")
    rows = []
    for seed, own in both.groupby("seed"):
        known = own.dropna(subset=["estimate", "estimate_rival"])
        age = crossing(list(known["age"]), list(known["estimate"]), list(known["estimate_rival"]))
        rows.append({"seed": seed, "age": age, "first": float(own["age"].min())})
    return pd.DataFrame(rows, columns=["seed", "age", "first"])


def nothing_learned(run: RunData) -> str:
    """A sentence instead of panels of zeros, where no fact is read better than its floors; empty where one is.

    In worlds in which the agents see everything, every fact is given by the input.
    """
    rows = run.pooled("locate", "selectivity").dropna(subset=["estimate", "age"])
    if rows.empty or (rows["verdict"] == "present").any():
        return ""
    names = ", ".join(dict.fromkeys(rows["concept"]))
    return (
        f"The agents observe everything that was looked for ({names}): nowhere is any of it read better than from what "
        "they observe or from untrained agents, so what can be read says nothing about what they learned. What they "
        "act on is shown by erasures and interchanges."
    )
