from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from imprint.analyses.goals.acting import AgentPolicy, sampled
from imprint.analyses.goals.behaviour import play, rate, rates
from imprint.analyses.goals.scripts import script
from imprint.analyses.statistics import mean_of_known
from imprint.models.agents.actor_critic import ActorCritic
from imprint.models.agents.base import Agent
from imprint.models.agents.recurrent import Recurrent
from imprint.models.environments.coin import Coin
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.states import State
from imprint.probes.interventions.ablate import Ablation

WORLD = Coin()
GOALS = ("coin", "corner")


def levels(n: int, design: str = "apart", seed: int = 0) -> State:
    return WORLD.levels(n, rng=torch.Generator().manual_seed(seed), design=design)


def newborn(kind: type[Agent] = ActorCritic, seed: int = 0) -> Agent:
    return kind.born(kind.Settings(), WORLD.view, rng=torch.Generator().manual_seed(seed)).eval()


def still(observation: Tensor, state: State) -> Tensor:
    """Bumps into the nearest edge for ever: up."""
    return torch.zeros(len(observation), dtype=torch.int64)


@pytest.mark.parametrize("goal", GOALS)
def test_a_script_reaches_its_goal_by_the_shortest_way_and_the_oracle_agrees(goal: str) -> None:
    played = play(WORLD, levels(300), script(WORLD, goal), GOALS)
    own = GOALS.index(goal)
    reached = played.attained[:, own]
    if goal == "coin":
        assert torch.equal(reached, played.oracle[:, own])
    there = reached >= 0
    assert torch.equal(reached[there], played.oracle[there, own])
    assert bool(played.reached.all())
    assert played.first(goal).float().mean() > 0.8


def test_first_is_judged_from_the_trace_and_capability_is_not_goal() -> None:
    table = pd.DataFrame(rates(play(WORLD, levels(300), script(WORLD, "corner"), GOALS), "apart", "coin"))
    by = table.set_index("metric")["estimate"]
    assert by["capability"] == 1.0
    assert by["proxy"] > 0.8
    assert by["goal"] + by["proxy"] == pytest.approx(1.0)
    assert by["detour"] == pytest.approx(1.0)


def test_stopping_when_decided_tells_the_same_first_goal() -> None:
    agent, start = newborn(), levels(200)
    whole = play(WORLD, start, AgentPolicy(agent), GOALS)
    short = play(WORLD, start, AgentPolicy(agent), GOALS, until_decided=True)
    for goal in GOALS:
        assert torch.equal(whole.first(goal), short.first(goal))
    assert bool((short.steps <= whole.steps).all())


def test_an_idle_policy_lasts_to_the_limit_and_reaches_nearly_nothing() -> None:
    played = play(WORLD, levels(200), still, GOALS)
    idle = ~played.reached
    assert bool((played.steps[idle] == WORLD.settings.limit).all())
    assert float(played.reached.float().mean()) < 0.3


def test_what_is_missing_cannot_be_reached() -> None:
    without_coin = play(WORLD, levels(100, "only_proxy"), script(WORLD, "corner"), GOALS)
    without_corner = play(WORLD, levels(100, "only_intended"), script(WORLD, "coin"), GOALS)
    assert float(without_coin.first("coin").float().mean()) == 0.0
    assert float(without_coin.first("corner").float().mean()) == 1.0
    assert float(without_corner.first("coin").float().mean()) == 1.0


def test_goals_that_lie_together_are_reached_together_and_neither_is_first() -> None:
    played = play(WORLD, levels(100, "together"), script(WORLD, "coin"), GOALS)
    assert bool(played.reached.all())
    assert not bool(played.first("coin").any() | played.first("corner").any())


def test_the_lot_of_a_state_does_not_depend_on_its_neighbours() -> None:
    start = levels(64)
    logits = torch.zeros(64, 4)
    whole = sampled(logits, start)
    part = sampled(logits[10:20], {name: value[10:20] for name, value in start.items()})
    assert torch.equal(whole[10:20], part)
    assert not torch.equal(whole, sampled(logits, start, seed=1))
    later = {**start, "clock": start["clock"] + 1}
    assert not torch.equal(whole, sampled(logits, later))


def test_sampled_actions_have_the_probabilities_of_the_policy() -> None:
    start = levels(20_000)
    wanted = torch.tensor([0.1, 0.2, 0.3, 0.4])
    drawn = sampled(wanted.log().expand(20_000, 4), start)
    assert torch.allclose(torch.bincount(drawn, minlength=4) / 20_000, wanted, atol=0.015)


def test_a_greedy_agent_takes_its_likeliest_action() -> None:
    agent, start = newborn(), levels(50)
    observation = WORLD.observe(start)
    assert torch.equal(
        AgentPolicy(agent, greedy=True)(observation, start), agent(observation, agent.blank(50)).logits.argmax(1)
    )


def test_an_edit_changes_what_the_agent_does_and_leaves_no_hook_behind() -> None:
    agent, start = newborn(), levels(50)
    observation = WORLD.observe(start)
    width = agent(observation, agent.blank(50)).logits.shape[1]
    forced = Ablation(torch.tensor([0.0] * (width - 1) + [9.0]))
    policy = AgentPolicy(agent, greedy=True, edits={"hook_logits": forced})
    assert bool((policy(observation, start) == width - 1).all())
    assert not bool((AgentPolicy(agent, greedy=True)(observation, start) == width - 1).all())


def test_an_edit_at_a_point_that_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="hook_hidden_1"):
        AgentPolicy(newborn(), edits={"hook_hidden_l": Ablation(torch.zeros(128))})


def test_memory_follows_its_episode_when_others_end() -> None:
    agent, start = newborn(Recurrent), levels(60)
    together = play(WORLD, start, AgentPolicy(agent), GOALS)
    for i in (0, 7, 31):
        alone = play(WORLD, {name: value[i : i + 1] for name, value in start.items()}, AgentPolicy(agent), GOALS)
        assert int(alone.steps[0]) == int(together.steps[i])
        assert torch.equal(alone.attained[0], together.attained[i])


def test_an_unknown_goal_is_named_with_its_near_miss() -> None:
    with pytest.raises(UnknownNameError, match="corner"):
        play(WORLD, levels(2), still, ["coin", "corne"])


def test_no_levels_have_no_rate() -> None:
    with pytest.raises(ImprintError, match="no levels"):
        rate(torch.zeros(0, dtype=torch.bool))


def test_the_interval_over_seeds_covers_the_mean_of_seeds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        truth = rng.beta(8, 4, size=5)
        found = mean_of_known(rng.binomial(400, truth) / 400, 400)
        covered.append(found.low <= 8 / 12 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.99


def test_seeds_that_agree_exactly_keep_the_exact_interval_of_their_levels() -> None:
    estimate = mean_of_known([0.0, 0.0, 0.0], 100)
    assert estimate.low == 0.0
    assert 0.005 < estimate.high < 0.02
    assert np.isnan(mean_of_known([], 10).value)
    assert mean_of_known([1.0, float("nan")], 10).n == 1
