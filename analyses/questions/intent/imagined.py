"""What an agent makes of pictures in which goal and proxy part, while it takes no step: the description from inside.

An *imagined* state is the first state of a training level in which one of the two was put elsewhere
(:meth:`Environment.elsewhere`), where both can be seen and both are two steps away or more. The agent is shown its
picture, and its heads are read. Nothing is followed in the world, and no level of design ``apart`` is drawn:

    policy    probability of actions that lead nearer to the goal and not to the proxy, and the reverse
    critic    the value's coefficients on discounted distances and its fit; how much it changes, in its own variance,
              when the goal or the proxy is put elsewhere in a training level
    erasure   how much of the probabilities is lost when the marks of the goal, or of the proxy, are erased at the
              acting point (LEACE), beyond what random directions of the span cost; the eraser is fitted on other states
    rollout   part of imagined walks that come next to the goal before the proxy when every step goes where the
              *critic* expects most; the policy has no part in them

The levels on which agents are judged differ in all of this: fresh levels of design ``apart``, in which things may lie
out of sight, followed from the start with actions that the *policy* samples, for as long as it takes, until one of the
two is reached.

Letters: n states, G goals, A actions, D width of the acting point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.goals.acting import activations, look
from imprint.analyses.goals.critic_line import critic_line
from imprint.analyses.goals.exam import TRAIN
from imprint.analyses.goals.scenes import columns_of, marks_of
from imprint.models.agents.base import Agent
from imprint.models.environments.base import Environment
from imprint.models.errors import NotMeasurableError
from imprint.models.states import State, joined, rows
from imprint.probes.interventions.base import Intervention
from imprint.probes.interventions.erase import Whitened

POLICY, CRITIC, ERASURE, ROLLOUT = KINDS = ("policy", "critic", "erasure", "rollout")
PLACEBOS, STEPS = 3, 5
"""Random subspaces per erasure; steps of an imagined walk."""
AMONG = 8
"""Training levels drawn for every imagined state that is kept."""


@dataclass(frozen=True)
class Imagination:
    """Pictures that every agent is shown."""

    environment: Environment
    goals: tuple[str, ...]
    """The intended goal, then the proxy."""
    discount: float
    shown: State
    """Imagined states ``n``, on which heads are read."""
    fitted: State
    """Imagined states on which erasers are fitted."""
    moved: Mapping[str, tuple[State, State]]
    """Goal -> training states, and the same with the goal elsewhere."""
    nearer: Tensor
    """bool ``[n, G, A]``: whether an action in a state of ``shown`` leads nearer to a goal."""

    @classmethod
    def of(cls, environment: Environment, goals: tuple[str, ...], discount: float, *, n: int, seed: int) -> Imagination:
        """Draw them. Raises :class:`NotMeasurableError` in a world in which neither goal nor proxy can be moved."""
        rng = torch.Generator().manual_seed(seed)
        start = environment.levels(2 * AMONG * n, rng=rng, design=TRAIN)
        moved: dict[str, tuple[State, State]] = {}
        for goal in goals:
            try:
                moved[goal] = start, environment.elsewhere(start, goal, rng=rng)
            except NotMeasurableError:
                continue
        if not moved:
            raise NotMeasurableError(f"neither of {' and '.join(goals)} can be put elsewhere in this world")
        half = 2 * AMONG * n // len(moved)
        mixed = joined([rows(other, slice(i * half, (i + 1) * half)) for i, (_, other) in enumerate(moved.values())])
        kept = torch.nonzero(_parted(environment, goals, mixed)).flatten()
        if len(kept) < 2 * n:
            raise NotMeasurableError(f"only {len(kept)} of {2 * n} imagined states show goal and proxy apart")
        kept = kept[torch.randperm(len(kept), generator=rng)]
        shown, fitted = (rows(mixed, part) for part in (kept[:n], kept[n : 2 * n]))
        few = {goal: (rows(one, slice(n)), rows(other, slice(n))) for goal, (one, other) in moved.items()}
        return cls(environment, goals, discount, shown, fitted, few, _nearer(environment, goals, shown))

    def describe(self, agent: Agent) -> dict[str, float]:
        """Every number of the module's docstring, by name; the first word says of which kind."""
        acted = look(agent, self.environment.observe(self.shown), agent.blank(len(self.nearer)))
        towards = self._towards(acted.logits)
        rng = np.random.default_rng(0)
        line = critic_line(acted.value, self.environment.distances(self.shown), self.goals, self.discount, rng=rng)
        numbers = {f"{POLICY} to {goal}": part for goal, part in zip(self.goals, towards.tolist(), strict=True)}
        numbers |= {f"{CRITIC} beta {goal}": beta for goal, beta in zip(self.goals, line.beta, strict=True)}
        numbers[f"{CRITIC} r2"] = line.r2
        numbers |= {f"{CRITIC} value follows {goal}": self._follows(agent, goal) for goal in self.moved}
        numbers |= {f"{ERASURE} {goal}": cost for goal, cost in self._costs(agent, towards).items()}
        numbers[f"{ROLLOUT} {self.goals[0]}"] = self.climbed(agent)
        return numbers

    def _towards(self, logits: Tensor) -> Tensor:
        """Mean probability ``[G]`` of actions that lead nearer to each goal and to no other, from logits ``[n, A]``."""
        alone = self.nearer & (self.nearer.sum(1, keepdim=True) == 1)
        return (logits.softmax(1)[:, None] * alone).sum(2).mean(0)

    def _follows(self, agent: Agent, goal: str) -> float:
        """Mean square change of the value when a goal is put elsewhere, in twice the variance of the value."""
        before, after = (
            look(agent, self.environment.observe(state), agent.blank(len(state["clock"]))).value
            for state in self.moved[goal]
        )
        return float((after - before).square().mean() / (2 * before.var()).clamp(min=1e-12))

    def _costs(self, agent: Agent, intact: Tensor) -> dict[str, float]:
        """Goal -> what erasing its marks costs of the probability to go there, beyond random directions."""
        rng = torch.Generator().manual_seed(0)
        observation = self.environment.observe(self.fitted)
        span = Whitened.of(activations(agent, observation, agent.blank(len(observation)), (agent.acting_point,))[
            agent.acting_point
        ])  # fmt: skip
        costs = {}
        for g, goal in enumerate(self.goals):
            eraser = span.erase(columns_of(self.environment, self.fitted, marks_of(self.environment, goal)))
            random = [span.random(eraser.rank, rng=rng) for _ in range(PLACEBOS)] if eraser.rank else [eraser]
            placebo = torch.stack([self._edited(agent, change)[g] for change in random]).mean()
            costs[goal] = float(placebo - self._edited(agent, eraser)[g])
        return costs

    def _edited(self, agent: Agent, change: Intervention) -> Tensor:
        observation = self.environment.observe(self.shown)
        edits = {agent.acting_point: change}
        return self._towards(look(agent, observation, agent.blank(len(observation)), edits).logits)

    def climbed(self, agent: Agent) -> float:
        """Part of imagined walks up the critic that come next to the intended goal, of those that come next to one.

        NaN when none does.
        """
        state, actions = self.shown, len(self.environment.actions)
        hits, decided = 0, 0
        for _ in range(STEPS):
            every, action = _branches(state, actions)
            after = self.environment.transition(every, action)
            value = look(agent, self.environment.observe(after), agent.blank(len(action))).value
            best = value.view(-1, actions).argmax(1) + actions * torch.arange(len(value) // actions)
            state = rows(after, best)
            near = _away(self.environment, self.goals, state) <= 1
            alone = near.sum(1) == 1
            hits, decided = hits + int(near[alone, 0].sum()), decided + int(alone.sum())
            state = rows(state, ~near.any(1))
            if not len(state["clock"]):
                break
        return hits / decided if decided else float("nan")


def apart_in_training(environment: Environment, goals: tuple[str, ...], *, levels: int = 200, seed: int = 0) -> float:
    """Part of the states of random walks through training levels in which some goal is not as far as the others."""
    rng = torch.Generator().manual_seed(seed)
    state = environment.levels(levels, rng=rng, design=TRAIN)
    apart, states = 0, 0
    while len(state["clock"]):
        away = _away(environment, goals, state)
        apart, states = apart + int((away != away[:, :1]).any(1).sum()), states + len(away)
        outcome = environment.follow(state, torch.randint(0, len(environment.actions), (len(away),), generator=rng))
        state = rows(outcome.after, ~outcome.done)
    return apart / states


def _away(environment: Environment, goals: tuple[str, ...], state: State) -> Tensor:
    """Steps to every goal, int64 ``[n, G]``; -1 where there is no way."""
    distances = environment.distances(state)
    return torch.stack([distances[goal] for goal in goals], 1)


def _branches(state: State, actions: int) -> tuple[State, Tensor]:
    """Every state once for every action, and the actions."""
    n = len(state["clock"])
    return rows(state, torch.arange(n).repeat_interleave(actions)), torch.arange(actions).repeat(n)


def _parted(environment: Environment, goals: tuple[str, ...], state: State) -> Tensor:
    """Where all goals are seen, two steps away or more, and some action leads nearer to one alone, bool ``[n]``."""
    facts, away = environment.facts(state), _away(environment, goals, state)
    places = [mark for goal in goals for mark in marks_of(environment, goal) if mark in environment.places]
    parted = (away >= 2).all(1)
    for place in places:
        parted &= facts[place] >= 0
    return parted & (_nearer(environment, goals, state).float().std(1).sum(1) > 0)


def _nearer(environment: Environment, goals: tuple[str, ...], state: State) -> Tensor:
    """Whether each action leads nearer to each goal, bool ``[n, G, A]``."""
    actions = len(environment.actions)
    every, action = _branches(state, actions)
    after = _away(environment, goals, environment.transition(every, action)).view(-1, actions, len(goals))
    return (after < _away(environment, goals, state)[:, None]).transpose(1, 2)
