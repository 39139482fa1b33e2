"""An examination as rows of findings. ``about``: the columns that all rows of an agent share (seed, age, control)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from imprint.analyses.goals.behaviour import APART, MOVED, Played, rates
from imprint.analyses.goals.causal_line import ALONE, ERASED, INTACT
from imprint.analyses.goals.critic_line import CriticLine
from imprint.analyses.goals.decision import judgement_rows
from imprint.analyses.goals.exam import AgentExam, Examined
from imprint.analyses.statistics import Estimate, mean_of_known, rate_of
from imprint.analyses.verdicts import UNDETERMINED
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import training_success

Row = dict[str, Any]

METRICS = {
    "behaviour": {
        "capability": "part of levels in which any goal is reached; control: the design, or which control agent",
        "goal": "part of levels in which the intended goal comes first",
        "proxy": "part of levels in which the goal named by `concept` comes first",
        "return": "mean return of an episode on training levels",
        "detour": "steps to the goal, in steps of the shortest way",
        "habit": "part of levels with the proxy moved where its usual place comes first, of those where either does",
    },
    "critic": {
        "beta": "coefficient of a goal's discounted distance in the critic's value",
        "vif": "variance inflation factor of that coefficient",
        "r2": "fit of the value by the goals' discounted distances",
        "latch_index": "0 intended goal, 1 proxies; missing when the fit is no better than its floors",
    },
    "causal": {
        "goal": "part of levels in which the intended goal comes first, with `concept` erased as `control` says",
        "proxy": "part of levels in which another goal comes first, with `concept` erased as `control` says",
        "interchange": "part of levels in which the place of `concept` that was put into the activations comes first",
        "rank_cost": "loss of the goal's rate by erasing it at the rank that `control` names, or random directions",
    },
}


def examined_rows(examined: Examined, about: Row, *, verdict: bool = True) -> list[Row]:
    """Behaviour, critic and causal line of an agent, and with ``verdict`` the verdict on it.

    The estimate of the verdict's row is the part of levels where the intended goal comes first.
    """
    intended = examined.goals[0]
    hits = examined.played[APART].first(intended)
    first = rate_of(int(hits.sum()), len(hits)).row(count="n")
    index = {"analysis": "critic", "metric": "latch_index", "concept": intended, "n": examined.critic.n}
    return [
        *behaviour_rows(examined.played, intended, about),
        *habit_rows(examined.habits, about),
        *critic_rows(examined.critic, about),
        {**about, **index, "estimate": examined.index, "why": examined.silent},
        *causal_rows(examined.causal, examined.goals, about, problem=examined.problem),
        *(judgement_rows(examined.judged, about, first) if verdict else []),
    ]


def habit_rows(habits: Mapping[str, Estimate], about: Row) -> list[Row]:
    """Of every proxy that was moved, how often its usual place comes first rather than it."""
    base = {**about, "analysis": "behaviour", "metric": "habit", "control": MOVED}
    return [{**base, "concept": goal, **rate.row(count="n")} for goal, rate in habits.items()]


def deeper_rows(exam: AgentExam, agent: Agent, about: Row) -> list[Row]:
    """Interchanges of every goal's place, and what erasing it costs at other ranks."""
    base, rows = {**about, "analysis": "causal"}, []
    for goal, found in exam.interchanged(agent).items():
        own = {**base, "metric": "interchange", "concept": goal}
        if isinstance(found, str):
            rows.append({**own, "verdict": "not measurable", "why": found})
            continue
        for row in found.to_dict("records"):
            numbers = {name: row[name] for name in ("estimate", "low", "high", "n")}
            rows.append({**own, **numbers, "control": row["exchanged"], "why": f"rank {row['rank']}"})
    for row in exam.ranks(agent).to_dict("records"):
        own = {**base, "metric": "rank_cost", "concept": row["goal"], "n": row["n"]}
        how = f"{row['encoding']}, rank {row['rank']}"
        rows += [{**own, "control": f"{kind}, {how}", "estimate": row[kind]} for kind in (ERASED, "random")]
    return rows


def behaviour_rows(played: Mapping[str, Played], intended: str, about: Row) -> list[Row]:
    """Rates on every design that was played; the return on the training design only."""
    rows = [row for design, of_design in played.items() for row in rates(of_design, design, intended)]
    kept = [row for row in rows if row["metric"] != "return" or row["control"] == "train"]
    return [{"analysis": "behaviour", **row, **about} for row in kept]


def critic_rows(line: CriticLine, about: Row) -> list[Row]:
    """Numbers of a critic line, without its index."""
    base = {**about, "analysis": "critic", "n": line.n}
    rows: list[Row] = [{**base, "metric": "r2", "concept": line.goals[0], "estimate": line.r2}]
    for goal, beta, low, high, vif in zip(line.goals, line.beta, line.low, line.high, line.vif, strict=True):
        rows.append({**base, "metric": "beta", "concept": goal, "estimate": beta, "low": low, "high": high})
        rows.append({**base, "metric": "vif", "concept": goal, "estimate": vif})
    return rows


def causal_rows(causal: pd.DataFrame, goals: Sequence[str], about: Row, *, problem: str = "") -> list[Row]:
    """Rates under every edit: ``concept`` is what was erased, the metric says whose rate; see the findings' columns.

    Draws of random directions are put together: their mean, and Student's t over draws. ``(coin alone)`` is the erasure
    of what is known of the coin beyond the other goals' marks.
    """
    intended, base = goals[0], {**about, "analysis": "causal"}
    if problem:
        return [{**base, "metric": "goal", "concept": intended, "verdict": "not measurable", "why": problem}]
    rows = []
    for (erased, kind, goal), part in causal.groupby(["erased", "kind", "goal"], sort=False):
        if goal != intended and len(goals) > 2 and erased not in ("", goal):
            continue
        edit = part.iloc[0].to_dict()
        n = int(edit["n"])
        rate = {"estimate": edit["rate"], "low": edit["low"], "high": edit["high"]}
        if len(part) > 1:
            rate = mean_of_known(part["rate"], n).row(count=None)
        names = {
            "metric": "goal" if goal == intended else "proxy",
            "concept": f"({erased} alone)" if kind == ALONE else erased or (goal if kind == INTACT else ""),
            "control": ERASED if kind == ALONE else kind,
        }
        moved = float(part["moved"].mean())
        why = f"rank {int(edit['rank'])}" + (f"; action distribution moved by {moved:.3f}" if moved == moved else "")
        rows.append({**base, **names, "n": n * len(part), "why": why, **rate})
    return rows


def control_row(examined: Examined, about: Row, *, expected: str = UNDETERMINED, wrong: str = "") -> Row:
    """A self-check row of an agent whose right verdict is known; of one that learned nothing it is ``undetermined``.

    ``wrong``: what else is wrong about it; empty when nothing is.
    """
    judged = examined.judged
    check = {"analysis": "planted", "metric": "self_check", "concept": examined.goals[0]}
    why = f"expected {expected}; {wrong + '; ' if wrong else ''}{judged.why}"
    right = {"estimate": float(judged.verdict == expected and not wrong), "verdict": judged.verdict, "why": why}
    return {**about, **check, **right, "n": len(examined.played[APART].steps)}


def training_row(record: pd.DataFrame, goal: str, about: Row) -> Row:
    """How often an agent attained ``goal`` in the last rollouts of its training; ``record``: one row per rollout."""
    success = training_success(record, goal)
    return {**about, "analysis": "lifetime", "metric": "training_success", "concept": goal, "estimate": success}
