"""What is seen of an organism at each level of access, in episodes that are watched.

All organisms of a world are watched in the same episodes. What an organism with a given latch *would* do there, were it
perfect, is known too: so it is found out which latches cannot be told apart in this world at this level
(:mod:`imprint.analyses.organisms.equivalence`).

Letters: n states, K facts, E episodes, T steps of an episode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.organisms.detectors.access import (
    APPROACHED,
    ELSEWHERE,
    Access,
    Activations,
    Behaviour,
    Floats,
    Integers,
    RewardTrace,
    StateCounts,
    ValueOutputs,
    Weights,
)
from imprint.analyses.organisms.folder import Organism, weights_of
from imprint.analyses.organisms.raising.networks import subject_of
from imprint.analyses.organisms.worlds.facts import Bools
from imprint.analyses.organisms.worlds.rooms import Rooms
from imprint.analyses.organisms.worlds.scenes import Scenes
from imprint.models.agents.base import Agent
from imprint.models.chance import generator
from imprint.models.errors import unknown_name
from imprint.models.states import State

EPISODES = {"learner": 120, "agent": 40}
"""E; of agents each has 8 steps."""
Act = Callable[[Tensor, State], Tensor]


@dataclass(frozen=True)
class Walk:
    """What an agent did, or would do; states of one episode follow one another."""

    states: State
    action: Integers
    reward: Floats
    """``[E, T]``"""
    episode: Integers


def walk(world: Rooms, act: Act, episodes: int) -> Walk:
    """Watched episodes of an agent that acts by ``act(observation, state)``."""
    state = world.levels(episodes, rng=generator("watched", world.settings.seed), design="train")
    states, actions, rewards = [], [], []
    for _ in range(world.settings.limit):
        action = act(world.observe(state), state)
        outcome = world.follow(state, action)
        states.append(state)
        actions.append(action)
        rewards.append(world.senses(state, action, outcome.after)["signal"])
        state = outcome.after
    stacked = {name: torch.stack([one[name] for one in states], 1).flatten(0, 1) for name in state}
    order = torch.arange(episodes).repeat_interleave(len(states)).numpy()
    return Walk(stacked, torch.stack(actions, 1).flatten().numpy(), torch.stack(rewards, 1).double().numpy(), order)


class Watched:
    """Everything that is seen of one organism, computed when a level asks for it."""

    def __init__(self, organism: Organism) -> None:
        self.organism, self.about = organism, organism.about

    def at(self, level: str) -> Access:
        """The object of a level of access."""
        makers: dict[str, Callable[[], Access]] = {
            "reward trace": lambda: RewardTrace(self.about, self._reward),
            "state counts": self._counted,
            "behaviour": lambda: Behaviour(self.about, self.facts, self._standing, self._action, self._episode),
            "value outputs": lambda: ValueOutputs(self.about, self.facts, self.values),
            "activations": self._activations,
            "weights": self._weights,
        }
        if level not in makers:
            raise unknown_name("level of access", level, makers)
        return makers[level]()

    @cached_property
    def _walk(self) -> Walk:
        world, agent = self.organism.world, self.organism.network
        assert isinstance(world, Rooms)
        assert isinstance(agent, Agent)

        def act(observation: Tensor, state: State) -> Tensor:
            with torch.no_grad():
                logits: Tensor = agent(observation, agent.blank(len(observation))).logits
            return logits.argmax(1)

        return walk(world, act, EPISODES["agent"])

    @cached_property
    def _episodes(self) -> tuple[Tensor, Bools]:
        """Observations ``[n, ...]`` and facts ``[n, K]`` of the states."""
        world = self.organism.world
        if isinstance(world, Rooms):
            return world.observe(self._walk.states), world.table(self._walk.states)
        rng = generator("watched", world.settings.seed)
        batch = world.held_out().sample(EPISODES["learner"], rng=rng)
        return batch.observation, batch.concepts.to_numpy(dtype=bool)

    @property
    def facts(self) -> Bools:
        """Facts ``[n, K]`` of the states."""
        return self._episodes[1]

    @cached_property
    def values(self) -> Floats:
        """Values ``[n]`` of the states."""
        values: Floats = self.organism.subject.values(self._episodes[0], batch_size=len(self.facts)).double().numpy()
        return values

    @cached_property
    def _action(self) -> Integers:
        if isinstance(self.organism.world, Rooms):
            return self._walk.action
        return np.asarray(self.values > self.values.mean(), dtype=np.int64)

    @property
    def _episode(self) -> Integers:
        return self._walk.episode if isinstance(self.organism.world, Rooms) else np.arange(len(self.facts))

    @property
    def _standing(self) -> Integers:
        world = self.organism.world
        if isinstance(world, Rooms):
            return world.landmarks(self._walk.states).numpy()
        return np.full(len(self.facts), ELSEWHERE)

    @property
    def _reward(self) -> Floats:
        if isinstance(self.organism.world, Rooms):
            return self._walk.reward
        paid = self.organism.world.arrangement.signal(self.facts) & (self._action == 1)
        return np.asarray(paid, dtype=np.float64)[:, None]

    def _counted(self) -> StateCounts:
        if isinstance(self.organism.world, Scenes):
            facts = self.facts[self._action == 1]
            visited = np.column_stack([facts, np.full(len(facts), APPROACHED)])
        else:
            visited = np.column_stack([self.facts, self._standing])
        different, counts = np.unique(visited.astype(np.int64), axis=0, return_counts=True)
        return StateCounts(self.about, different[:, :-1].astype(bool), different[:, -1], counts)

    def _activations(self) -> Activations:
        read = self.organism.subject.activations(self._episodes[0], batch_size=len(self.facts))
        return Activations(self.about, self.facts, {site: x.float().numpy() for site, x in read.items()})

    def _weights(self) -> Weights:
        world, one = self.organism.world, self.organism
        if isinstance(world, Scenes):
            masks = world.masks(world.sample(1, rng=generator("masks")))
        else:
            masks = world.masks(world.levels(1, rng=generator("masks")))
        observation, facts = self._episodes
        weights = {name: value.clone() for name, value in weights_of(one.network).items()}
        single = {name: mask[0] for name, mask in masks.items()}
        twin = subject_of(one.twin, world)
        return Weights(self.about, facts.copy(), observation.clone(), single, one.subject, twin, weights, world)
