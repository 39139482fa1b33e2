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
from imprint.analyses.goals.facts import fact_targets, read_facts
from imprint.analyses.goals.rows import examined_rows, training_row
from imprint.analyses.locate.targets import Targets
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
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
    targets = fact_targets(chosen, exam).without_shuffles
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
                rows += examined_rows(exam.examine(kept.agent, floor, designs=DESIGNS), about)
                rows += _readable(exam, kept.agent, targets, about)
                rows.append(training_row(kept.record, chosen.intended, about))
            say(total + (i + 1) * total // len(seeds), 2 * total, f"seed {seed} examined")
    return _labelled(rows, chosen, label)


def untrained(*, setup: dict[str, Any], label: str, say: Callable[[int, int, str], None]) -> pd.DataFrame:
    """Agents that never learned, examined beside as many others that never learned."""
    chosen = AgentSetup(**setup)
    exam = exam_of(chosen)
    targets, twins = fact_targets(chosen, exam).without_shuffles, chosen.evaluation.twins
    floor = exam.floor([AgentLifetime.twin(chosen, twins + other) for other in range(twins)])
    rows: list[dict[str, Any]] = []
    for twin in range(twins):
        agent, about = AgentLifetime.twin(chosen, twin), {"seed": twin, "age": 0}
        rows += examined_rows(exam.examine(agent, floor, designs=DESIGNS), about)
        rows += _readable(exam, agent, targets, about)
        say(twin + 1, twins, "untrained")
    return _labelled(rows, chosen, label)


def _readable(exam: AgentExam, agent: Agent, targets: Targets, about: dict[str, Any]) -> list[dict[str, Any]]:
    """How well each fact is read at the acting point (balanced accuracy or R2, out of fold)."""
    base = {**about, "analysis": "locate", "metric": "score"}
    readings = read_facts(exam, agent, targets, points=(agent.acting_point,))
    return [{**base, "concept": fact, "site": site, "estimate": r.score} for (site, fact), r in readings.items()]


def _labelled(rows: list[dict[str, Any]], setup: AgentSetup, label: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    for name in ("verdict", "why", "control", "site"):
        table[name] = table[name].astype("string") if name in table else pd.NA
    return table.assign(setup=setup.run_name, varied=float(setup.environment.get("varied", np.nan)), label=label)
