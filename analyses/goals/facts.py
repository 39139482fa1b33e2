"""Which facts can be read from an agent's activations on decorrelated states, beside every floor.

As :mod:`imprint.analyses.locate.locate`, at every read point of the agent: facts are the marks of all goals and the
setup's concepts. What can be read says what the agent could know, never what it wants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imprint.analyses.goals.acting import activations
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.goals.scenes import facts_table
from imprint.analyses.locate.targets import SiteReadings, Targets, merge_groups, readable, targets_of
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.probes.readouts.base import READOUTS
from imprint.probes.samples.controls import compact_groups, folds_of


def facts_of(setup: AgentSetup, exam: AgentExam) -> tuple[str, ...]:
    """Facts that are looked for: the marks of every goal, then the setup's concepts."""
    marks = [mark for goal in exam.goals for mark in exam.environment.marks.get(goal, ())]
    return tuple(dict.fromkeys([*marks, *setup.concepts]))


def fact_targets(setup: AgentSetup, exam: AgentExam) -> Targets:
    """The facts of the exam's states as targets, with the same folds for every agent of a run."""
    evaluation, rng = setup.evaluation, np.random.default_rng(exam.seed)
    table = facts_table(exam.environment, exam.scenes(AgentLifetime.twin(setup, 0)).state, facts_of(setup, exam))
    groups, readout = compact_groups(None, len(table)), READOUTS.load(evaluation.readout)()
    found = targets_of(table, groups, readout, nulls=evaluation.nulls, rng=rng)
    fold = folds_of(groups, evaluation.folds, rng)
    return Targets(*found, readout, fold, merge_groups(groups, rng))


def read_facts(exam: AgentExam, agent: Agent, targets: Targets, *, points: Sequence[str] | None = None) -> SiteReadings:
    """(read point, fact) -> reading, at some points of the agent (default: all its read points)."""
    scenes = exam.scenes(agent)
    found = activations(agent, scenes.observation, scenes.memory, tuple(points or agent.read_points))
    return targets.read_sites(readable(found))
