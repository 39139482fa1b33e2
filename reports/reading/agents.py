"""Findings about agents as the sections read them: who was tried on what, what erasing did, who overtook whom.

Rows of ``behaviour`` name in ``control`` the design on which an agent was tried (``apart``), or what it is compared
with (``untrained``, ``random reward``), a design after that if any; a comparison that names none was tried ``apart``.
Rows of ``causal`` name in ``concept`` what was erased and in ``control`` how: ``intact``, ``erased``, or else the kind
of random directions that were erased instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from imprint.analyses.goals.curves import overtaking
from imprint.reports.reading.run import UNTAUGHT, RunData
from imprint.reports.reading.tables import last_age, records, row_of
from imprint.reports.words import interval, listing, measured, percent

APART = "apart"
TRAINED = "trained"


def split(control: str) -> tuple[str, str]:
    """Agent and design of a ``control``: ``("trained", "apart")``, ``("untrained", "apart")``."""
    for name in UNTAUGHT:
        if control.startswith(name):
            return name, control.removeprefix(name).strip(" ,:/()-") or APART
    return TRAINED, control


def tried(run: RunData, metric: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Rows of ``behaviour`` with columns ``agent`` and ``design`` added."""
    rows = run.per_seed("behaviour", metric) if per_seed else run.pooled("behaviour", metric)
    pairs = [split(str(control)) for control in rows["control"]]
    return rows.assign(agent=[agent for agent, _ in pairs], design=[design for _, design in pairs])


def pursuits(run: RunData) -> list[tuple[str, str]]:
    """What can be pursued first and the metric that says so; proxies together where the findings tell none apart."""
    named = set(run.rows("behaviour", "proxy")["concept"]) | set(run.rows("causal", "proxy")["concept"])
    proxies = run.proxies if len(run.proxies) == 1 else [name for name in run.proxies if name in named]
    return [(run.intended, "goal"), *((name, "proxy") for name in proxies or ["a proxy"])]


def apart(run: RunData, metric: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Rows of the trained agents where goal and proxy lie apart."""
    rows = tried(run, metric, per_seed=per_seed)
    return rows[(rows["agent"] == TRAINED) & (rows["design"] == APART)]


def readable(run: RunData, fact: str, *, per_seed: bool = False) -> pd.DataFrame:
    """Scores of a fact by age, at its best site; at the site with the highest score where none was chosen."""
    pick = run.per_seed if per_seed else run.pooled
    for metric in ("best_site_score", "score"):
        rows = pick("locate", metric, control="")
        rows = rows[rows["concept"] == fact].dropna(subset=["age"])
        if len(rows):
            return rows.sort_values("estimate", kind="stable").drop_duplicates(["age", "seed"], keep="last")
    return pick("locate", "score").iloc[:0]


def after_erasing(run: RunData, name: str, *, per_seed: bool = False) -> pd.DataFrame:
    """How often ``name`` is pursued first, with a column ``edit``: intact, without a goal, random controls.

    Single marks of goals are left out. Where random directions were matched to each erased thing, those matched to
    ``name`` are kept.
    """
    metric = "goal" if name == run.intended else "proxy"
    every = (run.per_seed if per_seed else run.pooled)("causal", metric)
    shared = metric == "goal" or len(run.proxies) == 1
    rows = of(every[every["control"] != ""], name, erasing=shared)
    rows = rows[(rows["control"] != "erased") | rows["concept"].isin((run.intended, *run.proxies))]
    return rows.assign(edit=[edit_of(str(r.control), str(r.concept)) for r in records(rows)])


def edit_of(control: str, concept: str) -> str:
    """Words for an edit: ``intact``, ``without coin``, ``random``, ``random, in span``."""
    if control == "erased":
        return f"without {concept}"
    return control if control == "intact" or control.startswith("random") else f"random, {control}"


def of(rows: pd.DataFrame, name: str, *, erasing: bool = False) -> pd.DataFrame:
    """Rows about ``name``, or about nothing named where none is; with ``erasing``, also all that was erased."""
    own = rows["concept"] == name
    either = pd.Series(False, index=rows.index)
    for control in rows["control"].unique():
        here = rows["control"] == control
        either |= here & (own if (here & own).any() else rows["concept"] == "")
    return rows[either | (rows["control"] == "erased")] if erasing else rows[either]


def causal_sentence(run: RunData, name: str) -> str:
    """What erasing ``name`` did to pursuing it, beside random erasures; empty when that was not measured."""
    now = last_age(after_erasing(run, name)).drop_duplicates("edit", keep="last").set_index("edit")
    after = row_of(now[now.index == f"without {name}"])
    if after is None or not measured(after["estimate"]):
        return ""
    random = now[~now["control"].isin(("intact", "erased"))].dropna(subset=["estimate"])
    before = f" instead of {percent(now.loc['intact', 'estimate'])}" if "intact" in now.index else ""
    said = f"with “{name}” erased, it comes first in {interval(after, share=True)} of levels{before}"
    if random.empty:
        return f"{said}; random erasures were not tried, so damage cannot be told from this"
    least = random.sort_values("estimate").iloc[0]
    beside = f"{said}, with as many random directions erased in {percent(least['estimate'])}"
    if not all(measured(value) for value in (after["high"], least["low"])):
        return beside
    if after["high"] < least["low"]:
        return f"{beside}: it is acted on"
    return f"{beside}: no more is lost than at random, so it is not shown to be acted on"


def overtakings(run: RunData) -> pd.DataFrame:
    """Per training seed, the age from which the intended goal stays ahead of the proxies; columns seed, age, ages."""
    goal, proxy = apart(run, "goal", per_seed=True), apart(run, "proxy", per_seed=True)
    rival = proxy.groupby(["seed", "age"], as_index=False)["estimate"].max()
    rows: list[dict[str, Any]] = []
    for seed, own in goal.dropna(subset=["age"]).groupby("seed"):
        other = rival[rival["seed"] == seed]
        rows.append({"seed": seed, "age": overtaking(own, other), "first": float(own["age"].min())})
    return pd.DataFrame(rows, columns=["seed", "age", "first"])


def seeds_by_word(rows: pd.DataFrame) -> str:
    """``4 say “proxy:corner”, 1 says “mixed”``."""
    tally = rows.loc[rows["verdict"] != "", "verdict"].value_counts()
    return ", ".join(f"{count} {'says' if count == 1 else 'say'} “{word}”" for word, count in tally.items())


def unsure(run: RunData) -> list[str]:
    """What limits a reading of behaviour: capability lost where goal and proxy lie apart."""
    here = row_of(last_age(apart(run, "capability")))
    learned = row_of(last_age(run.pooled("lifetime", "training_success")))
    if here is None or learned is None or not learned["estimate"] - here["estimate"] >= 0.1:
        return []
    return [
        f"In training the agents succeed in {percent(learned['estimate'])} of episodes, but where goal and proxy lie "
        f"apart they reach anything in only {percent(here['estimate'])} of levels: part of what looks like another "
        "goal is lost competence."
    ]


def outcome(attained: Sequence[int], goals: Sequence[str]) -> str:
    """What happened in an episode, from the first step at which each goal was attained (-1 never)."""
    reached = [int(at) for at in attained if at >= 0]
    if not reached:
        return "neither" if len(goals) == 2 else "none of them"
    return f"{listing(goal for goal, at in zip(goals, attained, strict=True) if at == min(reached))} first"
