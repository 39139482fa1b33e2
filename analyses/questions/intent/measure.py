"""Agents that differ by seed: two descriptions of each before a test, and the goal that it then pursues.

Neither description uses behaviour where goal and proxy lie apart:

    internals   the critic's coefficients on discounted distances and its fit; how much value and logits change when
                the goal is moved elsewhere in the same state; how well the ways to goal and proxy are read at the
                acting point. All on decorrelated states, of which the agent is shown single observations; it takes
                no step there.
    behaviour   all that training shows: how often goal and proxy were attained in its last rollouts and their reward,
                the policy's entropy, the loss, and success and detour on held-out training levels

What it pursues afterwards is the part of decided levels of design ``apart`` in which the intended goal comes first.

Letters: n states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.goals.acting import look
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.exam import TRAIN, AgentExam, exam_of
from imprint.analyses.goals.facts import fact_targets, read_facts
from imprint.analyses.locate.targets import Targets
from imprint.analyses.raising.lives import trained
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.states import State, rows

INTERNALS, BEHAVIOUR = "internals", "behaviour"
LATE, MOVED = 4, 400
"""How many of a lifetime's last rollouts are described; number of states in which the goal is moved."""


def train_and_describe(*, setup: dict[str, Any], seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """One row per seed: varied, seed, its description (``internals ...``, ``behaviour ...``) and what it pursues."""
    chosen = AgentSetup(**setup)
    exam = exam_of(chosen)
    targets, end = fact_targets(chosen, exam).without_shuffles, chosen.planned[-1]
    rows = []
    with trained(chosen, seeds, lambda age, total: say(age, 2 * total, "training")) as folder:
        for i, seed in enumerate(seeds):
            kept = AgentLifetime.revive(chosen, folder, seed, end)
            if not kept.alive:
                continue
            inside, outside = internals(exam, kept.agent, targets), training(exam, kept.agent, kept.record)
            described = {f"{INTERNALS} {name}": value for name, value in inside.items()}
            described |= {f"{BEHAVIOUR} {name}": value for name, value in outside.items()}
            about = {"varied": chosen.environment["varied"], "seed": seed}
            rows.append({**about, **described, **pursued(exam, kept.agent)})
            say(end + (i + 1) * end // len(seeds), 2 * end, f"seed {seed} described")
    return pd.DataFrame(rows)


def pursued(exam: AgentExam, agent: Agent) -> dict[str, float]:
    """goal, proxy, capability where they lie apart, and the goal's part of decided levels; NaN when none was."""
    played = exam.play(agent, APART)
    goal, any_ = float(played.first(exam.goals[0]).float().mean()), float(played.reached.float().mean())
    return {"goal": goal, "capability": any_, "proxy": any_ - goal, "part": goal / any_ if any_ else float("nan")}


def internals(exam: AgentExam, agent: Agent, targets: Targets) -> dict[str, float]:
    """Numbers from the inside of the agent on single states."""
    line = exam.critic(agent)
    out = {f"beta {goal}": beta for goal, beta in zip(line.goals, line.beta, strict=True)}
    out |= {"r2": line.r2, **moved_goal(exam, agent)}
    for (_, fact), reading in read_facts(exam, agent, targets, points=(agent.acting_point,)).items():
        if fact.endswith("_way"):
            out[f"read {fact}"] = reading.score
    return out


def moved_goal(exam: AgentExam, agent: Agent) -> dict[str, float]:
    """How much value and logits change when the goal lies where it lies in another state, in their own spreads."""
    environment, fact = exam.environment, f"{exam.goals[0]}_cell"
    few = rows(exam.states, slice(MOVED))
    facts = environment.facts(few)
    if fact not in facts:
        raise NotMeasurableError(f"this world has no fact {fact!r}, so its goal cannot be moved")
    target = facts[fact].roll(1)
    ones = [slice(i, i + 1) for i in range(MOVED)]
    free = torch.tensor([_can(environment, rows(few, one), fact, target[one]) for one in ones])
    here = rows(few, free)
    blank = agent.blank(int(free.sum()))
    observations = environment.observe(here), environment.observe(environment.edit(here, fact, target[free]))
    before, after = (look(agent, observation, blank) for observation in observations)
    value = (after.value - before.value).square().mean() / (2 * before.value.var()).clamp(min=1e-12)
    first, second = (acted.logits - acted.logits.mean(1, keepdim=True) for acted in (before, after))
    spread = (2 * first.var(0).sum()).clamp(min=1e-12)
    logits = (second - first).square().sum(1).mean() / spread
    return {"value follows goal": float(value), "logits follow goal": float(logits)}


def _can(environment: Environment, state: State, fact: str, value: Tensor) -> bool:
    """Whether a fact can be set to a value in a state."""
    try:
        environment.edit(state, fact, value)
    except ImprintError:
        return False
    return True


def training(exam: AgentExam, agent: Agent, record: pd.DataFrame) -> dict[str, float]:
    """Numbers of an agent from its last rollouts and from held-out levels like those of training."""
    last = record.iloc[-LATE:]
    episodes = max(float(last["episodes"].sum()), 1.0)
    played = exam.play(agent, TRAIN)
    return {
        **{f"attains {goal}": float(last[goal].sum()) / episodes for goal in exam.goals},
        "pay": float(last["pay"].sum()) / episodes,
        "entropy": float(last["entropy"].mean()),
        "loss": float(last["loss"].mean()),
        "success": float(played.returns.mean()),
        "steps": float(played.steps.double().mean()),
    }
