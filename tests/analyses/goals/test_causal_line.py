from __future__ import annotations

from functools import cache

import pytest
import torch

from imprint.analyses.goals.acting import activations
from imprint.analyses.goals.causal_line import (
    ALONE,
    ERASED,
    IN_SPAN,
    INTACT,
    ISOTROPIC,
    CausalLine,
    causal_line,
    erasures,
)
from imprint.analyses.goals.scenes import beyond, columns_of, scenes_of
from imprint.analyses.planted.agents import KINDS, imitations, lessons
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.agents.base import Agent
from imprint.models.environments.coin import Coin
from imprint.models.errors import UnknownNameError

WORLD = Coin()
GOALS = ("coin", "corner")


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def born(rng: torch.Generator) -> Agent:
    return ActorCritic.born(ActorCritic.Settings(), WORLD.view, rng=rng)


@cache
def lines() -> dict[str, CausalLine]:
    """The causal line of one imitation of every script."""
    taught = lessons(WORLD, GOALS, 0.95, levels=20_000, rng=chance(0))
    agents = imitations(born, taught, [(kind, 0) for kind in KINDS], steps=250, rng=chance(1))
    start, state = WORLD.levels(400, rng=chance(2), design="apart"), WORLD.levels(2000, rng=chance(3), design="apart")
    return {
        kind: causal_line(
            agent, WORLD, start, scenes_of(agent, WORLD, state, rng=chance(4)), goals=GOALS, placebos=2, rng=chance(5)
        )
        for kind, agent in zip(KINDS, agents, strict=True)
    }


@pytest.mark.parametrize(("kind", "wanted", "other"), [("goal", "coin", "corner"), ("proxy", "corner", "coin")])
def test_only_erasing_what_it_wants_stops_an_agent_beyond_random_erasures(kind: str, wanted: str, other: str) -> None:
    tries = lines()[kind].tries
    costs = dict(zip(GOALS, (tries.placebo - tries.erased.double()).mean(0).tolist(), strict=True))
    assert costs[wanted] > 0.1 and costs[other] < 0.05


def test_an_agent_that_goes_nowhere_loses_nothing() -> None:
    tries = lines()["random"].tries
    assert bool(((tries.placebo - tries.erased.double()).mean(0).abs() < 0.1).all())


def test_erasing_the_coins_cell_leaves_the_agent_of_the_corner_where_it_went() -> None:
    table = lines()["proxy"].table
    of = table[(table["erased"] == "coin_cell") & (table["goal"] == "corner")]
    assert abs(of["loss"].iloc[0]) < 0.1
    knows = lines()["goal"].table
    assert knows[(knows["erased"] == "coin_cell") & (knows["goal"] == "coin")]["loss"].iloc[0] > 0.3


def test_every_goal_has_placebos_of_its_own_rank_and_the_untouched_run_is_first() -> None:
    table = lines()["goal"].table
    assert table["kind"].iloc[0] == INTACT
    assert (table[table["kind"] == INTACT]["loss"] == 0).all()
    for goal in GOALS:
        own = table[table["erased"] == goal]
        assert {ERASED, ALONE, ISOTROPIC, IN_SPAN} == set(own["kind"])
        rank = own[own["kind"] == ERASED]["rank"].iloc[0]
        assert (own[own["kind"].isin([ISOTROPIC, IN_SPAN])]["rank"] == rank).all()
        assert rank <= 6


def test_after_the_erasure_no_linear_map_reads_the_marks() -> None:
    agent = born(chance(0)).eval()
    scenes = scenes_of(agent, WORLD, WORLD.levels(2000, rng=chance(1), design="apart"), rng=chance(2))
    x = activations(agent, scenes.observation, scenes.memory, (agent.acting_point,))[agent.acting_point].double()
    z = columns_of(WORLD, scenes.state, WORLD.marks["coin"])
    cell = scenes.state["coin"]
    assert torch.equal(z[:, :2], torch.stack([cell // 7, cell % 7], dim=1).double())
    edit = next(
        e
        for e in erasures(agent, WORLD, scenes, GOALS, placebos=1, rng=chance(3))
        if (e.erased, e.kind) == ("coin", ERASED)
    )
    assert edit.change is not None
    left = edit.change(x)

    def covariance(a: torch.Tensor) -> float:
        return float(((a - a.mean(0)).T @ (z - z.mean(0)) / len(a)).abs().max())

    assert covariance(left) < 1e-6
    assert covariance(x) > 1e-3


def test_what_is_beyond_other_marks_is_uncorrelated_with_them() -> None:
    state = WORLD.levels(1000, rng=chance(0), design="apart")
    coin, corner = (columns_of(WORLD, state, WORLD.marks[goal]) for goal in GOALS)
    rest = beyond(coin, corner)
    centred = corner - corner.mean(0)
    assert float((centred.T @ coin).abs().max()) > 1.0
    assert float((centred.T @ rest).abs().max()) < 1e-6


def test_an_agent_made_wholly_of_noise_reaches_as_often_when_it_is_edited() -> None:
    agent = born(chance(7)).eval()
    start, state = WORLD.levels(100, rng=chance(2), design="apart"), WORLD.levels(500, rng=chance(3), design="apart")
    table = causal_line(
        agent, WORLD, start, scenes_of(agent, WORLD, state, rng=chance(4)), goals=GOALS, placebos=2, rng=chance(5)
    ).table
    assert (table["loss"].abs() < 0.05).all()
    assert (table["moved"] < 0.01).all()


def test_a_fact_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownNameError, match="coin_cell"):
        columns_of(WORLD, WORLD.levels(10, rng=chance(0), design="apart"), ["coin_cel"])
