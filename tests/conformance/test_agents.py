"""Every agent keeps the contract of ``imprint.models.agents.base``, on views of several shapes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.agents.base import AGENTS, Acted, Agent
from imprint.models.environments.base import View
from imprint.models.learning.policy_gradient import Stack

VIEWS = [View(3, 7, 7, 4), View(5, 2, 3, 7), View(1, 1, 4, 2)]
N = 24


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=AGENTS.names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=VIEWS, ids=lambda view: "x".join(map(str, view.shape)))
def view(request: pytest.FixtureRequest) -> View:
    found: View = request.param
    return found


def born(kind: str, view: View, seed: int = 0) -> Agent:
    cls = AGENTS.load(kind)
    agent: Agent = cls.born(cls.Settings(), view, rng=rng(seed))
    return agent


def seen(agent: Agent, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Observations, and memories that are not blank."""
    source = rng(seed)
    return torch.rand(N, *agent.view.shape, generator=source), torch.randn(N, agent.memory, generator=source).tanh()


def hooked(agent: Agent, changes: dict[str, object], observation: Tensor, memory: Tensor) -> Acted:
    modules = dict(agent.named_modules())
    handles = [modules[name].register_forward_hook(change) for name, change in changes.items()]
    with torch.no_grad():
        acted: Acted = agent(observation, memory)
    for handle in handles:
        handle.remove()
    return acted


def test_weights_come_from_the_generator_alone(kind: str, view: View) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (dict(born(kind, view, seed).named_parameters()) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_an_agent_acts_values_and_remembers(kind: str, view: View) -> None:
    agent = born(kind, view)
    acted = agent(*seen(agent))
    assert acted.logits.shape == (N, view.actions)
    assert acted.value.shape == (N,)
    assert acted.memory.shape == (N, agent.memory)
    assert torch.equal(agent.blank(N), torch.zeros(N, agent.memory))


def test_rows_do_not_mix(kind: str, view: View) -> None:
    agent = born(kind, view)
    observation, memory = seen(agent)
    whole, part = agent(observation, memory), agent(observation[5:9], memory[5:9])
    for one, other in zip(whole, part, strict=True):
        assert torch.allclose(one[5:9], other, atol=1e-6)


def test_a_newborn_acts_nearly_at_random(kind: str, view: View) -> None:
    for seed in range(5):
        agent = born(kind, view, seed)
        chances = agent(*seen(agent)).logits.detach().softmax(-1)
        assert float((chances - 1 / view.actions).abs().max()) < 0.05


def test_memory_matters_exactly_when_there_is_one(kind: str, view: View) -> None:
    agent = born(kind, view)
    observation, memory = seen(agent)
    remembered, blank = agent(observation, memory), agent(observation, agent.blank(N))
    if agent.memory:
        assert not torch.allclose(remembered.value, blank.value) and not torch.equal(remembered.memory, memory)
        assert not torch.allclose(remembered.logits, blank.logits)
    else:
        assert torch.equal(remembered.value, blank.value)


def test_sites_are_hook_points_that_read_rows(kind: str, view: View) -> None:
    agent = born(kind, view)
    modules, read = dict(agent.named_modules()), {}
    assert len(set(agent.read_points)) == len(agent.read_points) and agent.acting_point in agent.read_points
    assert set(agent.read_points) <= agent.hook_dict.keys() <= modules.keys()
    changes = {
        name: lambda _m, _i, out, name=name: read.__setitem__(name, out)  # type: ignore[misc]
        for name in agent.read_points
    }
    observation, memory = seen(agent)
    hooked(agent, changes, observation, memory)
    assert all(read[name].ndim == 2 and len(read[name]) == N for name in agent.read_points)
    assert torch.equal(read["hook_in"], observation.flatten(1))


def test_the_heads_have_hook_points(kind: str, view: View) -> None:
    agent = born(kind, view)
    changes = {"hook_logits": lambda _m, _i, out: out * 0 + 2.0, "hook_value": lambda _m, _i, out: out * 0 + 3.0}
    acted = hooked(agent, changes, *seen(agent))
    assert bool((acted.logits == 2.0).all()) and bool((acted.value == 3.0).all())


def test_replacing_an_activation_changes_what_follows(kind: str, view: View) -> None:
    agent = born(kind, view)
    observation, memory = seen(agent)
    before = agent(observation, memory)
    for name in agent.read_points:
        after = hooked(
            agent, {name: lambda _m, _i, out: out + torch.linspace(-1, 1, out.shape[1])}, observation, memory
        )
        assert not torch.allclose(after.logits, before.logits, atol=1e-5), name
        assert not torch.allclose(after.value, before.value, atol=1e-5), name


def test_everything_goes_through_the_acting_point(kind: str, view: View) -> None:
    agent = born(kind, view)
    acted = hooked(agent, {agent.acting_point: lambda _m, _i, out: torch.ones_like(out)}, *seen(agent))
    assert torch.equal(acted.logits, acted.logits[:1].expand_as(acted.logits))
    assert torch.equal(acted.value, acted.value[:1].expand_as(acted.value))


def test_stacked_seeds_act_as_they_do_alone(kind: str, view: View) -> None:
    agents = [born(kind, view, seed) for seed in range(3)]
    stack, own = Stack(agents), [seen(agent, seed) for seed, agent in enumerate(agents)]
    together = stack.act(torch.stack([o for o, _ in own]), torch.stack([m for _, m in own]))
    for s, agent in enumerate(agents):
        for one, other in zip(together, agent(*own[s]), strict=True):
            assert torch.allclose(one[s], other, atol=1e-5)


def test_agents_that_stack_themselves_do_what_vmap_does(kind: str, view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    agents = [born(kind, view, seed) for seed in range(3)]
    stack, own = Stack(agents), [seen(agent, seed) for seed, agent in enumerate(agents)]
    given = torch.stack([o for o, _ in own]), torch.stack([m for _, m in own])
    found = []
    for itself in {agents[0].stacks, False}:
        monkeypatch.setattr(type(agents[0]), "stacks", itself)
        acted = stack.act(*given)
        (acted.logits.sin().sum() + acted.value.square().sum()).backward()
        found.append([*acted, *(leaf.grad for leaf in stack.parameters.values())])
        for leaf in stack.parameters.values():
            leaf.grad = None
    for results in zip(*found, strict=True):
        assert all(torch.allclose(results[0], other, atol=1e-4) for other in results)


def test_parameters_go_round_by_name(kind: str, view: View) -> None:
    one, other = born(kind, view, 1), born(kind, view, 2)
    observation, memory = seen(one)
    assert not torch.equal(one(observation, memory).value, other(observation, memory).value)
    other.load_state_dict(Stack([one]).member(0))
    assert torch.equal(one(observation, memory).value, other(observation, memory).value)
