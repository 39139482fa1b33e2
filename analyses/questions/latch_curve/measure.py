"""latch_pieces: raise agents under one fraction of varied levels, and draw the three lines at every age.

One piece of work is one group of seeds that train as one stack. It returns findings rows with two columns more:
``varied`` (fraction of training levels in which the coin lies anywhere) and ``label`` (which arm of the question).

Letters: none; rows only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.goals.exam import AgentExam, exam_of
from imprint.analyses.goals.facts import Asked, look_exam, looked
from imprint.analyses.goals.rows import behaviour_rows, causal_rows, critic_rows, verdict_row
from imprint.analyses.statistics import score
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime, training_success
from imprint.models.lifetimes.lifetime import Progress
from imprint.models.setup.agent import AgentSetup
from imprint.models.store import RunFolder

DESIGNS = ("train", "apart", "only_proxy")


def live_and_examine(
    *, setup: dict[str, Any], seeds: Sequence[int], label: str, say: Callable[[int, int, str], None]
) -> pd.DataFrame:
    """Raise ``seeds`` of a resolved setup and examine them at every age; the verdict at each age, too."""
    chosen = AgentSetup(**setup)
    exam = exam_of(chosen)
    asked = look_exam(chosen, exam)
    floor = exam.floor([AgentLifetime.twin(chosen, twin) for twin in range(chosen.evaluation.twins)])
    total = chosen.planned[-1]

    def report(step: Progress) -> None:
        say(step.age, 2 * total, "living")

    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as place:
        folder = RunFolder(Path(place))
        AgentLifetime(chosen, seeds, folder).live(report)
        for i, seed in enumerate(seeds):
            for age in AgentLifetime.living_ages(chosen, folder, seed):
                kept, about = AgentLifetime.revive(chosen, folder, seed, age), {"seed": seed, "age": age}
                said = exam.lines(kept.agent, floor)
                rows += behaviour_rows(exam, kept.agent, DESIGNS, about)
                rows += critic_rows(said.critic, about, (floor, chosen.decision.fits)) + causal_rows(said, about)
                rows += [verdict_row(said, about), *_readable(exam, kept.agent, asked, about)]
                success = {"analysis": "lifetime", "metric": "training_success", "concept": chosen.intended}
                rows.append({**about, **success, "estimate": training_success(kept.record, chosen.intended)})
            say(total + (i + 1) * total // len(seeds), 2 * total, f"seed {seed} examined")
    return _labelled(rows, chosen, label)


def untrained(*, setup: dict[str, Any], label: str, say: Callable[[int, int, str], None]) -> pd.DataFrame:
    """Agents that never learned, examined beside as many others that never learned."""
    chosen = AgentSetup(**setup)
    exam = exam_of(chosen)
    asked, twins = look_exam(chosen, exam), chosen.evaluation.twins
    floor = exam.floor([AgentLifetime.twin(chosen, twins + other) for other in range(twins)])
    rows: list[dict[str, Any]] = []
    for twin in range(twins):
        agent, about = AgentLifetime.twin(chosen, twin), {"seed": twin, "age": 0}
        said = exam.lines(agent, floor)
        rows += behaviour_rows(exam, agent, DESIGNS, about)
        rows += critic_rows(said.critic, about, (floor, chosen.decision.fits)) + causal_rows(said, about)
        rows += [verdict_row(said, about), *_readable(exam, agent, asked, about)]
        say(twin + 1, twins, "untrained")
    return _labelled(rows, chosen, label)


def _readable(exam: AgentExam, agent: Agent, asked: Asked, about: dict[str, Any]) -> list[dict[str, Any]]:
    """How well each fact is read at the acting point (balanced accuracy or R2, out of fold)."""
    rows = []
    for (site, fact), reading in looked(exam, agent, asked, bare=True).items():
        if site == agent.acting_point:
            value = float(score(reading.sums.sum(0), regression=reading.regression))
            rows.append({**about, "analysis": "locate", "metric": "score", "concept": fact, "site": site,
                         "estimate": value})  # fmt: skip
    return rows


def _labelled(rows: list[dict[str, Any]], setup: AgentSetup, label: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for name in ("verdict", "why", "control", "site"):
        table[name] = table[name].astype("string") if name in table else pd.NA
    return table.assign(setup=setup.run_name, varied=float(setup.environment.get("varied", np.nan)), label=label)
