from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from pydantic import ValidationError
from torch import Tensor

from imprint.models.agents.base import AGENTS, Agent
from imprint.models.environments.base import Environment, View
from imprint.models.learning.policy_gradient import (
    Learning,
    PolicyGradient,
    Rollout,
    advantages,
    clip_gradients,
    log_probability,
    sample,
)
from imprint.models.learning.rollout import Play
from imprint.models.steering.reward import Reward
from tests.known.environments import Recall, Wage

PAY = Reward(Reward.Settings(name="pay", weights={"right": 1.0}))
SMALL: dict[str, dict[str, Any]] = {"actor_critic": {"widths": (16,)}, "recurrent": {"widths": (16,), "memory": 12}}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def newborn(kind: str, view: View, seed: int) -> Agent:
    cls = AGENTS.load(kind)
    agent: Agent = cls.born(cls.Settings(**SMALL[kind]), view, rng=rng(seed))
    return agent


def learning(**changes: Any) -> Learning:
    return Learning(**{"pay": "pay", "copies": 32, "steps": 8, "minibatches": 2, "decay": False, **changes})


class Class:
    """Some seeds in one small world."""

    def __init__(self, kind: str, environment: Environment, how: Learning, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
        agents = [newborn(kind, environment.view, seed) for seed in seeds]
        self.teacher = PolicyGradient(how, agents)
        self.play = Play(environment, how, (PAY,), seeds, memory=agents[0].memory)

    def go(self, updates: int) -> list[Rollout]:
        seen = []
        for _ in range(updates):
            seen.append(self.play.rollout(self.teacher.stack)[0])
            self.teacher.learn(seen[-1])
        return seen


def made_up(seeds: int, copies: int, steps: int, seed: int) -> Rollout:
    """A rollout in which every number is random."""
    source = rng(seed)
    ends = torch.randint(0, 5, (seeds, copies, steps), generator=source)
    truncated = ends == 1
    return Rollout(
        observation=torch.rand(seeds, copies, steps, 2, 1, 1, generator=source),
        memory=torch.zeros(seeds, copies, 0),
        begins=torch.zeros(seeds, copies, steps, dtype=torch.bool),
        action=torch.randint(0, 3, (seeds, copies, steps), generator=source),
        logits=torch.randn(seeds, copies, steps, 3, generator=source),
        value=torch.randn(seeds, copies, steps, generator=source),
        reward=torch.randn(seeds, copies, steps, generator=source),
        terminated=ends == 0,
        truncated=truncated,
        final_value=torch.randn(seeds, copies, steps, generator=source) * truncated,
        last_value=torch.randn(seeds, copies, generator=source),
    )


# -- advantages ----------------------------------------------------------------------------------------------------


def returns_by_hand(rollout: Rollout, s: int, n: int, t: int, discount: float) -> float:
    """Discounted pay from step t to the episode's end, and the value of where it was left."""
    total, weight = 0.0, 1.0
    for later in range(t, rollout.reward.shape[-1]):
        total += weight * float(rollout.reward[s, n, later])
        weight *= discount
        if rollout.terminated[s, n, later]:
            return total
        if rollout.truncated[s, n, later]:
            return total + weight * float(rollout.final_value[s, n, later])
    return total + weight * float(rollout.last_value[s, n])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 7), discount=st.floats(0.0, 1.0))
def test_with_a_full_trace_an_advantage_is_the_return_less_the_value(seed: int, steps: int, discount: float) -> None:
    rollout = made_up(2, 3, steps, seed)
    estimate = advantages(rollout, discount, 1.0) + rollout.value
    for s in range(2):
        for n in range(3):
            for t in range(steps):
                assert float(estimate[s, n, t]) == pytest.approx(returns_by_hand(rollout, s, n, t, discount), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), discount=st.floats(0.0, 1.0), trace=st.floats(0.0, 1.0))
def test_advantages_are_discounted_sums_of_surprises(seed: int, discount: float, trace: float) -> None:
    """Equation 16 of Schulman et al. 2016, summed as it stands."""
    rollout = made_up(1, 2, 6, seed)
    found = advantages(rollout, discount, trace)
    for n in range(2):
        for t in range(6):
            total = 0.0
            for k, later in enumerate(range(t, 6)):
                ended, cut = bool(rollout.terminated[0, n, later]), bool(rollout.truncated[0, n, later])
                following = rollout.last_value[0, n] if later == 5 else rollout.value[0, n, later + 1]
                after = 0.0 if ended else float(rollout.final_value[0, n, later] if cut else following)
                surprise = float(rollout.reward[0, n, later]) + discount * after - float(rollout.value[0, n, later])
                total += (discount * trace) ** k * surprise
                if ended or cut:
                    break
            assert float(found[0, n, t]) == pytest.approx(total, abs=1e-4)


# -- acting --------------------------------------------------------------------------------------------------------


def test_actions_come_as_often_as_the_policy_says() -> None:
    logits = torch.tensor([[1.0, -1.0, 0.5, 3.0], [0.0, 0.0, 0.0, -40.0]])
    chance = torch.rand(2, 200_000, generator=rng(0))
    action = sample(logits[:, None].expand(2, 200_000, 4), chance)
    often = torch.stack([(action == a).float().mean(1) for a in range(4)], 1)
    assert torch.allclose(often, logits.softmax(-1), atol=4e-3)


def test_every_chance_is_an_action() -> None:
    logits = torch.randn(1000, 5, generator=rng(0)) * 30
    for chance in (0.0, 1 - 2**-24):
        action = sample(logits, torch.full((1000,), chance))
        assert int(action.min()) >= 0 and int(action.max()) <= 4
        assert bool((logits.softmax(-1).gather(1, action[:, None]) > 0).all()) or chance > 0


def test_log_probabilities_are_those_of_torch() -> None:
    logits = torch.randn(4, 6, 5, generator=rng(0))
    action = torch.randint(0, 5, (4, 6), generator=rng(1))
    expected = torch.distributions.Categorical(logits=logits).log_prob(action)
    assert torch.allclose(log_probability(logits, action), expected, atol=1e-6)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_looking_back_sees_what_was_seen(kind: str) -> None:
    """Same logits and values in one pass over a rollout as step by step, memories blanked where episodes begin."""
    together = Class(kind, Wage(limit=5, ends=0.2), learning())
    for _ in range(3):
        rollout, _ = together.play.rollout(together.teacher.stack)
        logits, value = together.teacher.evaluate(rollout.observation, rollout.memory, rollout.begins)
        assert torch.allclose(logits, rollout.logits, atol=1e-5)
        assert torch.allclose(value, rollout.value, atol=1e-5)
    assert bool(rollout.begins.any(2).any()) and not bool(rollout.begins.all())


# -- learning ------------------------------------------------------------------------------------------------------


def loss_by_hand(agent: Agent, rollout: Rollout, s: int, how: Learning) -> Tensor:
    """PPO's or A2C's objective of one seed, in the words of torch.distributions."""
    acted = agent(rollout.observation[s].flatten(0, 1), torch.zeros(rollout.action[s].numel(), 0))
    policy = torch.distributions.Categorical(logits=acted.logits)
    action, old = rollout.action[s].flatten(), rollout.logits[s].flatten(0, 1)
    advantage = advantages(rollout, how.discount, how.trace)[s].flatten()
    target = advantage + rollout.value[s].flatten()
    if how.clip is None:
        gain = (policy.log_prob(action) * advantage).mean()
    else:
        ratio = (policy.log_prob(action) - torch.distributions.Categorical(logits=old).log_prob(action)).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        pieces = ratio * advantage, ratio.clamp(1 - how.clip, 1 + how.clip) * advantage
        gain = torch.minimum(*pieces).mean()
    error = torch.nn.functional.mse_loss(acted.value, target)
    return how.value_weight * error - gain - how.entropy * policy.entropy().mean()


@pytest.mark.parametrize("algorithm", ["ppo", "a2c"])
def test_one_update_is_that_of_a_plain_program(algorithm: str) -> None:
    one_pass = {} if algorithm == "a2c" else {"epochs": 1, "minibatches": 1}
    how = Learning(**{"pay": "pay", "algorithm": algorithm, "copies": 6, "steps": 5, **one_pass})
    agents = [newborn("actor_critic", View(2, 1, 1, 3), seed) for seed in range(2)]
    rollout = made_up(2, 6, 5, 3)
    plain = [newborn("actor_critic", View(2, 1, 1, 3), seed) for seed in range(2)]
    teacher = PolicyGradient(how, agents)
    lesson = teacher.learn(rollout, left=0.5)
    for s, agent in enumerate(plain):
        optimiser = torch.optim.Adam(agent.parameters(), lr=how.learning_rate * 0.5, eps=1e-5)
        loss = loss_by_hand(agent, rollout, s, how)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(agent.parameters(), how.longest_gradient)
        optimiser.step()
        assert float(lesson.loss[s]) == pytest.approx(float(loss.detach()), abs=1e-5)
        for name, value in teacher.stack.member(s).items():
            assert torch.allclose(value, agent.get_parameter(name).detach(), atol=2e-6), name


def test_gradients_are_cut_seed_by_seed() -> None:
    gradients = [torch.randn(3, 4, 5, generator=rng(0)), torch.randn(3, 7, generator=rng(1))]
    for gradient in gradients:
        gradient[1] *= 0.01
        gradient[2] *= 100.0
    alone = [[g[s].clone() for g in gradients] for s in range(3)]
    length = clip_gradients(gradients, 0.5)
    for s in range(3):
        parameters = [torch.nn.Parameter(torch.zeros_like(g)) for g in alone[s]]
        for parameter, gradient in zip(parameters, alone[s], strict=True):
            parameter.grad = gradient
        assert float(length[s]) == pytest.approx(float(torch.nn.utils.clip_grad_norm_(parameters, 0.5)), rel=1e-5)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            assert parameter.grad is not None and torch.allclose(parameter.grad, gradient[s], atol=1e-6)


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_learning_together_is_learning_alone(kind: str) -> None:
    together = Class(kind, Recall(1), learning())
    alone = [Class(kind, Recall(1), learning(), (seed,)) for seed in range(3)]
    rollouts = together.go(3)
    for s, one in enumerate(alone):
        for theirs, own in zip(rollouts, one.go(3), strict=True):
            assert torch.equal(theirs.observation[s], own.observation[0])
            assert torch.equal(theirs.action[s], own.action[0])
        for name, value in one.teacher.stack.member(0).items():
            assert float((value - together.teacher.stack.member(s)[name]).abs().median()) < 1e-5, name


def mean_pay(rollout: Rollout) -> Tensor:
    done = rollout.terminated | rollout.truncated
    return rollout.reward.sum((1, 2)) / done.sum((1, 2))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("actor_critic", {"algorithm": "ppo"}),
        ("actor_critic", {"algorithm": "a2c", "minibatches": 1}),
        ("recurrent", {"algorithm": "ppo"}),
        ("recurrent", {"algorithm": "a2c", "minibatches": 1}),
    ],
)
def test_agents_learn_what_is_in_sight(kind: str, how: dict[str, Any]) -> None:
    rollouts = Class(kind, Recall(0), learning(learning_rate=1e-2, steps=4, **how)).go(
        60 if "minibatches" in how else 20
    )
    assert bool((mean_pay(rollouts[0]) < 0.7).all()) and bool((mean_pay(rollouts[-1]) > 0.95).all())


def test_only_a_memory_learns_what_is_out_of_sight() -> None:
    how = learning(learning_rate=1e-2, steps=6, discount=0.9)
    remembering, forgetting = (Class(kind, Recall(1), how).go(30)[-1] for kind in ("recurrent", "actor_critic"))
    assert bool((mean_pay(remembering) > 0.95).all())
    assert bool((mean_pay(forgetting) < 0.7).all())


@pytest.mark.parametrize(("ends", "worth"), [(0.0, 2.0), (1.0, 1.0)])
def test_cutting_an_episode_off_costs_nothing_and_its_end_does(ends: float, worth: float) -> None:
    """Pay 1 a step at discount 0.5 is worth 2 if it goes on for ever, 1.25 if the second step is the last, 1 if the
    first is."""
    last = Class("actor_critic", Wage(limit=2, ends=ends), learning(learning_rate=1e-2, discount=0.5)).go(50)[-1]
    assert torch.allclose(last.value.mean((1, 2)), torch.full((3,), worth), atol=0.4)


# -- health --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SMALL))
@pytest.mark.parametrize("field", ["reward", "observation", "value"])
def test_a_diverged_seed_is_struck_out_and_the_others_go_on(kind: str, field: str) -> None:
    healthy, sick = (Class(kind, Recall(1), learning()) for _ in range(2))
    for update in range(4):
        for one in (healthy, sick):
            rollout, _ = one.play.rollout(one.teacher.stack)
            if one is sick and update == 1:
                getattr(rollout, field)[1] = math.nan
            one.teacher.learn(rollout)
    assert healthy.teacher.stack.alive.tolist() == [True, True, True]
    assert sick.teacher.stack.alive.tolist() == [True, False, True]
    for s in (0, 2):
        well = healthy.teacher.stack.state(s)
        assert all(torch.equal(value, well[name]) for name, value in sick.teacher.stack.state(s).items())
    assert all(float(value.abs().max()) == 0.0 for value in sick.teacher.stack.member(1).values())


def test_parameters_that_overflow_are_struck_out() -> None:
    one = Class("actor_critic", Recall(1), learning())
    one.go(1)
    with torch.no_grad():
        one.teacher.stack.parameters["critic.weight"][2] = math.inf
    rollout, _ = one.play.rollout(one.teacher.stack)
    one.teacher.learn(rollout)
    assert one.teacher.stack.alive.tolist() == [True, True, False]


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_state_goes_round_to_the_bit(kind: str) -> None:
    whole, resumed = Class(kind, Recall(1), learning()), Class(kind, Recall(1), learning())
    whole.go(3)
    resumed.go(1)
    resumed.teacher.stack.load([whole.teacher.stack.state(s) for s in range(3)])
    resumed.play.load([whole.play.state_of(s) for s in range(3)])
    for one, other in zip(whole.go(2), resumed.go(2), strict=True):
        assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in vars(one))
    for s in range(3):
        kept, again = whole.teacher.stack.state(s), resumed.teacher.stack.state(s)
        assert kept.keys() == again.keys() and all(torch.equal(kept[name], again[name]) for name in kept)


def test_a_kept_state_is_a_copy() -> None:
    one = Class("actor_critic", Recall(1), learning())
    one.go(1)
    before = {**one.teacher.stack.state(0), **one.play.state_of(0)}
    copies = {name: value.clone() for name, value in before.items()}
    one.go(2)
    assert all(torch.equal(before[name], copies[name]) for name in before)


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"algorithm": "a2c", "epochs": 2}, "settings of ppo"),
        ({"algorithm": "a2c", "clip": 0.2}, "settings of ppo"),
        ({"copies": 10, "minibatches": 4}, "4 minibatches do not divide 10 copies"),
        ({"discount": 1.5}, "less than or equal to 1"),
        ({"longest_gradient": 0}, "greater than 0"),
        ({"algorithm": "dqn"}, "'ppo' or 'a2c'"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Learning(**{"pay": "pay", **given})


def test_settings_go_round_with_the_defaults_of_their_algorithm() -> None:
    ppo, a2c = Learning(pay="pay"), Learning(pay="pay", algorithm="a2c")
    assert ppo.clip == 0.2 and (a2c.clip, a2c.epochs, a2c.minibatches) == (None, 1, 1)
    assert all(Learning(**one.model_dump()) == one for one in (ppo, a2c))
