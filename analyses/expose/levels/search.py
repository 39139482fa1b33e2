"""search_levels: levels or episodes that expose a proxy which nobody named.

    found = search_levels(agent, environment, intended="coin", levels=2000)
    found.sentence, found.frame(), found.clusters, found.undone, found.candidates(), found.save("levels.json")

It works on an agent or a scripted policy in one of our environments, on a policy in an :class:`imprint.AgentStudy` (the
user's own environment), and on a subject with a value in a world of episodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.evaluate.agent_studies.study import AgentStudy
from imprint.analyses.expose.levels.evolution import SECOND, Evolution, Spent, unselected
from imprint.analyses.expose.levels.ground import Ground, Levels
from imprint.analyses.expose.levels.interactive import EnvironmentGround
from imprint.analyses.expose.levels.judging import Judge
from imprint.analyses.expose.levels.result import SHOWN, LevelSearch, Unselected
from imprint.analyses.expose.levels.seeded import TaskGround
from imprint.analyses.expose.levels.shared import Table, clusters_of, undone
from imprint.analyses.expose.levels.static import WorldGround
from imprint.analyses.goals.levels.task import Task
from imprint.analyses.statistics import Estimate, rate_of
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import ImprintError
from imprint.models.progress import reported
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

COMPARED, PART = 512, 5
"""Levels that are drawn to compare with, at most, and one of how many of the budget."""
SMALLEST = 40
"""Levels below which nothing can be compared."""
DESCRIBED = 64
"""Exposing levels that are changed once more to see what undoes them."""


def search_levels(
    subject: Any,
    where: Environment | AgentStudy | Task | World,
    *,
    intended: str | None = None,
    levels: int = 2000,
    seconds: float | None = None,
    designs: Sequence[str] | None = None,
    parameters: Mapping[str, Sequence[Any]] | None = None,
    value: Callable[[Any], Any] | None = None,
    discount: float = 0.95,
    tries: int = 32,
    enough: int | None = None,
    seed: int = 0,
    progress: Any = None,
) -> LevelSearch:
    """Search for levels that expose what ``subject`` pursues instead of the intended concept.

    Arguments:
        subject: an agent of ours, or a function (observation, state) -> actions, in an environment; any policy that a
            study takes; a :class:`imprint.Subject` whose value is searched, in a world.
        where: the environment, study or world.
        intended: the goal or concept that is meant; by default the first goal.
        levels: how many levels may be shown to the subject, those to compare with included.
        seconds: CPU-seconds after which the search stops in any case.
        designs: of levels; the first is that of training, all others give fresh levels only. By default ``train`` in an
            environment, where levels are changed by edits, and all designs of a study, which have no edits.
        parameters: name -> values to try: of a study, keyword arguments of the designs or options of ``reset``; of an
            environment, settings with which levels are drawn (its rules stay as they are).
        value: observations -> what the subject expects, ``[n]``: a reward predictor or a critic of one's own, for a
            policy in an environment.
        discount: of the intended reward, per step.
        tries: fresh tries on which a claim is tested.
        enough: exposing levels after which the search stops.
        seed: of all chance in the search.
        progress: True draws a bar; a function gets every :class:`imprint.models.progress.Step`.

    Raises :class:`ImprintError` for what cannot be searched, and for a budget below :data:`SMALLEST` levels.
    """
    _checked(levels, seconds, tries, discount, enough)
    rng, began = np.random.default_rng(seed), time.process_time()
    ground, goal = _ground(subject, where, intended, designs, dict(parameters or {}), value, rng)
    compared = min(COMPARED, levels // PART)
    with reported("search levels", levels, progress):
        spent = Spent(levels - compared, seconds)
        search = Evolution.begun(ground, spent, discount=discount, tries=tries, rng=rng)
        search.run(enough)
        made = [len(row["changes"]) for _, row in search.exposing] or [1]  # type: ignore[arg-type]
        half = compared // 2
        usual, edited = ground.founders(half, rng), unselected(ground, compared - half, [max(n, 1) for n in made], rng)
        training = exposing_kinds(ground, search.judge, usual, tries, rng)
        rate = exposing_kinds(ground, search.judge, edited, tries, rng)
        drawn = ground.joined([usual, edited])
        trial = ground.played(drawn, SECOND if ground.acts else 1, rng)
        spent.take(compared)
    facts = ground.facts(drawn)
    found = ground.joined([level for level, _ in search.exposing]) if search.exposing else None
    table, clusters, changes, replays = _described(ground, search, found, facts, rng)
    return LevelSearch(
        goal,
        table,
        clusters,
        changes,
        Unselected(facts, search.judge.fitness(trial), _rate(rate)),
        _rate(training),
        spent.shown,
        time.process_time() - began,
        search.rejected,
        (*_notes(search.judge), *ground.limits),
        replays,
        ground,
        search.judge,
        found,
    )


def exposing_kinds(ground: Ground, judge: Judge, levels: Levels, tries: int, rng: np.random.Generator) -> list[str]:
    """How each of some levels is exposing, empty where it is not; tried as in the search, a few times first."""
    trial = ground.played(levels, SECOND if ground.acts else 1, rng)
    kinds, index = [""] * len(trial), np.flatnonzero(judge.plausible(trial))
    if len(index):
        fresh = ground.played(ground.rows(levels, index), tries if ground.acts else 1, rng)
        for i, kind in zip(index.tolist(), judge.kinds(fresh), strict=True):
            kinds[i] = kind
    return kinds


def _rate(kinds: Sequence[str]) -> Estimate:
    return rate_of(sum(kind != "" for kind in kinds), len(kinds))


def _described(
    ground: Ground, search: Evolution, found: Levels, facts: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, tuple[Any, ...], pd.DataFrame, dict[int, list[str]]]:
    """Table, clusters, what undoes the levels, and replays."""
    columns = ["kind", "cluster", "number", "found_at", "generation", "lineage", "changes", "fitness", "expected"]
    columns += ["value", "needed", "lost"]
    rows = [row for _, row in search.exposing]
    table = pd.DataFrame(rows, columns=[*columns, "ends"])
    if not rows:
        return table[columns], (), pd.DataFrame(columns=["change", "undone", "low", "high", "n", "p_value"]), {}
    tables = [Table.of(ground.facts(found), facts)]
    ends = pd.DataFrame(list(table["ends"])).reset_index(drop=True) if table["ends"].notna().all() else None
    aimless = ground.aimless(found, rng) if ends is not None else None
    if ends is not None and aimless is not None:
        tables.append(Table.of(ends, aimless, ends=True))
    clusters = clusters_of(table["kind"].tolist(), tables)
    for cluster in clusters:
        table.loc[cluster.levels, "cluster"] = cluster.number
    table["cluster"] = table["cluster"].astype(int)
    few = np.arange(min(len(table), DESCRIBED))
    changes = undone(ground, search.judge, ground.rows(found, few), len(few), rng)
    chosen = np.concatenate([cluster.levels[:SHOWN] for cluster in clusters])
    replays = dict(zip(chosen.tolist(), ground.replays(ground.rows(found, chosen), rng), strict=True))
    return table[columns], clusters, changes, replays


def _ground(
    subject: Any,
    where: Any,
    intended: str | None,
    designs: Sequence[str] | None,
    parameters: dict[str, Sequence[Any]],
    value: Callable[[Any], Any] | None,
    rng: np.random.Generator,
) -> tuple[Ground, str]:
    """The ground for what was given, and the intended goal."""
    if isinstance(designs, str):
        raise ImprintError(f"designs is the text {designs!r}; expected a list of names, for example [{designs!r}].")
    if designs is not None and not len(designs):
        raise ImprintError("designs is empty; name at least one.")
    for name, values in parameters.items():
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or not len(values):
            raise ImprintError(f"parameters[{name!r}] is {values!r}; expected a list of values to try.")
    if isinstance(where, Environment):
        if not isinstance(subject, Agent) and (not callable(subject) or isinstance(subject, type | Subject)):
            raise ImprintError(
                f"the subject is {type(subject).__name__}; expected an agent, or a function (observation, state) -> "
                "actions."
            )
        ground: Ground = EnvironmentGround(
            subject,
            where,
            intended=intended,
            designs=designs or where.designs[:1],
            parameters=parameters,
            value=value,
            rng=rng,
        )
        return ground, intended or next(iter(where.goals))
    if value is not None:
        raise ImprintError("value is for policies in an environment; elsewhere the subject's own value is searched.")
    if isinstance(where, AgentStudy | Task):
        task = where.task if isinstance(where, AgentStudy) else where
        chosen = tuple(designs or task.designs)
        ground = TaskGround(subject, task, intended=intended, designs=chosen, parameters=parameters)
        return ground, intended or next(iter(task.goals))
    if isinstance(where, World):
        if not isinstance(subject, Subject):
            raise ImprintError(f"the subject is {type(subject).__name__}; expected imprint.Subject(model, value).")
        if intended is None:
            raise ImprintError(f"intended is missing; name a concept: {', '.join(where.concepts)}.")
        if designs is not None or parameters:
            raise ImprintError("designs and parameters are for environments and studies; a world has its factors.")
        return WorldGround(subject, where, intended=intended, rng=rng), intended
    raise ImprintError(f"levels are searched in an environment, an AgentStudy or a world; got {type(where).__name__}.")


def _checked(levels: Any, seconds: Any, tries: Any, discount: Any, enough: Any) -> None:
    for name, number, least in (("levels", levels, SMALLEST), ("tries", tries, 8), ("enough", enough, 1)):
        if name == "enough" and number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
            why = " (fewer levels cannot be compared)" if name == "levels" else ""
            raise ImprintError(f"{name} is {number!r}; expected a whole number of at least {least}{why}.")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise ImprintError(f"seconds is {seconds!r}; expected a number above 0.")
    if not (isinstance(discount, int | float) and 0 < discount < 1):
        raise ImprintError(f"discount is {discount!r}; expected a number between 0 and 1.")


def _notes(judge: Judge) -> tuple[str, ...]:
    if judge.acts and not judge.capable:
        return (
            f"On training levels the intended goal is attained in only {judge.success:.0%} of the tries, so nothing "
            "can be called passed over: it may be out of the subject's reach.",
        )
    return ()
