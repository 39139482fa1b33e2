"""The networks of organisms: a learner with its readout, or an agent, and the subject that either is.

Letters: n episodes, T steps, D latent width, V values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from imprint.analyses.organisms.raising.litters import Breed
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import CHANNELS, SIDE, STEPS, Scenes
from imprint.models.agents.base import AGENTS, Agent
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.probes.subjects.subject import Subject


class Valued(NamedTuple):
    """Result of one pass."""

    loss: Tensor
    """``[]`` the learner's own objective."""
    value: Tensor
    """``[n, V]``"""


class Valuing(nn.Module):
    """A learner and a linear readout of its latents at the last step, whose gradient reaches the learner.

    Networks take turns: with so few rows each, ``vmap``, which copies weights for every row, takes several times as
    long.
    """

    stackable = False

    def __init__(self, learner: Learner, values: int) -> None:
        super().__init__()
        self.learner = learner
        self.readout = nn.Linear(int(learner(torch.zeros(1, STEPS, CHANNELS, SIDE, SIDE)).shape[-1]), values)

    def taught(self, observation: Tensor) -> Valued:
        """Objective and values of episodes ``[n, T, C, H, W]``."""
        taught = self.learner.objective(observation)
        return Valued(taught.loss, self.readout(taught.latents[:, -1]))

    def forward(self, observation: Tensor) -> Tensor:
        """Values ``[n, V]``."""
        values: Tensor = self.readout(self.learner(observation)[:, -1])
        return values


def born(breed: Breed, seed: int, values: int = 1) -> Valuing | Agent:
    """An untrained network; ``values``: how many readouts a learner has."""
    family: Any = LEARNERS if breed.subject == "learner" else AGENTS
    kind = family.load(breed.architecture)
    settings = kind.Settings(**dict(breed.settings))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if breed.subject == "agent":
            agent: Agent = kind(settings, Rooms().view)
            return agent.eval()
        return Valuing(kind(settings, Frame(STEPS, CHANNELS, SIDE, SIDE)), values).eval()


def subject_of(network: Valuing | Agent, world: Scenes | Rooms) -> Subject:
    """The subject of a trained network, with its sites."""
    if isinstance(network, Agent):
        agent = network
        return Subject(agent, lambda rows: agent(rows, agent.blank(len(rows))).value, list(agent.read_points[1:]))
    assert isinstance(world, Scenes)
    readout = network.readout
    return Subject.of_learner(network.learner, world, readout.weight.detach()[0], readout.bias.detach()[0])
