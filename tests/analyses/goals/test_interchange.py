"""Planted agents: one that seeks the coin, one that seeks a marked corner, one that walks always to the same place."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
import torch

from imprint.analyses.goals.exam import AgentExam, Examined
from imprint.analyses.goals.interchange import EVERYTHING, NONE, PLACE, RANDOM
from imprint.analyses.planted.agents import HABIT, imitations, kinds_of, lessons
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.agents.base import Agent
from imprint.models.environments.coin import Coin
from imprint.models.setup.agent import AgentDecision

WORLD = Coin(Coin.Settings(marked=True))
GOALS = ("coin", "corner")
KINDS = ("goal", "proxy", HABIT)


def born(rng: torch.Generator) -> Agent:
    return ActorCritic.born(ActorCritic.Settings(), WORLD.view, rng=rng).eval()


@cache
def exam() -> AgentExam:
    return AgentExam.of(WORLD, GOALS, 0.95, AgentDecision(), levels=400, states=2000, placebos=1, resamples=300)


@cache
def planted() -> dict[str, tuple[Agent, Examined]]:
    rng = torch.Generator().manual_seed(0)
    taught = lessons(WORLD, GOALS, 0.95, levels=20_000, rng=rng)
    agents = imitations(born, taught, [(kind, 0) for kind in KINDS], rng=rng)
    floor = exam().floor([born(torch.Generator().manual_seed(100 + i)) for i in range(3)])
    examined = [exam().examine(agent, floor, designs=("moved",)) for agent in agents]
    return dict(zip(KINDS, zip(agents, examined, strict=True), strict=True))


@cache
def followed(kind: str, goal: str) -> pd.Series:
    found = exam().interchanged(planted()[kind][0])[goal]
    assert isinstance(found, pd.DataFrame)
    return found.set_index("exchanged")["estimate"]


@pytest.mark.parametrize(("kind", "goal"), [("goal", "coin"), ("proxy", "corner")])
def test_an_agent_follows_the_place_of_what_it_seeks(kind: str, goal: str) -> None:
    rates = followed(kind, goal)
    assert rates[PLACE] > rates[NONE] + 0.3
    assert rates[PLACE] > 0.5 * rates[EVERYTHING]
    assert rates[RANDOM] < rates[NONE] + 0.15


@pytest.mark.parametrize(("kind", "goal"), [("goal", "corner"), ("proxy", "coin"), (HABIT, "coin"), (HABIT, "corner")])
def test_an_agent_does_not_follow_the_place_of_what_it_does_not_seek(kind: str, goal: str) -> None:
    rates = followed(kind, goal)
    assert rates[[PLACE, EVERYTHING]].max() < rates[NONE] + 0.1


def test_where_the_proxy_moves_a_habit_and_a_wish_come_apart() -> None:
    habit, wish = (planted()[kind][1] for kind in (HABIT, "proxy"))
    assert habit.judged.verdict == wish.judged.verdict == "proxy:corner"
    assert habit.habits["corner"].low > 0.5 > wish.habits["corner"].high
    assert habit.judged.wanting["corner"].high < wish.judged.wanting["corner"].low


def test_a_proxy_that_nothing_shows_cannot_be_put_elsewhere_and_has_no_habit() -> None:
    world = Coin()
    small = AgentExam.of(world, GOALS, 0.95, AgentDecision(), levels=60, states=300, placebos=1)
    agent = ActorCritic.born(ActorCritic.Settings(), world.view, rng=torch.Generator()).eval()
    found = small.interchanged(agent)
    assert "cannot be elsewhere" in str(found["corner"]) and isinstance(found["coin"], pd.DataFrame)
    assert HABIT not in kinds_of(world, GOALS)


def test_low_rank_erasure_costs_as_much_as_that_of_every_cell_and_its_placebo_less() -> None:
    table = exam().ranks(planted()["goal"][0]).set_index(["goal", "encoding"]).loc["coin"]
    assert table["rank"].is_monotonic_increasing and table.loc["coordinates", "rank"] <= 6 < table.loc["cells", "rank"]
    assert table.loc["coordinates", "erased"] > 0.8 * table.loc["cells", "erased"]
    assert table.loc["coordinates", "random"] < 0.1
