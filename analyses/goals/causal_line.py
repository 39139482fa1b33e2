"""The causal line: what does an agent stop pursuing when what it knows of a goal is erased?

The marks of a goal (its row and column, which way leads to it: rank 6 at most) are erased by LEACE at the acting point,
in the forward pass of every step of every episode. The eraser is fitted on decorrelated states of the same agent, never
on the levels that are played. Then the apart design is played again with the same noise in sampled actions. An agent
that *wants* the goal no longer reaches it; one that only *knows* about it goes where it went before.

What deleting that many directions costs by itself is shown by two placebos of the same rank:

    random            a subspace drawn uniformly from the whole site is projected out; one draw
    random in span    random directions of the whitened span of the activations (:meth:`Whitened.random`); several draws

Of d directions that carry a linear readout, r random ones in the span remove the part r / d of it: with one column per
cell, 50 of 128. Hence the low rank; :func:`rank_costs` shows what other ranks cost. A single mark is erased whole, with
one column per class.

Ways to two goals often begin alike, so erasing one goal takes part of the other. ``erased alone`` erases only what the
marks hold beyond what follows linearly from the other goals' marks; it spares the others and erases less.

Loss of a goal g under an edit is P(g first | intact) - P(g first | edited), over the same levels, so that its interval
is that of a mean of paired differences. ``moved`` is the mean total variation distance between the action distributions
before and after, on the decorrelated states.

Sources: LEACE, Belrose et al. 2023 (arXiv 2306.03819); amnesic probing with equal-rank controls, Elazar et al. 2021
(arXiv 2006.00995), here read in behaviour.

Letters: n levels, m decorrelated states, D width of the acting point, A actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.goals.acting import AgentPolicy, activations, look
from imprint.analyses.goals.behaviour import Played, play, rate
from imprint.analyses.goals.scenes import Scenes, beyond, columns_of, marks_of
from imprint.analyses.goals.wanting import Tries
from imprint.analyses.statistics import mean_of_all
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.states import State
from imprint.probes.interventions.base import Intervention, random_basis
from imprint.probes.interventions.erase import Whitened
from imprint.probes.interventions.project import projection

INTACT, ERASED, ALONE, ISOTROPIC, IN_SPAN = "intact", "erased", "erased alone", "random", "random in span"
LOSS = ("loss", "loss_low", "loss_high")
COLUMNS = ("erased", "kind", "draw", "rank", "goal", "rate", "low", "high", *LOSS, "moved", "n")
"""Columns of the table of a :class:`CausalLine`."""


@dataclass(frozen=True)
class Edited:
    """One edit of the acting point."""

    erased: str
    """Goal or single mark that is erased; empty for none."""
    kind: str
    """:data:`INTACT`, :data:`ERASED`, :data:`ALONE`, :data:`ISOTROPIC` or :data:`IN_SPAN`."""
    draw: int
    rank: int
    change: Intervention | None


@dataclass(frozen=True)
class CausalLine:
    """What every edit does to what an agent attains."""

    table: pd.DataFrame
    """Rates; columns :data:`COLUMNS`."""
    tries: Tries
    """What was attained on every level."""


def erasures(
    agent: Agent, environment: Environment, scenes: Scenes, goals: Sequence[str], *, placebos: int, rng: torch.Generator
) -> Iterator[Edited]:
    """No edit; then, for each goal, its erasures, that of each single mark, and the placebos.

    Raises :class:`NotMeasurableError` for activations that are not finite or a mark that is not known everywhere.
    """
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point]
    columns, marks = {}, {}
    for goal in goals:
        names = marks_of(environment, goal)
        columns[goal] = columns_of(environment, scenes.state, names)
        marks[goal] = {mark: columns_of(environment, scenes.state, [mark], whole=True) for mark in names}
    yield from edits_of(x, columns, marks, where=repr(agent.acting_point), placebos=placebos, rng=rng)


def edits_of(
    x: Tensor,
    columns: Mapping[str, Tensor],
    marks: Mapping[str, Mapping[str, Tensor]],
    *,
    where: str,
    placebos: int,
    rng: torch.Generator,
) -> Iterator[Edited]:
    """The edits of activations ``x`` ``[m, D]``.

    ``columns``: goal -> what is known of it ``[m, k]``; ``marks``: goal -> its marks one by one; ``where``: the point,
    for the error that :func:`erasures` raises.
    """
    if not bool(torch.isfinite(x).all()):
        raise NotMeasurableError(f"activations at {where} are not finite")
    span = Whitened.of(x)
    yield Edited("", INTACT, 0, 0, None)
    for goal in columns:
        others = torch.cat([columns[other] for other in columns if other != goal], dim=1)
        eraser, own = span.erase(columns[goal]), span.erase(beyond(columns[goal], others))
        yield Edited(goal, ERASED, 0, eraser.rank, eraser)
        yield Edited(goal, ALONE, 0, own.rank, own)
        for mark, whole in marks[goal].items():
            alone = span.erase(whole)
            yield Edited(mark, ERASED, 0, alone.rank, alone)
        for draw in range(placebos if eraser.rank else 0):
            yield Edited(goal, IN_SPAN, draw, eraser.rank, span.random(eraser.rank, rng=rng))
        if eraser.rank:
            basis = random_basis(x.shape[1], min(eraser.rank, x.shape[1]), rng=rng)
            yield Edited(goal, ISOTROPIC, 0, eraser.rank, projection(basis, span.mean))


def causal_line(
    agent: Agent,
    environment: Environment,
    start: State,
    scenes: Scenes,
    *,
    goals: Sequence[str],
    placebos: int = 5,
    greedy: bool = False,
    seed: int = 0,
    rng: torch.Generator,
) -> CausalLine:
    """What every edit does to every goal's rate on the levels ``start``.

    ``goals``: intended first. ``scenes``: decorrelated states, other levels than ``start``. Raises as :func:`erasures`.
    """
    before = look(agent, scenes.observation, scenes.memory).logits.softmax(1)
    trials: list[tuple[Edited, Played, float]] = []
    for edit in erasures(agent, environment, scenes, goals, placebos=placebos, rng=rng):
        edits: Mapping[str, Intervention] = {} if edit.change is None else {agent.acting_point: edit.change}
        played = _played(agent, environment, start, goals, edits, greedy=greedy, seed=seed)
        after = look(agent, scenes.observation, scenes.memory, edits).logits.softmax(1)
        trials.append((edit, played, float((after - before).abs().sum(1).mean() / 2)))
    return line_of(trials, goals)


def line_of(trials: Sequence[tuple[Edited, Played, float]], goals: Sequence[str]) -> CausalLine:
    """The causal line of what was attained under every edit, and how far it moved the actions; the first is no edit."""
    rows: list[dict[str, Any]] = []
    intact = trials[0][1]
    for edit, played, moved in trials:
        about = {"erased": edit.erased, "kind": edit.kind, "draw": edit.draw, "rank": edit.rank, "moved": moved}
        for goal in goals:
            loss = mean_of_all((intact.first(goal).double() - played.first(goal).double()).numpy())
            numbers = rate(played.first(goal), "rate") | loss.row("loss", ends="loss_", count=None)
            rows.append({**about, "goal": goal, **numbers})
    return CausalLine(pd.DataFrame(rows, columns=list(COLUMNS)), _tries([trial[:2] for trial in trials], goals))


def _played(
    agent: Agent,
    environment: Environment,
    start: State,
    goals: Sequence[str],
    edits: Mapping[str, Intervention],
    *,
    greedy: bool,
    seed: int,
) -> Played:
    """The levels ``start`` under ``edits``, with the same noise in sampled actions whatever the edits."""
    policy = AgentPolicy(agent, greedy=greedy, seed=seed, edits=edits)
    return play(environment, start, policy, goals, until_decided=True)


def _tries(trials: Sequence[tuple[Edited, Played]], goals: Sequence[str]) -> Tries:
    """What was attained on every level; for a goal whose marks have no linear trace, edits are no edits."""
    intact = trials[0][1]
    erased, placebo, reached = [], [], []
    for goal in goals:
        own = [played for edit, played in trials if (edit.erased, edit.kind) == (goal, ERASED)]
        random = [played for edit, played in trials if (edit.erased, edit.kind) == (goal, IN_SPAN)] or [intact]
        erased.append(own[0].first(goal))
        placebo.append(torch.stack([played.first(goal).double() for played in random]).mean(0))
        reached.append(torch.stack([played.reached.double() for played in random]).mean(0))
    first = torch.stack([intact.first(goal) for goal in goals], dim=1)
    return Tries(intact.reached, first, *(torch.stack(part, dim=1) for part in (erased, placebo, reached)))


def rank_costs(
    agent: Agent,
    environment: Environment,
    start: State,
    scenes: Scenes,
    *,
    goals: Sequence[str],
    greedy: bool = False,
    seed: int = 0,
    rng: torch.Generator,
) -> pd.DataFrame:
    """What erasing a goal's marks costs its rate, by rank, beside as many random directions of the span.

    Columns goal, encoding, rank, erased, random (losses of the goal's rate), n. The encodings: ``way`` (the first step
    alone), ``coordinates`` (row, column and way, which verdicts rest on) and ``cells`` (one column per cell, and way).
    """
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point]
    span, rows = Whitened.of(x), []
    intact = _played(agent, environment, start, goals, {}, greedy=greedy, seed=seed)
    for goal in goals:
        marks = marks_of(environment, goal)
        ways = [mark for mark in marks if mark not in environment.places]
        encodings = {"way": (ways, False), "coordinates": (marks, False), "cells": (marks, True)}
        for encoding, (names, whole) in encodings.items():
            if not names or (encoding != "way" and len(ways) == len(marks)):
                continue
            eraser = span.erase(columns_of(environment, scenes.state, names, whole=whole))
            losses = []
            for change in (eraser, span.random(eraser.rank, rng=rng)):
                edits = {agent.acting_point: change}
                played = _played(agent, environment, start, goals, edits, greedy=greedy, seed=seed)
                losses.append(float((intact.first(goal).double() - played.first(goal).double()).mean()))
            rows.append((goal, encoding, eraser.rank, *losses, len(intact.steps)))
    return pd.DataFrame(rows, columns=["goal", "encoding", "rank", "erased", "random", "n"])
