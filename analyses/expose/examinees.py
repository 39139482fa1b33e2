"""Who is examined, and on which rows: a subject in a world, a table of values, the seeds of a run, or a study.

Of learners the rows are the held-out balanced rows of their exam, and all that the world can vary can be changed. Of
agents of ours they are the decorrelated states of their exam, the value is the critic's, and what an environment can
edit in a state can be changed. Of a study of anybody's agents they are the states of its random walks, in which nothing
can be changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from imprint.analyses.evaluate.agent_studies.study import AgentStudy
from imprint.analyses.evaluate.learners.exam import Exam
from imprint.analyses.evaluate.learners.exam import exam_of as learners_exam
from imprint.analyses.evaluate.learners.latch import untrained_subject
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.studies.study import Study
from imprint.analyses.expose.ground import Changed, Ground
from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.goals.exam import exam_of as agents_exam
from imprint.analyses.goals.levels.scenes import WalkedStates
from imprint.analyses.latch.latch import balanced_rows
from imprint.analyses.statistics import Floats
from imprint.models.agents.base import Agent
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.lifetimes.learner import LearnerLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.learner import Setup
from imprint.models.states import State, rows
from imprint.models.store import RunFolder
from imprint.models.worlds.base import World
from imprint.probes.door.arrays import real_array
from imprint.probes.door.labels import table_of
from imprint.probes.door.rows import groups_of
from imprint.probes.policies.library import is_policy
from imprint.probes.subjects.subject import Subject

DISTANCE = " distance"
"""Ends the name of a fact: steps to a goal, discounted, as an agent's critic would."""


@dataclass(frozen=True)
class Examinee:
    """One value on some rows."""

    ground: Ground
    values: Floats
    """``[n]``"""
    subject: Subject | None = None
    """What gives the value; None where there are only numbers."""
    untrained: tuple[Floats, ...] = ()
    """Values ``[n]`` of untrained twins."""
    noise: Mapping[str, Tensor] = field(default_factory=dict)
    """Diffuse noise of the world, ``[n, ...]``."""
    acting: tuple[Any, Any] | None = None
    """What can be shown other levels or episodes, and the environment, study or world that makes them."""
    outside: str = ""
    """Why nothing can be said of the inside; empty where it can."""

    @property
    def world(self) -> World | None:
        """The world that shows the subject something, if there is one."""
        where = self.acting[1] if self.acting else None
        return where if isinstance(where, World) else None

    @classmethod
    def of_subject(
        cls, subject: Subject, world: World, declared: Sequence[str], *, untrained: Sequence[Subject], n: int, seed: int
    ) -> Examinee:
        """A subject on balanced rows of a world."""
        world.require(*declared)
        batch = balanced_rows(world, n, seed)
        ground = Ground.of_world(world, batch, tuple(declared))
        twins = tuple(value_of(twin, batch.observation) for twin in untrained)
        noise = {name: batch.noise[name] for name in ground.diffuse}
        return cls(ground, value_of(subject, batch.observation), subject, twins, noise, (subject, world))

    @classmethod
    def of_exam(cls, subject: Subject, exam: Exam, *, untrained: Sequence[Subject] = ()) -> Examinee:
        """A subject on the held-out rows of an exam."""
        ground = Ground.of_world(exam.world, exam.batch, exam.names)
        twins = tuple(value_of(twin, exam.batch.observation) for twin in untrained)
        noise = {name: exam.batch.noise[name] for name in ground.diffuse}
        return cls(ground, value_of(subject, exam.batch.observation), subject, twins, noise, (subject, exam.world))

    @classmethod
    def of_table(cls, values: Any, facts: Any, declared: Sequence[str], groups: Any = None) -> Examinee:
        """Values ``[n]`` and a table of facts."""
        table = table_of(facts).reset_index(drop=True)
        numbers = np.asarray(real_array("values", values), dtype=np.float64)
        if numbers.shape != (len(table),):
            raise ImprintError(f"values are {list(numbers.shape)} for {len(table)} rows; expected one for each row.")
        found = groups_of(groups, (len(table),), None)
        ground = Ground(table, tuple(declared), np.arange(len(table)) if found is None else found)
        return cls(
            ground, finite(numbers), outside="there are numbers alone, and no subject whose inside could be read"
        )


def value_of(subject: Subject, observation: Tensor) -> Floats:
    """The value ``[n]`` of rows. Raises :class:`NotMeasurableError` for one that is not finite."""
    return finite(subject.values(observation).double().numpy())


def finite(values: Floats) -> Floats:
    """Values that can be split. Raises :class:`NotMeasurableError` for others."""
    if bad := int((~np.isfinite(values)).sum()):
        raise NotMeasurableError(f"{bad} of {len(values)} values are NaN or infinite")
    return values


# -- runs ------------------------------------------------------------------------------------------------------------


def of_run(run: Run, seeds: int | None = None) -> tuple[list[Examinee], str, tuple[str, ...]]:
    """The seeds of a run at their last age (at most ``seeds``), the intended concept and the proxies."""
    setup, folder = run.setup, RunFolder(run.path)
    if not isinstance(setup, Setup | AgentSetup):
        raise ImprintError(
            f"{run.path} is the run of a study, which keeps evidence and no models, so none of the three sources can "
            "be used. Call imprint.expose(study) while the models that were added are at hand."
        )
    first = setup.schedule.first_seed
    chosen = range(first, first + setup.schedule.seeds)[:seeds]
    if isinstance(setup, Setup):
        seeds_of = [_learner(setup, folder, seed) for seed in chosen]
    else:
        seeds_of = [_agent(setup, folder, seed) for seed in chosen]
    return seeds_of, setup.intended, tuple(setup.proxies)


def _learner(setup: Setup, folder: RunFolder, seed: int) -> Examinee:
    exam = learners_exam(setup, setup.schedule.world_of(seed))
    age = LearnerLifetime.living_ages(setup, folder, seed)[-1]
    twins = [untrained_subject(setup, exam, t) for t in range(setup.evaluation.latch_twins)]
    return Examinee.of_exam(exam.subject(folder, seed, age, whole=False), exam, untrained=twins)


def _agent(setup: AgentSetup, folder: RunFolder, seed: int) -> Examinee:
    exam = agents_exam(setup, setup.schedule.world_of(seed))
    age = AgentLifetime.living_ages(setup, folder, seed)[-1]
    agent = AgentLifetime.revive(setup, folder, seed, age).agent
    twins = [AgentLifetime.twin(setup, t) for t in range(setup.evaluation.twins)]
    return of_agent(agent, exam, twins)


def of_agent(agent: Agent, exam: AgentExam, untrained: Sequence[Agent] = ()) -> Examinee:
    """The critic of an agent on the decorrelated first states of an exam, with a blank memory."""
    state = exam.states
    facts = _facts(exam, state)
    marks = [mark for goal in exam.goals for mark in exam.environment.marks.get(goal, ())]
    near = [f"{goal}{DISTANCE}" for goal in exam.goals if f"{goal}{DISTANCE}" in facts]
    declared = tuple(name for name in dict.fromkeys([*near, *marks]) if name in facts)
    observation = exam.environment.observe(state)
    changes = {str(n): change for n in facts if (change := _edit(exam, state, str(n))) is not None}
    ground = Ground(facts, declared, np.arange(len(facts)), observation, changes)
    twins = tuple(value_of(critic(twin), observation) for twin in untrained)
    subject = critic(agent)
    return Examinee(ground, value_of(subject, observation), subject, twins, acting=(agent, exam.environment))


def critic(agent: Agent) -> Subject:
    """An agent whose value is its critic's, at the first step of an episode."""
    return Subject(agent, value=lambda observation: agent(observation, agent.blank(len(observation))).value)


def _facts(exam: AgentExam, state: State) -> pd.DataFrame:
    """All facts of some states, and how near the goals are."""
    known = {name: value.numpy() for name, value in exam.environment.facts(state).items()}
    for goal, steps in exam.environment.distances(state).items():
        worth = torch.where(steps < 0, 0.0, exam.discount ** steps.double())
        known[f"{goal}{DISTANCE}"] = worth.numpy()
    return pd.DataFrame(known)


def _edit(exam: AgentExam, state: State, fact: str) -> Callable[[torch.Generator], Changed] | None:
    """A change of a fact to what it is in another row; None where it cannot be edited."""
    known = exam.environment.facts(rows(state, slice(0, 1)))
    if fact not in known:
        return None
    try:
        exam.environment.edit(rows(state, slice(0, 1)), fact, known[fact])
    except (ImprintError, ValueError, RuntimeError):
        return None

    def change(rng: torch.Generator) -> Changed:
        value = exam.environment.facts(state)[fact]
        edited = exam.environment.edit(state, fact, value[torch.randperm(len(value), generator=rng)])
        return Changed(exam.environment.observe(edited), _facts(exam, edited))

    return change


# -- studies ---------------------------------------------------------------------------------------------------------


def of_study(study: Study, seeds: int | None = None) -> tuple[list[Examinee], str, tuple[str, ...]]:
    """The models of a study at hand, each at its last age; of labels the values that were given."""
    setup = study.setup
    names = (setup.intended, *setup.proxies)
    found = []
    for seed, held in sorted(study.latest().items())[:seeds]:
        if isinstance(held, Subject) and isinstance(study.exam, Exam):
            found.append(Examinee.of_exam(held, study.exam, untrained=study.untrained_models))
        elif isinstance(held, np.ndarray):
            found.append(Examinee.of_table(held, study.exam.concepts, names, study.exam.groups))
        else:
            raise ImprintError(
                f"seed {seed} was added without values, so nothing is known of what its value depends on."
            )
    return found, setup.intended, tuple(setup.proxies)


def of_agent_study(study: AgentStudy, seeds: int | None = None) -> tuple[list[Examinee], str, tuple[str, ...]]:
    """The critics of the policies of a study, on the states of its random walks."""
    found = []
    for seed, (policy, walked) in sorted(study.latest().items())[:seeds]:
        if walked is None or walked.value is None:
            raise NotMeasurableError(
                f"the policy of seed {seed} has no critic, so there is no value to split: neither the world nor the "
                "inside can be searched. Its behaviour can, by a search for levels"
            )
        found.append(_of_walked(policy, walked, study))
    return found, study.setup.intended, tuple(study.setup.proxies)


def _with_critic(policy: Any) -> Subject:
    """A policy whose value is its critic's: of a module that gives logits and a value, the second."""
    if isinstance(policy, nn.Module) and not is_policy(policy):
        return Subject(policy, value=lambda observation: policy(observation)[1].reshape(len(observation)))
    return Subject(policy)


def _of_walked(policy: Any, walked: WalkedStates, study: AgentStudy) -> Examinee:
    facts, discount = walked.facts.reset_index(drop=True).rename(columns=str), study.setup.evaluation.discount
    columns = [str(name) for name in facts]
    near = {}
    for goal, steps in walked.distances.items():
        near[f"{goal}{DISTANCE}"] = torch.where(steps < 0, 0.0, discount ** steps.double()).numpy()
    marks = [
        c for names in study.setup.marks.values() for m in names for c in columns if c == m or c.startswith(f"{m}[")
    ]
    table = facts.assign(**near)
    declared = tuple(dict.fromkeys([*near, *marks]))
    assert walked.value is not None
    values = finite(walked.value.double().numpy())
    try:
        observation = torch.from_numpy(walked.observations).reshape(len(table), *study.observation_shape)
        subject = _with_critic(policy)
        same = value_of(subject, observation)
    except (ImprintError, RuntimeError, TypeError, ValueError, IndexError) as problem:
        outside = f"its critic could not be read as a network of single observations ({problem})"
        return Examinee(Ground(table, declared, walked.groups), values, acting=(policy, study), outside=outside)
    if not np.allclose(same, values, atol=1e-3 * max(values.std(), 1e-6)):
        outside = "its critic gives other values for single observations than while the levels are played"
        return Examinee(Ground(table, declared, walked.groups), values, acting=(policy, study), outside=outside)
    return Examinee(Ground(table, declared, walked.groups, observation), values, subject, acting=(policy, study))
