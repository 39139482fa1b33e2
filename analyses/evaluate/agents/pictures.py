"""Episodes to replay and vector fields of the policy, both of one seed at its last living age, as arrays for the pages.

Levels are chosen without looking at the agent: the first ones of design ``apart`` in which the shortest ways to the
intended goal and to the proxy begin with different actions.

``artefacts/replay.npz``: episodes that begin in such levels.

    frames      uint8   [E, T, H', W', 3]   pictures; frame 0 is the start
    valid       bool    [E, T]              frame t belongs to the episode
    action      int64   [E, T]              taken in frame t; -1 in the last frame and after it
    value       float32 [E, T]              of the critic, NaN where not valid (so are the next two)
    logits      float32 [E, T, A]           of the policy
    known       float32 [E, T, K]           probability that a logistic probe at the acting point gives to the fact's
                                            true value, 0..1; NaN for facts that have no value in that state (-1)
    level       float32 [K]                 probability by chance: share of the commonest value
    attained    int64   [E, G]              first step at which a goal was attained; -1 never
    concepts    text    [K]                 names of the facts that are read
    actions     text    [A]
    goals       text    [G]                 intended first, then the proxies
    seed, age   int64   []

``artefacts/fields.npz``: the policy's mean move at every free cell of a few maps, before and after erasing.

    move        float32 [M, X, H, W, 2]     mean displacement (rows down, columns right) in cells; NaN: not a free cell
    probability float32 [M, X, H, W, A]     of each action
    value       float32 [M, X, H, W]        of the critic
    picture     uint8   [M, H', W', 3]      the map with the agent where its episode starts
    goal_cell   int64   [M, G, 2]           row and column of each goal; -1 where it is not one cell
    edits       text    [X]                 ``intact``, ``without <goal>`` for every goal, ``without random directions``
    actions     text    [A]
    goals       text    [G]
    seed, age   int64   []
    why         text    []                  in a world without places, instead of all of these but the last four

Both also hold ``world``, int64 [], that of the seed, in a run of several worlds.

Letters: E episodes, T frames, A actions, K facts, G goals, M maps, X edits, H and W cells, H' and W' pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from imprint.analyses.evaluate.places import write_names
from imprint.analyses.goals.acting import activations, look, sampled
from imprint.analyses.goals.behaviour import APART
from imprint.analyses.goals.causal_line import ERASED, IN_SPAN, INTACT, erasures
from imprint.analyses.goals.exam import AgentExam, exam_of
from imprint.analyses.goals.facts import facts_of
from imprint.analyses.goals.scenes import Scenes, free_cells
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.files import write_arrays
from imprint.models.lifetimes.agent import AgentLifetime
from imprint.models.setup.agent import AgentSetup
from imprint.models.states import State, rows, where
from imprint.models.store import RunFolder

EPISODES, MAPS = 12, 3
"""Episodes and maps that are stored."""
Arrays = dict[str, NDArray[Any]]


def picture_files(folder: RunFolder) -> tuple[Path, Path]:
    """Where :func:`draw_pictures` writes."""
    return folder.path / "artefacts" / "replay.npz", folder.path / "artefacts" / "fields.npz"


def draw_pictures(setup: AgentSetup, folder: RunFolder, seed: int) -> None:
    """Replay and fields of one seed at its last living age."""
    world, age = setup.schedule.world_of(seed), AgentLifetime.living_ages(setup, folder, seed)[-1]
    exam = exam_of(setup, world)
    agent = AgentLifetime.revive(setup, folder, seed, age).agent
    about = {"seed": np.array(seed), "age": np.array(age), "goals": np.array(exam.goals)}
    if setup.schedule.worlds > 1:
        about["world"] = np.array(world)
    about["actions"] = np.array(exam.environment.actions)
    start = conflicts(exam, EPISODES)
    drawn = replay(exam, agent, start, facts_of(setup, exam)), fields(exam, agent, rows(start, slice(MAPS)))
    for file, arrays in zip(picture_files(folder), drawn, strict=True):
        write_arrays(file, {**about, **arrays})
    write_names(folder, agent.read_points)


def conflicts(exam: AgentExam, n: int) -> State:
    """The first ``n`` levels in which the ways to the first two goals begin with different actions.

    Where the world knows no ways, the first ``n`` levels.
    """
    state = exam.levels[APART]
    facts = exam.environment.facts(state)
    ways = [facts[f"{goal}_way"] for goal in exam.goals if f"{goal}_way" in facts]
    apart = (ways[0] != ways[1]) & (ways[0] >= 0) & (ways[1] >= 0) if len(ways) > 1 else state["clock"] >= 0
    return rows(state, torch.nonzero(apart).flatten()[:n])


def replay(exam: AgentExam, agent: Agent, start: State, names: Sequence[str]) -> Arrays:
    """Arrays of the episodes that begin in ``start``, but for those that both files hold."""
    environment, n = exam.environment, len(start["clock"])
    probes, level = _probes(exam, agent, names)
    state, memory = start, agent.blank(n)
    shown = going = torch.ones(n, dtype=torch.bool)
    attained = torch.full((n, len(exam.goals)), -1)
    tape: dict[str, list[NDArray[Any]]] = {k: [] for k in ("frames", "valid", "action", "value", "logits", "known")}
    for step in itertools.count(1):
        observation = environment.observe(state)
        acted = look(agent, observation, memory)
        x = activations(agent, observation, memory, (agent.acting_point,))[agent.acting_point]
        action = acted.logits.argmax(1) if exam.greedy else sampled(acted.logits, state, exam.seed)
        numbers = {"value": acted.value, "logits": acted.logits, "known": _known(probes, environment, state, x)}
        for name, value in numbers.items():
            valid = shown.reshape(-1, *(1,) * (value.ndim - 1))
            tape[name].append(torch.where(valid, value.float(), torch.nan).numpy())
        tape["frames"].append(environment.paint(state).numpy())
        tape["valid"].append(shown.numpy())
        tape["action"].append(torch.where(going, action, -1).numpy())
        if not bool(going.any()):
            break
        outcome = environment.follow(state, action)
        senses = environment.senses(outcome.before, outcome.action, outcome.after)
        now = torch.stack([senses[environment.goals[goal]] > 0 for goal in exam.goals], dim=1) & going[:, None]
        attained = torch.where(now & (attained < 0), step, attained)
        state, memory = where(going, outcome.after, state), torch.where(going[:, None], acted.memory, memory)
        shown, going = going, going & ~outcome.done
    arrays = {name: np.stack(parts, axis=1) for name, parts in tape.items()}
    return {**arrays, "attained": attained.numpy(), "level": level, "concepts": np.array(list(probes))}


def _probes(exam: AgentExam, agent: Agent, names: Sequence[str]) -> tuple[dict[str, Any], NDArray[Any]]:
    """Logistic probes of those facts that are classes, fitted on the decorrelated states, and the commonest's share."""
    scenes = exam.scenes(agent)
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point].numpy()
    facts, probes, level = exam.environment.facts(scenes.state), {}, []
    for name in names:
        value = facts[name]
        known = (value >= 0).numpy()
        if value.is_floating_point() or len(value[known].unique()) < 2:
            continue
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, tol=1e-3))
        probes[name] = probe.fit(x[known], value[known].numpy())
        level.append(value[known].unique(return_counts=True)[1].max() / known.sum())
    return probes, np.array(level, dtype=np.float32)


def _known(probes: Mapping[str, Any], environment: Environment, state: State, x: Tensor) -> Tensor:
    """Probability each probe gives to the fact's true value, ``[n, K]``; NaN where the fact has none."""
    facts = environment.facts(state)
    known = torch.full((len(x), len(probes)), torch.nan)
    for k, (name, probe) in enumerate(probes.items()):
        value = facts[name].numpy()
        of_true_value = probe.predict_proba(x.numpy()) * (value[:, None] == probe[-1].classes_)
        known[:, k] = torch.from_numpy(np.where(value >= 0, of_true_value.sum(1), np.nan))
    return known


def fields(exam: AgentExam, agent: Agent, maps: State) -> Arrays:
    """Where the policy leads from every free cell of ``maps``, untouched and under edits."""
    environment = exam.environment
    try:
        free = [free_cells(environment, rows(maps, slice(m, m + 1))) for m in range(len(maps["clock"]))]
        edits = _edits(exam, agent, exam.scenes(agent))
    except NotMeasurableError as error:
        return {"why": np.array(str(error))}
    height, width = (max(int(cells[:, axis].max()) for cells in free) + 1 for axis in (0, 1))
    shape = (len(free), len(edits), height, width)
    move, value = np.full((*shape, 2), np.nan, np.float32), np.full(shape, np.nan, np.float32)
    probability = np.full((*shape, len(environment.actions)), np.nan, np.float32)
    goal_cell = np.full((len(free), len(exam.goals), 2), -1)
    for m, cells in enumerate(free):
        state = environment.put(rows(maps, torch.full((len(cells),), m)), cells)
        y, x = cells.T.numpy()
        for e, edit in enumerate(edits.values()):
            acted = look(agent, environment.observe(state), agent.blank(len(cells)), edit)
            policy = acted.logits.softmax(1)
            move[m, e, y, x] = _mean_move(environment, state, policy).numpy()
            probability[m, e, y, x], value[m, e, y, x] = policy.numpy(), acted.value.numpy()
        for g, goal in enumerate(exam.goals):
            there = torch.nonzero(environment.distances(state).get(goal, torch.ones(len(cells))) == 0).flatten()
            if len(there) == 1:
                goal_cell[m, g] = cells[there[0]].numpy()
    drawn = {"move": move, "probability": probability, "value": value, "picture": environment.paint(maps).numpy()}
    return {**drawn, "goal_cell": goal_cell, "edits": np.array(list(edits))}


def _edits(exam: AgentExam, agent: Agent, scenes: Scenes) -> dict[str, Mapping[str, Any]]:
    """Name of an edit -> hook point -> change."""
    edits: dict[str, Mapping[str, Any]] = {}
    rng = torch.Generator().manual_seed(exam.seed)
    for edit in erasures(agent, exam.environment, scenes, exam.goals, placebos=1, rng=rng):
        name = {INTACT: INTACT, ERASED: f"without {edit.erased}", IN_SPAN: "without random directions"}.get(edit.kind)
        if name is not None and name not in edits and (edit.kind != ERASED or edit.erased in exam.goals):
            edits[name] = {} if edit.change is None else {agent.acting_point: edit.change}
    return edits


def _mean_move(environment: Environment, state: State, policy: Tensor) -> Tensor:
    """Mean displacement ``[n, 2]`` (rows down, columns right) under ``policy`` ``[n, A]``."""
    here, total = environment.cell_of(state), torch.zeros(len(policy), 2)
    for action in range(policy.shape[1]):
        after = environment.follow(state, torch.full((len(policy),), action)).after
        total += policy[:, action, None] * (environment.cell_of(after) - here)
    return total
