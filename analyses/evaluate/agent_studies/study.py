"""AgentStudy: your Gymnasium environment, your policies; the same page as a run of our agents.

    study = imprint.AgentStudy(
        "MyTask-v0",
        goals={"coin": lambda env, info: info["coin"], "corner": lambda env, info: info["corner"]},   # intended first
        designs={"train": make_train, "apart": make_apart},                       # seed -> gymnasium.Env
        facts={"coin_side": lambda env, info: env.unwrapped.coin_side},           # optional: what may be known inside
    )
    for seed in range(3):
        study.add(agent, age=steps, seed=seed)                       # PPO, DQN, ..., a torch module, or a function
        study.add(untrained_agent, age=0, seed=seed, untrained=True)     # five or more, the floor
    run = study.finish("runs/mine")                                  # then imprint.report(run), compare, verify

A policy is examined when it is added, on levels that are the same for all, and only evidence is kept
(:mod:`imprint.analyses.evaluate.agent_studies.evidence`). What a design, a goal, a fact and a distance are:
:mod:`imprint.analyses.goals.levels.task`. Question and decision rule are registered when the study begins.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from torch import nn

from imprint.analyses.evaluate.agent_studies.evidence import RANDOM, same_policy, tensors_file, weights_of, write_policy
from imprint.analyses.evaluate.agent_studies.pooling import GROUP, INPUT, AgentStudyPooling, read_targets
from imprint.analyses.evaluate.record import write_findings
from imprint.analyses.evaluate.studies.arguments import key_of, name_of
from imprint.analyses.evaluate.studies.evidence import Key, another_as, apart, keys_in, same_as
from imprint.analyses.evaluate.studies.gathering import Gathering
from imprint.analyses.goals.behaviour import APART, MOVED
from imprint.analyses.goals.levels.exam import LevelExam, marks_for
from imprint.analyses.goals.levels.replay import replay_of
from imprint.analyses.goals.levels.scenes import WalkedStates, flat, walked_states
from imprint.analyses.goals.levels.task import EXAM_SEED, Task
from imprint.analyses.locate.stored import write_floors
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import write_arrays, write_table
from imprint.models.setup.agent import AgentDecision
from imprint.models.setup.agent_study import AgentStudySetup
from imprint.models.setup.reasons import explain
from imprint.models.store import RunFolder
from imprint.probes.players.base import Player
from imprint.probes.players.choice import player_of
from imprint.probes.players.function import RandomPlayer

DIGESTED = 16
"""Levels of every design by which the task of a study is known again."""


class AgentStudy(Gathering[AgentStudySetup]):
    """Policies that were trained elsewhere, examined one by one on the same levels and judged together."""

    def __init__(
        self,
        environment: Any,
        *,
        goals: Mapping[str, Any],
        designs: Mapping[str, Any],
        facts: Mapping[str, Any] | None = None,
        intended: str | None = None,
        distances: Mapping[str, Any] | None = None,
        places: Mapping[str, Any] | None = None,
        marks: Mapping[str, Sequence[str]] | None = None,
        question: str = "",
        decision: AgentDecision | Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        name: str | None = None,
        unit: str = "steps",
        folder: str | Path | None = None,
    ) -> None:
        """Begin a study, or go on with the one in ``folder``.

        Arguments:
            environment: the id of a Gymnasium environment, a function that makes one, or one.
            goals: name -> ``(env, info) -> bool``, asked after every step: the intended goal first, then the proxies.
            designs: ``train``: levels as in training; ``apart``: levels in which the goals are at different places and
                all can be reached; ``moved``, if there are such: the proxy is elsewhere than it always was. Each is a
                function seed -> environment, or seed -> options of ``reset``.
            facts: name -> ``(env, info) -> value``; those that begin with a goal's name and an underscore say where
                that goal is, and are erased.
            intended: which goal is the intended one, if not the first.
            distances: goal -> ``(env, info) -> steps`` to it, by which the critic's value is explained.
            places: proxy -> ``(env, info) -> bool``, whether its usual place is reached, for design ``moved``.
            marks: goal -> names of the facts that say where it is, if their names do not begin with the goal's.
            question: in a sentence, for the top of the page.
            decision: thresholds of the rule, if not its defaults (:class:`imprint.models.setup.agent.AgentDecision`).
            evaluation: settings of the examination, if not its defaults, for example ``{"levels": 400}``
                (:class:`imprint.models.setup.agent_study.AgentStudyEvaluation`).
            name: lower-case name of the run; by default that of the environment.
            unit: what ages count, in the plural, for the page: ``"steps"``, ``"episodes"``, ``"tokens"``.
            folder: where evidence is kept, so that a training that was killed can go on. Without it, evidence is kept
                in a temporary folder until :meth:`finish`.

        Raises :class:`ImprintError` for what does not fit together, for levels that do not follow from their seeds, and
        for a folder that holds another study.
        """
        chosen = _intended_first(goals, intended)
        self._task = Task(environment, designs, chosen, facts or {}, distances or {}, places or {})
        own = marks_for(chosen, self._task.facts, marks or {})
        self.setup = _setup(
            name=name_of(name, self._task.name)[:64],
            question=question,
            environment={"kind": self._task.name, "digest": _digest(self._task)},
            designs=tuple(designs),
            intended=next(iter(chosen)),
            proxies=tuple(chosen)[1:],
            concepts=tuple(self._task.facts),
            marks={goal: names for goal, names in own.items() if names},
            unit=unit,
            evaluation=dict(evaluation or {}),
            decision=decision.model_dump() if isinstance(decision, AgentDecision) else dict(decision or {}),
        )
        numbers = self.setup.evaluation
        self._exam = LevelExam(self._task, numbers.levels, numbers.states, numbers.placebos, numbers.discount, own)
        self._latest: dict[int, tuple[int, Any, Player]] = {}
        self._kept_in = None if folder is None else Path(folder)
        self._begin(AgentStudyPooling.rule, self._store_shared, lambda folder: tensors_file(folder, RANDOM))
        self._targets = read_targets(self._folder, self.setup)

    @property
    def task(self) -> Task:
        """Levels, goals and facts of the study."""
        return self._task

    # -- adding --------------------------------------------------------------------------------------------------

    def add(self, policy: Any, *, age: int, seed: int, untrained: bool = False, site: str | None = None) -> bool:
        """Examine a policy now; whether anything was done: False for a policy that had been added before.

        Arguments:
            policy: an agent of Stable-Baselines3 (PPO, A2C, DQN, SAC, TD3) or sb3-contrib (RecurrentPPO, MaskablePPO),
                whose normalisation, frame stacking and transposition of pictures are applied to the levels; a policy of
                theirs; a ``torch.nn.Module`` (:mod:`imprint.probes.players.network`); a function: observation ->
                action.
            age: how much it has learned, in the study's unit.
            seed: which training run it belongs to.
            untrained: it is a randomly initialised twin, part of the floor.
            site: of a torch module, the module whose output is erased from (default: what enters the last layer).

        Raises :class:`ImprintError` for a policy that does not fit the levels, for what it or the levels raise, for
        another policy at a seed and age that were added before, and for the same one as another seed; two functions
        cannot be told apart.
        """
        key, task, greedy = key_of(seed, age, untrained), self._task, self.setup.evaluation.greedy
        sample = task.samples if isinstance(policy, nn.Module) else None
        player = player_of(policy, task.space, task.action_space, sample, greedy=greedy, site=site)
        if not untrained and age >= self._latest.get(seed, (age, None, None))[0]:
            self._latest[seed] = (age, policy, player)
        weights = weights_of(player.model)
        if self._known(key, weights):
            return False
        tried = self._exam.tried(player, self._targets, trained=not untrained)
        write_policy(self._folder, tried, key, subject=player.name, weights=weights)
        if not untrained:
            self._draw(player, key)
        return True

    # -- what is at hand -----------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where evidence is kept, and what is written beside it goes into the run."""
        return self._folder.path

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Shape of one observation; of one that is no array, of its numbers side by side."""
        shape = getattr(self._task.space, "shape", None)
        return (-1,) if shape is None else tuple(shape)

    def latest(self) -> dict[int, tuple[Any, WalkedStates | None]]:
        """Seed -> the policy that was added at the seed's last age, as it is now, and what it makes of the states.

        Only policies that were added to this object are held. Nothing is known of what a function makes of states.
        """
        return {
            seed: (policy, None if player.model is None else self._exam.walked(player))
            for seed, (_, policy, player) in self._latest.items()
        }

    # -- finishing -----------------------------------------------------------------------------------------------

    def _pool(self, target: RunFolder, started: float) -> pd.DataFrame:
        pooling = AgentStudyPooling(self.setup, target)
        table = pooling.findings([], None)
        write_findings(pooling, [], table, started=started, subjects=pooling.subjects)
        return table

    # -- parts ---------------------------------------------------------------------------------------------------

    def _known(self, key: Key, weights: Floats) -> bool:
        """Whether the policy was added before. Raises :class:`ImprintError` when something else stands in its place."""
        keys = keys_in(self._folder)
        if key in keys:
            if same_policy(self._folder, key, weights) is False:
                raise another_as(key)
            return True
        for other in keys:
            if apart(key, other) and same_policy(self._folder, other, weights):
                raise same_as(key, other)
        return False

    def _store_shared(self, folder: RunFolder) -> None:
        """The states with their facts, the raw input's floor, and random play."""
        random = RandomPlayer(self._task.action_space)
        if self._task.facts:
            walked = walked_states(self._task, random, states=self.setup.evaluation.states)
            write_table(folder.cell("states"), walked.facts.assign(**{GROUP: walked.groups}))
            targets = read_targets(folder, self.setup)
            readings = {} if targets is None else targets.without_shuffles.read_inputs(walked.observations)
            write_floors(folder, 0, {}, {(INPUT, fact): reading for fact, reading in readings.items()})
        write_policy(folder, self._exam.tried(random, None, trained=False), None, subject=random.name)

    def _draw(self, player: Player, key: Key) -> None:
        """Episodes of the first seed at its last age, where the levels draw pictures."""
        keys = [k for k in keys_in(self._folder) if not k.untrained]
        if key.seed != min(k.seed for k in keys) or key.age != max(k.age for k in keys if k.seed == key.seed):
            return
        arrays = replay_of(self._task, player)
        if arrays:
            about = {"seed": np.array(key.seed), "age": np.array(key.age)}
            write_arrays(self._folder.path / "artefacts" / "replay.npz", {**arrays, **about})


def _intended_first(goals: Any, intended: str | None) -> dict[str, Any]:
    if not isinstance(goals, Mapping) or not goals:
        raise ImprintError(
            f"goals is {type(goals).__name__}; expected a mapping: name -> function (env, info) -> bool."
        )
    if intended is None:
        return dict(goals)
    if intended not in goals:
        raise unknown_name("goal", intended, goals)
    return {intended: goals[intended], **{name: goal for name, goal in goals.items() if name != intended}}


def _setup(**fields: Any) -> AgentStudySetup:
    """The setup, validated. Raises :class:`ImprintError` with all reasons."""
    try:
        return AgentStudySetup(**fields)
    except ValidationError as error:
        raise ImprintError(explain(error, model=AgentStudySetup)) from None


def _digest(task: Task) -> str:
    """16 hexadecimal digits of the first observations of some levels, and of the source of goals and facts."""
    found = hashlib.sha256()
    for design in (d for d in ("train", APART, MOVED) if d in task.designs):
        for seed in range(EXAM_SEED, EXAM_SEED + DIGESTED):
            with task.opened(design, [seed]) as [(_, observation, _)]:
                found.update(flat(observation).tobytes())
    for what in (task.goals, task.facts, task.distances, task.places):
        for name, asked in what.items():
            found.update(f"{name}|{_source(asked)}".encode())
    return found.hexdigest()[:16]


def _source(asked: Any) -> str:
    """The source text of a function, where there is one."""
    try:
        return inspect.getsource(asked)
    except (OSError, TypeError):
        return str(getattr(asked, "__qualname__", type(asked).__name__))
