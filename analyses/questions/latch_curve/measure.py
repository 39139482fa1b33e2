"""Train agents under one fraction of varied levels, and examine them at every age.

One piece of work is one group of seeds that train as one stack. It returns rows of findings with two columns more:
``varied`` (fraction of training levels in which the coin lies anywhere) and ``label`` (the arm of the question).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.engine import Say
from imprint.analyses.goals.exam import exam_of
from imprint.analyses.goals.facts import fact_targets, read_facts
from imprint.analyses.goals.rows import examined_rows, training_row
from imprint.analyses.raising.lives import trained
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup

DESIGNS = ("train", "apart", "only_proxy")
Rows = list[dict[str, Any]]


class Examiner:
    """Examines agents of a setup beside the same floor of untrained agents."""

    def __init__(self, setup: AgentSetup, floor: Sequence[int]) -> None:
        """``floor``: numbers of the untrained agents."""
        self.setup, self.exam = setup, exam_of(setup)
        self.targets = fact_targets(setup, self.exam).without_shuffles
        self.floor = self.exam.floor([AgentLifetime.twin(setup, twin) for twin in floor])

    def rows(self, agent: Agent, about: dict[str, Any]) -> Rows:
        """Behaviour, critic, causal line, verdict, and how well facts are read; ``about``: columns of every row."""
        examined = self.exam.examine(agent, self.floor, designs=DESIGNS)
        base = {**about, "analysis": "locate", "metric": "score"}
        readings = read_facts(self.exam, agent, self.targets, points=(agent.acting_point,))
        read = [{"concept": fact, "site": site, "estimate": r.score} for (site, fact), r in readings.items()]
        return [*examined_rows(examined, about), *({**base, **row} for row in read)]


def train_and_examine(*, setup: dict[str, Any], seeds: Sequence[int], label: str, say: Say) -> pd.DataFrame:
    """Rows of ``seeds`` of a resolved setup at every age, with the verdict at each age."""
    chosen = AgentSetup(**setup)
    examiner = Examiner(chosen, range(chosen.evaluation.twins))
    total = chosen.planned[-1]
    rows: Rows = []
    with trained(chosen, seeds, lambda age, total: say(age, 2 * total, "training")) as folder:
        for i, seed in enumerate(seeds):
            for age in AgentLifetime.living_ages(chosen, folder, seed):
                kept, about = AgentLifetime.revive(chosen, folder, seed, age), {"seed": seed, "age": age}
                rows += [*examiner.rows(kept.agent, about), training_row(kept.record, chosen.intended, about)]
            say(total + (i + 1) * total // len(seeds), 2 * total, f"seed {seed} examined")
    return _labelled(rows, chosen, label)


def untrained(*, setup: dict[str, Any], label: str, say: Say) -> pd.DataFrame:
    """Rows of untrained agents, examined beside as many other untrained ones."""
    chosen = AgentSetup(**setup)
    twins = chosen.evaluation.twins
    examiner = Examiner(chosen, range(twins, 2 * twins))
    rows: Rows = []
    for twin in range(twins):
        rows += examiner.rows(AgentLifetime.twin(chosen, twin), {"seed": twin, "age": 0})
        say(twin + 1, twins, "untrained")
    return _labelled(rows, chosen, label)


def _labelled(rows: Rows, setup: AgentSetup, label: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for name in ("verdict", "why", "control", "site"):
        table[name] = table[name].astype("string") if name in table else pd.NA
    return table.assign(setup=setup.run_name, varied=float(setup.environment.get("varied", np.nan)), label=label)
