"""The causal line: what does an agent stop pursuing when what it knows of a goal is erased?

The marks of a goal (where it is, which way leads to it) are erased by LEACE at the acting point, in the forward pass of
every step of every episode. The eraser is fitted on decorrelated states of the same agent, never on the levels that are
played. Then the apart design is played again with the same noise in sampled actions. An agent that *wants* the goal no
longer reaches it; one that only *knows* about it goes where it went before.

What deleting that many directions costs by itself is shown by two placebos of the same rank, several draws each:

    random            a subspace drawn uniformly from the whole site is projected out
    random in span    random directions of the whitened span of the activations (:meth:`Whitened.random`)

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

from imprint.analyses.goals.acting import AgentPolicy, activations, look
from imprint.analyses.goals.behaviour import Played, play, rate
from imprint.analyses.goals.scenes import Scenes, beyond, columns_of, marks_of
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
"""Columns of :func:`causal_line`."""
WANTS = ("goal", "intact", "erased", *LOSS, "placebo", "placebo_high", "excess", "aside", "rank", "n")
"""Columns of :func:`wants`."""


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


def erasures(
    agent: Agent, environment: Environment, scenes: Scenes, goals: Sequence[str], *, placebos: int, rng: torch.Generator
) -> Iterator[Edited]:
    """No edit; then, for each goal, its erasures, that of each single mark, and the placebos.

    Raises :class:`NotMeasurableError` for activations that are not finite or a mark that is not known everywhere.
    """
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point]
    if not bool(torch.isfinite(x).all()):
        raise NotMeasurableError(f"activations at {agent.acting_point!r} are not finite")
    span = Whitened.of(x)
    yield Edited("", INTACT, 0, 0, None)
    columns = {goal: columns_of(environment, scenes.state, marks_of(environment, goal)) for goal in goals}
    for goal in goals:
        others = torch.cat([columns[other] for other in goals if other != goal], dim=1)
        eraser, own = span.erase(columns[goal]), span.erase(beyond(columns[goal], others))
        yield Edited(goal, ERASED, 0, eraser.rank, eraser)
        yield Edited(goal, ALONE, 0, own.rank, own)
        for mark in marks_of(environment, goal):
            alone = span.erase(columns_of(environment, scenes.state, [mark]))
            yield Edited(mark, ERASED, 0, alone.rank, alone)
        for draw in range(placebos if eraser.rank else 0):
            yield Edited(goal, IN_SPAN, draw, eraser.rank, span.random(eraser.rank, rng=rng))
            basis = random_basis(x.shape[1], min(eraser.rank, x.shape[1]), rng=rng)
            yield Edited(goal, ISOTROPIC, draw, eraser.rank, projection(basis, span.mean))


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
) -> pd.DataFrame:
    """What every edit does to every goal's rate on the levels ``start``; columns :data:`COLUMNS`.

    ``goals``: intended first. ``scenes``: decorrelated states, other levels than ``start``. Raises as :func:`erasures`.
    """
    before = look(agent, scenes.observation, scenes.memory).logits.softmax(1)
    rows: list[dict[str, Any]] = []
    intact: Played | None = None
    for edit in erasures(agent, environment, scenes, goals, placebos=placebos, rng=rng):
        edits: Mapping[str, Intervention] = {} if edit.change is None else {agent.acting_point: edit.change}
        policy = AgentPolicy(agent, greedy=greedy, seed=seed, edits=edits)
        played = play(environment, start, policy, goals, until_decided=True)
        intact = played if intact is None else intact
        after = look(agent, scenes.observation, scenes.memory, edits).logits.softmax(1)
        moved = float((after - before).abs().sum(1).mean() / 2)
        about = {"erased": edit.erased, "kind": edit.kind, "draw": edit.draw, "rank": edit.rank, "moved": moved}
        for goal in goals:
            loss = mean_of_all((intact.first(goal).double() - played.first(goal).double()).numpy())
            numbers = rate(played.first(goal), "rate") | loss.row("loss", ends="loss_", count=None)
            rows.append({**about, "goal": goal, **numbers})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def wants(table: pd.DataFrame) -> pd.DataFrame:
    """Per goal, what erasing its marks costs its own rate and that of other goals, beside what the placebos cost.

    From a table of :func:`causal_line`: goal, intact, erased, loss, loss_low, loss_high, placebo (mean loss of all
    draws), placebo_high (largest), excess (loss minus the largest placebo, which is taken for at least 0), aside (the
    largest loss of another goal when this one is erased alone, minus the largest placebo's there), rank, n.
    """
    rows = []
    for goal in table["goal"].unique():
        own = table[table["goal"] == goal]
        erased = own[(own["erased"] == goal) & (own["kind"] == ERASED)].iloc[0]
        intact = float(own[own["kind"] == INTACT]["rate"].iloc[0])
        placebo, worst = _placebo(own, goal), _worst(own, goal)
        mean = float(placebo.mean()) if len(placebo) else 0.0
        aside = max(
            float(other[(other["erased"] == goal) & (other["kind"] == ALONE)]["loss"].iloc[0]) - _worst(other, goal)
            for _, other in table[table["goal"] != goal].groupby("goal", sort=False)
        )
        losses, excess = (erased[column] for column in LOSS), float(erased["loss"]) - worst
        row = (goal, intact, erased["rate"], *losses, mean, worst, excess, aside, int(erased["rank"]), int(erased["n"]))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(WANTS))


def _placebo(own: pd.DataFrame, goal: str) -> pd.Series:
    losses: pd.Series = own[(own["erased"] == goal) & own["kind"].isin([ISOTROPIC, IN_SPAN])]["loss"]
    return losses


def _worst(own: pd.DataFrame, goal: str) -> float:
    """Largest loss of any placebo of ``goal``, at least 0."""
    return float(max([0.0, *_placebo(own, goal).tolist()]))
