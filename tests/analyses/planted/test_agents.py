"""Agents that imitate a script are judged by what the script goes to, two seeds of each kind."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
import torch

from imprint.analyses.goals.exam import AgentExam
from imprint.analyses.goals.scripts import script
from imprint.analyses.planted.agents import KINDS, expected, imitations, lessons, self_check
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.agents.base import Agent
from imprint.models.agents.recurrent import Recurrent
from imprint.models.environments.coin import Coin
from imprint.models.errors import NotMeasurableError
from imprint.models.setup.agent import AgentDecision

WORLD = Coin()
GOALS = ("coin", "corner")


def exam() -> AgentExam:
    return AgentExam.of(WORLD, GOALS, 0.95, AgentDecision(), levels=300, states=1000, placebos=1, seed=3)


def born(rng: torch.Generator) -> Agent:
    return ActorCritic.born(ActorCritic.Settings(), WORLD.view, rng=rng)


@cache
def checked() -> pd.DataFrame:
    return self_check(exam(), born, seeds=range(2), levels=20_000)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_the_right_verdict(kind: str) -> None:
    rows = checked()[checked()["control"] == f"imitates: {kind}"]
    assert len(rows) == 2
    assert (rows["estimate"] == 1.0).all(), rows[["verdict", "why"]].to_dict("records")
    assert set(rows["verdict"]) == {expected(GOALS)[kind]}


def test_imitations_of_one_seed_and_kind_are_the_same_to_the_bit() -> None:
    taught = lessons(WORLD, GOALS, 0.95, levels=500, rng=torch.Generator().manual_seed(0))

    def once() -> dict[str, torch.Tensor]:
        agent = imitations(born, taught, [("goal", 1)], steps=5, rng=torch.Generator().manual_seed(1))[0]
        return {name: value.clone() for name, value in agent.state_dict().items()}

    first, second = once(), once()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_lessons_are_what_the_scripts_do_and_nothing_ended_is_taught() -> None:
    taught = lessons(WORLD, GOALS, 0.95, levels=400, rng=torch.Generator().manual_seed(0))
    coin = taught.observation[:, 2].flatten(1)
    assert bool((coin.sum(1) == 1).all())
    assert not bool((taught.observation[:, 1] * taught.observation[:, 2]).any())
    assert float((taught.action["goal"] == taught.action["proxy"]).float().mean()) < 0.8
    assert float(taught.value["goal"].max()) == pytest.approx(0.95)


def test_a_world_without_ways_and_an_agent_with_memory_cannot_be_planted() -> None:
    start = WORLD.levels(2, rng=torch.Generator().manual_seed(0))
    with pytest.raises(NotMeasurableError, match="no fact 'cheese_way'"):
        script(WORLD, "cheese")(WORLD.observe(start), start)
    table = self_check(exam(), lambda rng: Recurrent.born(Recurrent.Settings(), WORLD.view, rng=rng), levels=500)
    assert table["verdict"].tolist() == ["not measurable"]
    assert table["estimate"].isna().all()
