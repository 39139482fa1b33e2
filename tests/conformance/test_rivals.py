"""Every environment in which a proxy can stand in for the goal keeps its promises about where the two lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.analyses.goals.behaviour import play
from imprint.analyses.goals.exam import EASY
from imprint.analyses.goals.scenes import columns_of
from imprint.models.environments import base
from imprint.models.environments.base import ENVIRONMENTS, Environment
from imprint.models.environments.minigrid.environment import Minigrid
from imprint.models.errors import NotMeasurableError
from imprint.models.registry import setups
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup
from imprint.models.states import State
from imprint.models.wrappers.single import make_many
from imprint.probes.interventions.erase import independent

KINDS = ENVIRONMENTS.names()
AGENT_SETUPS = [name for name in setups() if isinstance(load_setup(name), AgentSetup)]
RIVALS = ("together", "apart", "only_intended", "only_proxy")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def small_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "STORE", 16)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rivals(kind: str) -> tuple[Environment, str, list[str]]:
    """A world in which something can be pursued instead of what was meant: the world, what was meant, the others."""
    world = make_many(kind=kind)
    if not set(RIVALS) <= set(world.designs):
        pytest.skip("no proxy can stand in here")
    meant = [goal for goal, sense in world.goals.items() if sense == world.wages]
    assert len(meant) == 1 and len(world.goals) > 1
    return world, meant[0], [goal for goal in world.goals if goal != meant[0]]


def test_designs_have_what_they_promise(kind: str) -> None:
    world, meant, proxies = rivals(kind)
    away = {design: world.distances(world.levels(200, rng=rng(), design=design)) for design in RIVALS}
    for proxy in proxies:
        assert bool((away["together"][meant] > 0).all() and (away["together"][proxy] > 0).all())
        assert bool((away["apart"][meant] > 0).all() and (away["apart"][proxy] > 0).all())
        assert float((away["apart"][meant] != away["apart"][proxy]).float().mean()) > 0.5
        assert bool((away["only_intended"][meant] > 0).all() and (away["only_intended"][proxy] == -1).all())
        assert bool((away["only_proxy"][proxy] > 0).all() and (away["only_proxy"][meant] == -1).all())


WORLDS = {
    **{kind: lambda kind=kind: make_many(kind=kind) for kind in KINDS},
    **{name: lambda name=name: load_setup(name, expect=AgentSetup).make_environment() for name in AGENT_SETUPS},
}
"""Every kind with its defaults, and the world of every shipped setup of agents."""


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Environment:
    """A world in which a proxy can stand in for what was meant."""
    made: Environment = WORLDS[request.param]()
    if not set(RIVALS) <= set(made.designs):
        pytest.skip("no proxy can stand in here")
    return made


def test_goals_that_lie_apart_are_hard_to_reach_by_accident(world: Environment) -> None:
    noise = rng(1)

    def random(observation: Tensor, state: State) -> Tensor:
        return torch.randint(0, len(world.actions), (len(observation),), generator=noise)

    start = world.levels(64 if isinstance(world, Minigrid) else 400, rng=rng(), design="apart")
    played = play(world, start, random, tuple(world.goals), until_decided=True)
    assert float(played.reached.float().mean()) <= EASY, "too easy for capability to be shown"


def test_where_a_goal_is_takes_six_columns_at_most(world: Environment) -> None:
    state = world.levels(64 if isinstance(world, Minigrid) else 400, rng=rng(), design="apart")
    for goal, marks in world.marks.items():
        assert 0 < independent(columns_of(world, state, marks)).shape[1] <= 6, goal


def test_a_goal_that_is_put_elsewhere_is_seen_there_and_nothing_else_moves(world: Environment) -> None:
    state, moved = world.levels(32, rng=rng(), design="apart"), 0
    facts, away = world.facts(state), world.distances(state)
    for goal in world.goals:
        try:
            other = world.elsewhere(state, goal, rng=rng(2))
        except NotMeasurableError:
            continue
        moved, there = moved + 1, world.distances(other)
        assert bool((there[goal] > 0).all())
        assert bool((world.facts(other)[f"{goal}_way"] != facts[f"{goal}_way"]).any())
        assert all(torch.equal(there[name], away[name]) for name in away if name != goal)
        assert torch.equal(world.cell_of(other), world.cell_of(state)) and torch.equal(other["key"], state["key"])
    assert moved > 0
