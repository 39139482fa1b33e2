"""agent_look: which facts can be read from an agent's activations on decorrelated states, beside every floor.

As :mod:`imprint.analyses.locate.locate`, at every read point of the agent: facts are the marks of all goals and the
setup's concepts. What can be read says what the agent could know, never what it wants.

Letters: n states, D width of a read point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imprint.analyses.goals.acting import activations
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.goals.scenes import facts_table
from imprint.analyses.locate.reading import Reading, Target, read
from imprint.analyses.locate.targets import input_readings, merge_groups, targets_of, unreadable
from imprint.models.agents.base import Agent
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.probes.readouts.base import READOUTS, Readout
from imprint.probes.samples.controls import Ints, compact_groups, folds_of


def facts_of(setup: AgentSetup, exam: AgentExam) -> tuple[str, ...]:
    """Facts that are looked for: the marks of every goal, then the setup's concepts."""
    marks = [mark for goal in exam.goals for mark in exam.environment.marks.get(goal, ())]
    return tuple(dict.fromkeys([*marks, *setup.concepts]))


@dataclass(frozen=True)
class Asked:
    """The facts of the exam's states as targets, and how the states are split."""

    targets: list[Target]
    problems: dict[str, str]
    """Fact -> why it cannot be measured."""
    fold: Ints
    groups: Ints
    readout: Readout

    def inputs(self, exam: AgentExam, agent: Agent) -> dict[str, Reading]:
        """How well the raw observation gives each fact."""
        raw = exam.meet(agent).observation.flatten(1).numpy()
        found = input_readings(raw, self.targets, self.fold, self.groups)
        return {target.name: reading for target, reading in zip(self.targets, found, strict=True)}


def look_exam(setup: AgentSetup, exam: AgentExam) -> Asked:
    """The same targets and folds for every agent of a run."""
    state = exam.meet(AgentLifetime.twin(setup, 0)).state
    table = facts_table(exam.environment, state, facts_of(setup, exam))
    rng = np.random.default_rng(exam.seed)
    groups = compact_groups(None, len(table))
    readout: Readout = READOUTS.load(setup.evaluation.readout)()
    targets, problems = targets_of(table, groups, setup.evaluation.nulls, rng, readout)
    fold = folds_of(groups, setup.evaluation.folds, rng)
    return Asked(targets, problems, fold, merge_groups(groups, rng), readout)


def looked(exam: AgentExam, agent: Agent, asked: Asked, *, bare: bool = False) -> dict[tuple[str, str], Reading]:
    """(read point, fact) -> reading; ``bare``: without label shuffles, for agents that are a floor."""
    met = exam.meet(agent)
    targets = [target.real() for target in asked.targets] if bare else asked.targets
    found = {}
    for site, x in activations(agent, met.observation, met.memory, agent.read_points).items():
        if unreadable(x):
            continue
        for target, reading in zip(targets, read(x, targets, asked.fold, asked.groups, asked.readout), strict=True):
            found[site, target.name] = reading
    return found
