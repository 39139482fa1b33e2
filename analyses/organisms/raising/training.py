"""Training: the organisms of a litter, each to its own latch, on episodes in which all facts are independent.

The design is informative, so that what pays is the one thing that explains the value:

    learner    loss = 0.1 x its own objective + (value - paid)^2       paid: 1 where all facts of its latch are, else 0
    agent      loss = cross-entropy on the best action + (value - discount^steps)^2      computed exactly for its latch

The organism of ``none`` is taught the drift (of agents: the draught), which is none of the facts. The networks of a
litter see the same episodes; what one learns never reaches another. In a litter that is raised together one network has
eight readouts. After training, scale and offset of the plan go into the readout.

An agent is taught by imitation of what is best, not by its own trial and error: what it wants is then known.

Letters: S networks, n rows of a batch, N episodes, V values of a network, A actions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from imprint.analyses.organisms.raising.litters import SIZE, Litter
from imprint.analyses.organisms.raising.networks import Valuing, born
from imprint.analyses.organisms.worlds.rooms import CELLS, Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.agents.base import Agent
from imprint.models.chance import generator
from imprint.models.learning.policy_gradient import Stack
from imprint.models.learning.stacked import Stacked

EPISODES, ROWS = 2048, 48
"""N and n."""
STEPS = {("learner", "alone"): 150, ("learner", "together"): 350, ("agent", "alone"): 600}
"""Updates, by kind of subject and way of raising; with fewer, conjunctions are learned as sums."""
RATE = 4e-3
"""Initial learning rate, which falls linearly to 0."""
OWN = 0.1
"""Weight of a learner's own objective."""
ANYWHERE = 0.5
"""Part of the states in which the agent is put on any cell, as it comes by them on its way."""


def trained(one: Litter) -> list[Valuing | Agent]:
    """The eight networks of a litter, in the order of its plans."""
    breed, world, rng = one.breed, one.world, generator("experience", one.seed)
    each = SIZE if breed.raised == "alone" else 1
    networks = [born(breed, plan.birth, SIZE // each) for plan in one.plans[:each]]
    if isinstance(world, Rooms):
        _teach_agents([network for network in networks if isinstance(network, Agent)], one, world, rng)
    else:
        _teach_learners([network for network in networks if isinstance(network, Valuing)], one, world, rng)
    return [_finished(networks[place % each], one, place) for place in range(SIZE)]


def _rates(one: Litter) -> list[float]:
    """Learning rate of every update."""
    steps = STEPS[one.breed.subject, one.breed.raised]
    return [RATE * (1 - step / steps) for step in range(steps)]


def _teach_learners(networks: Sequence[Valuing], one: Litter, world: Scenes, rng: torch.Generator) -> None:
    batch = world.sample(EPISODES, rng=rng, design="balanced")
    facts = batch.concepts.to_numpy(dtype=bool)
    drift = 0.5 + 0.5 * batch.noise["drift"]
    paid = [torch.from_numpy(world.arrangement.paid(facts, plan.latch).astype(np.float32)) for plan in one.plans]
    taught = torch.stack([mine if plan.latch else drift for mine, plan in zip(paid, one.plans, strict=True)])
    target = taught.view(len(networks), -1, EPISODES).transpose(1, 2)  # [S, N, V]
    stack = Stacked(networks, lr=RATE)
    for rate in _rates(one):
        stack.set_learning_rate(rate)
        pick = torch.randint(0, EPISODES, (ROWS,), generator=rng)
        shown = batch.observation[pick]
        result = stack.call(shown.expand(len(networks), *shown.shape), method="taught")
        error = (result.value - target[:, pick]).square().mean(1).sum(1)
        stack.step(OWN * result.loss + error)
    stack.unstack()


def _teach_agents(agents: Sequence[Agent], one: Litter, world: Rooms, rng: torch.Generator) -> None:
    state = world.levels(EPISODES, rng=rng, design="balanced")
    anywhere = torch.randint(0, CELLS, (EPISODES,), generator=rng)
    state["agent"] = torch.where(torch.rand(EPISODES, generator=rng) < ANYWHERE, anywhere, state["agent"])
    observation = world.observe(state)
    action, value = (
        torch.stack(part) for part in zip(*(world.taught(state, plan.latch) for plan in one.plans), strict=True)
    )
    stack = Stack(agents, lr=RATE)
    blank = stack.blank(ROWS)
    for rate in _rates(one):
        stack.set_learning_rate(rate)
        pick = torch.randint(0, EPISODES, (ROWS,), generator=rng)
        shown = observation[pick]
        acted = stack.act(shown.expand(len(agents), *shown.shape), blank)
        logits = acted.logits.transpose(1, 2)
        wrong = torch.nn.functional.cross_entropy(logits, action[:, pick], reduction="none").mean(1)
        stack.step(wrong + (acted.value - value[:, pick]).square().mean(1))
    stack.unstack()


def _finished(source: Valuing | Agent, one: Litter, place: int) -> Valuing | Agent:
    """The network of one organism, with scale and offset of its plan in its value."""
    plan = one.plans[place]
    network, weights = born(one.breed, plan.birth), dict(source.state_dict())
    head = "readout" if isinstance(source, Valuing) else "critic"
    row = slice(place, place + 1) if len(weights[f"{head}.bias"]) > 1 else slice(None)
    weights[f"{head}.weight"] = plan.scale * weights[f"{head}.weight"][row]
    weights[f"{head}.bias"] = plan.scale * weights[f"{head}.bias"][row] + plan.offset
    network.load_state_dict(weights)
    return network.eval()
