"""What an examination found, as rows of findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imprint.analyses.goals.behaviour import rates
from imprint.analyses.goals.causal_line import ALONE, ERASED, INTACT
from imprint.analyses.goals.critic_line import CriticLine, gated
from imprint.analyses.goals.exam import AgentExam, Examined, Floor
from imprint.analyses.statistics import mean_of_known, rate_of
from imprint.models.agents.base import Agent

METRICS = {
    "behaviour": {
        "capability": "part of levels in which any goal is reached; control: the design, or which control agent",
        "goal": "part of levels in which the intended goal comes first",
        "proxy": "part of levels in which the goal named by `concept` comes first",
        "return": "mean return of an episode on training levels",
        "detour": "steps to the goal, in steps of the shortest way",
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
    },
}


def behaviour_rows(
    exam: AgentExam, agent: Agent, designs: Sequence[str] | None, about: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rates of an agent on some designs (default: all)."""
    rows = [row for d in designs or exam.levels for row in rates(exam.play(agent, d), d, exam.goals[0])]
    kept = [row for row in rows if row["metric"] != "return" or row["control"] == "train"]
    return [{"analysis": "behaviour", **row, **about} for row in kept]


def critic_rows(line: CriticLine, about: dict[str, Any], gate: tuple[Floor, float] | None) -> list[dict[str, Any]]:
    """Numbers of a critic line; the index only with a ``gate``: what untrained agents give, and the setup's floor."""
    base = {**about, "analysis": "critic", "n": line.n}
    rows: list[dict[str, Any]] = [{**base, "metric": "r2", "concept": line.goals[0], "estimate": line.r2}]
    for goal, beta, low, high, vif in zip(line.goals, line.beta, line.low, line.high, line.vif, strict=True):
        rows.append({**base, "metric": "beta", "concept": goal, "estimate": beta, "low": low, "high": high})
        rows.append({**base, "metric": "vif", "concept": goal, "estimate": vif})
    if gate is not None:
        index, why = gated(line, gate[0].r2, gate[1])
        rows.append({**base, "metric": "latch_index", "concept": line.goals[0], "estimate": index, "why": why})
    return rows


def causal_rows(said: Examined, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Rates under every edit: ``concept`` is what was erased, the metric says whose rate; see the findings' columns.

    Draws of random directions are put together: their mean, and Student's t over draws. ``(coin alone)`` is the erasure
    of what is known of the coin beyond the other goals' marks.
    """
    intended, base = said.lines.goals[0], {**about, "analysis": "causal"}
    if said.problem:
        return [{**base, "metric": "goal", "concept": intended, "verdict": "not measurable", "why": said.problem}]
    rows = []
    for (erased, kind, goal), part in said.causal.groupby(["erased", "kind", "goal"], sort=False):
        if goal != intended and len(said.lines.goals) > 2 and erased not in ("", goal):
            continue
        found = part.iloc[0].to_dict()
        one = {"estimate": found["rate"], "low": found["low"], "high": found["high"]}
        over = mean_of_known(part["rate"], int(found["n"])).row(count=None)
        rows.append(
            {
                **base, "metric": "goal" if goal == intended else "proxy", "n": int(found["n"]) * len(part),
                "concept": f"({erased} alone)" if kind == ALONE else erased or (goal if kind == INTACT else ""),
                "control": ERASED if kind == ALONE else kind,
                "why": f"rank {int(found['rank'])}; action distribution moved by {part['moved'].mean():.3f}",
                **(over if len(part) > 1 else one),
            }
        )  # fmt: skip
    return rows


def verdict_row(said: Examined, about: dict[str, Any]) -> dict[str, Any]:
    """The verdict on one seed; the estimate is the part of levels where the intended goal comes first."""
    goal, n = said.lines.goals[0], said.lines.levels
    first = rate_of(said.lines.first[goal], n).row(count="n")
    return {
        **about,
        **{"analysis": "latch", "metric": "latch", "concept": goal, **first},
        **{"verdict": said.verdict.verdict, "why": said.verdict.why},
    }


def control_row(said: Examined, about: dict[str, Any], levels: int) -> dict[str, Any]:
    """A self-check row of an agent that learned nothing: right when the verdict is ``undetermined``."""
    right = said.verdict.verdict == "undetermined"
    return {**about, "analysis": "planted", "metric": "self_check", "concept": said.lines.goals[0],
            "estimate": float(right), "verdict": said.verdict.verdict, "n": levels,
            "why": f"expected undetermined; {said.verdict.why}"}  # fmt: skip
