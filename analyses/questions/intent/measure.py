"""Agents that differ by seed: two descriptions of each before a test, and how far it then pursues the goal.

Neither description uses a level in which goal and proxy lie apart, and in training there is none:

    internals   what the agent's heads make of edited pictures, without a step in the world
                (:mod:`imprint.analyses.questions.intent.imagined`)
    behaviour   all that training shows: how often goal and proxy were attained in its last rollouts and their reward,
                the policy's entropy, the loss, and success and detour on held-out training levels

What it pursues afterwards is the part of decided levels of design ``apart`` in which the intended goal comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from imprint.analyses.engine import Say
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.exam import TRAIN, AgentExam, exam_of
from imprint.analyses.questions.intent.imagined import Imagination
from imprint.analyses.raising.lives import trained
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup

INTERNALS, BEHAVIOUR = "internals", "behaviour"
LATE = 4
"""How many of a lifetime's last rollouts are described."""
PICTURED = 7919
"""Seed of the imagined states, apart from that of the levels on which agents are judged."""


def train_and_describe(*, setup: dict[str, Any], seeds: Sequence[int], pictures: int, say: Say) -> pd.DataFrame:
    """One row per seed: its description (``internals ...``, ``behaviour ...``) and what it pursues."""
    chosen = AgentSetup(**setup)
    exam, end = exam_of(chosen), chosen.planned[-1]
    goals, discount = exam.goals, chosen.learning.discount
    imagination = Imagination.of(exam.environment, goals, discount, n=pictures, seed=PICTURED)
    rows = []
    with trained(chosen, seeds, lambda age, total: say(age, 2 * total, "training")) as folder:
        for i, seed in enumerate(seeds):
            kept = AgentLifetime.revive(chosen, folder, seed, end)
            if not kept.alive:
                continue
            inside, outside = imagination.describe(kept.agent), training(exam, kept.agent, kept.record)
            described = {f"{INTERNALS} {name}": value for name, value in inside.items()}
            described |= {f"{BEHAVIOUR} {name}": value for name, value in outside.items()}
            rows.append({"seed": seed, **described, **pursued(exam, kept.agent)})
            say(end + (i + 1) * end // len(seeds), 2 * end, f"seed {seed} described")
    return pd.DataFrame(rows)


def pursued(exam: AgentExam, agent: Agent) -> dict[str, float]:
    """goal, proxy, capability where they lie apart, and the goal's part of decided levels; NaN when none was.

    ``odd`` and ``even``: the part on each half of the levels, to see how well it is measured.
    """
    played = exam.play(agent, APART)
    first, reached = played.first(exam.goals[0]).double(), played.reached.double()
    halves = {"part": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    parts = {name: float(first[half].sum() / reached[half].sum()) for name, half in halves.items()}
    goal, any_ = float(first.mean()), float(reached.mean())
    return {"goal": goal, "capability": any_, "proxy": any_ - goal, **parts}


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
