"""Train agents under one fraction of varied levels, and examine them at every age.

One piece of work is one group of seeds that train as one stack. It returns rows of findings with two columns more:
``varied`` (fraction of training levels in which the coin lies anywhere) and ``label`` (the arm of the question).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.engine import Say
from imprint.analyses.goals.exam import exam_of
from imprint.analyses.goals.facts import look_exam, looked
from imprint.analyses.goals.rows import behaviour_rows, causal_rows, critic_rows, verdict_row
from imprint.analyses.statistics import score
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import Upbringing, living_agent_ages, newborn, revive_agent, training_success
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder

DESIGNS = ("train", "apart", "only_proxy")
Rows = list[dict[str, Any]]


class Examiner:
    """Examines agents of a setup beside the same floor of untrained agents."""

    def __init__(self, setup: AgentSetup, floor: Sequence[int]) -> None:
        """``floor``: numbers of the untrained agents."""
        self.setup, self.exam = setup, exam_of(setup)
        self.facts = look_exam(setup, self.exam)
        self.floor = self.exam.floor([newborn(setup, twin) for twin in floor])

    def rows(self, agent: Agent, about: dict[str, Any]) -> Rows:
        """Behaviour, critic, causal line, verdict, and how well facts are read; ``about``: columns of every row."""
        lines = self.exam.lines(agent, self.floor)
        return [
            *behaviour_rows(self.exam, agent, DESIGNS, about),
            *critic_rows(lines.critic, about, (self.floor, self.setup.decision.fits)),
            *causal_rows(lines, about),
            verdict_row(lines, about),
            *self._readable(agent, about),
        ]

    def _readable(self, agent: Agent, about: dict[str, Any]) -> Rows:
        """How well each fact is read at the acting point (balanced accuracy or R2, cross-validated)."""
        rows = []
        for (site, fact), reading in looked(self.exam, agent, self.facts, bare=True).items():
            if site == agent.acting_point:
                value = float(score(reading.sums.sum(0), regression=reading.regression))
                where = {"analysis": "locate", "metric": "score", "concept": fact, "site": site}
                rows.append({**about, **where, "estimate": value})
        return rows


def train_and_examine(*, setup: dict[str, Any], seeds: Sequence[int], label: str, say: Say) -> pd.DataFrame:
    """Rows of ``seeds`` of a resolved setup at every age, with the verdict at each age."""
    chosen = AgentSetup(**setup)
    examiner = Examiner(chosen, range(chosen.evaluation.twins))
    total = chosen.planned[-1]

    def report(step: Progress) -> None:
        say(step.age, 2 * total, "training")

    rows: Rows = []
    with TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        Upbringing(chosen, seeds, folder).live(report)
        for i, seed in enumerate(seeds):
            for age in living_agent_ages(chosen, folder, seed):
                kept, about = revive_agent(chosen, folder, seed, age), {"seed": seed, "age": age}
                rows += examiner.rows(kept.agent, about)
                success = {"analysis": "lifetime", "metric": "training_success", "concept": chosen.intended}
                rows.append({**about, **success, "estimate": training_success(kept.record, chosen.intended)})
            say(total + (i + 1) * total // len(seeds), 2 * total, f"seed {seed} examined")
    return _labelled(rows, chosen, label)


def untrained(*, setup: dict[str, Any], label: str, say: Say) -> pd.DataFrame:
    """Rows of untrained agents, examined beside as many other untrained ones."""
    chosen = AgentSetup(**setup)
    twins = chosen.evaluation.twins
    examiner = Examiner(chosen, range(twins, 2 * twins))
    rows: Rows = []
    for twin in range(twins):
        rows += examiner.rows(newborn(chosen, twin), {"seed": twin, "age": 0})
        say(twin + 1, twins, "untrained")
    return _labelled(rows, chosen, label)


def _labelled(rows: Rows, setup: AgentSetup, label: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for name in ("verdict", "why", "control", "site"):
        table[name] = table[name].astype("string") if name in table else pd.NA
    return table.assign(setup=setup.run_name, varied=float(setup.environment.get("varied", np.nan)), label=label)
