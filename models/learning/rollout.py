"""Rollouts: S seeds act in N copies each of one environment, and their steering signals say what is rewarded.

All S x N copies step as one tensor, or seed by seed where seeds have environments of their own. Each seed draws levels,
actions and the errors of its signals from streams of its own, derived from its number alone, so that seed k of two
setups meets the same levels whichever seeds train beside it.

Signals are computed once per rollout on senses ``[N, T]``. Body states (hunger) are among the senses, by their names,
as they were before each step. Innate adjustable variables of the signals (set points) are kept per copy and carry over
from one episode to the next. When a signal reads ``surprise``, it is computed beside the agent
(:mod:`imprint.models.learning.novelty`), of the observation that each step led to, the last of an episode included.

A scorecard reads the memories with which the agents acted, without a gradient; its readings are senses of the same
step. After a rollout its columns are taught by the signals, in as many updates as the policy learns in, each on the
rollouts of some copies.

Letters: S seeds, N copies, T steps, C channels, H and W cells, A actions, M memory width, G goals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from imprint.models.chance import generator, stream_key, uniform
from imprint.models.environments.base import Environment, Outcome
from imprint.models.learning.novelty import SENSE, Novelty, reads_surprise
from imprint.models.learning.policy_gradient import Learning, Rollout, Stack, sample
from imprint.models.learning.scorecard import Scorecard
from imprint.models.learning.side_by_side import SideBySide
from imprint.models.states import State, joined, replaced, rows
from imprint.models.steering.base import Body, Senses, Signal, steer
from imprint.models.store import part_of, with_prefix

ARRIVED = "observation arrived at"


class Levels:
    """One seed's endless stream of fresh levels, drawn ``stock`` at a time."""

    def __init__(self, environment: Environment, seed: int, stock: int) -> None:
        self.environment, self.stock, self.rng = environment, stock, generator("experience", seed)
        self.rng_state, self.used = self.rng.get_state(), 0
        self._drawn: State | None = None

    def take(self, n: int) -> State:
        """The next ``n`` levels."""
        parts = []
        while n:
            if self._drawn is None:
                self.rng.set_state(self.rng_state)
                self._drawn = self.environment.levels(self.stock, rng=self.rng)
            count = min(n, self.stock - self.used)
            parts.append(rows(self._drawn, slice(self.used, self.used + count)))
            self.used, n = self.used + count, n - count
            if self.used == self.stock:
                self.rng_state, self.used, self._drawn = self.rng.get_state(), 0, None
        return joined(parts)

    def state(self) -> dict[str, Tensor]:
        """The generator before the last draw, and how many levels of that draw were used."""
        return {"dawn": self.rng_state.clone(), "used": torch.tensor(self.used)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        self.rng_state, self.used, self._drawn = state["dawn"], int(state["used"]), None


@dataclass(frozen=True)
class Tally:
    """Episodes that ended in a rollout, sums per seed."""

    episodes: Tensor
    """``[S]``."""
    reward: Tensor
    """``[S]``: sum of their rewards, before any shuffling."""
    attained: Tensor
    """``[S, G]``: in how many of them each goal was attained."""


class Play:
    """The environments of S seeds, and everything about them that a checkpoint has to keep."""

    _KEPT = ("memory", "acting", "shuffling", "paid", "attained")

    def __init__(
        self,
        environment: Environment | Sequence[Environment],
        learning: Learning,
        signals: Sequence[Signal],
        seeds: Sequence[int],
        *,
        memory: int,
        scorecard: Scorecard | None = None,
    ) -> None:
        """``environment``, that of all seeds or one for each, is used for its functions only; ``memory`` is M.

        ``scorecard``: columns that read the memory.
        """
        self.learning, self.signals, self.seeds, n = learning, tuple(signals), tuple(seeds), learning.copies
        own = [environment] * len(self.seeds) if isinstance(environment, Environment) else environment
        self.environments = SideBySide(own)
        self.levels = [Levels(each, seed, n) for each, seed in zip(own, self.seeds, strict=True)]
        self.state = joined([levels.take(n) for levels in self.levels])
        self.memory = torch.zeros(len(seeds), n, memory)
        self.acting = torch.stack([stream_key("acting", seed) for seed in seeds])
        self.shuffling = torch.stack([stream_key("shuffling", seed) for seed in seeds])
        self.steering = [generator("steering", seed) for seed in seeds]
        self.innate: list[dict[str, Tensor]] = [{} for _ in seeds]
        self.scorecard, self.age = scorecard or Scorecard({}), 0
        """``age``: steps per seed so far, by which columns have their windows."""
        self.novelty: Novelty | None = None
        if reads_surprise(self.signals):
            rngs = [generator("novelty", seed) for seed in seeds]
            self.novelty = Novelty(math.prod(self.environments.first.view.shape), rngs=rngs)
        self.paid = torch.zeros(len(seeds), n)
        """Reward so far in the episode of every copy."""
        self.attained = torch.zeros(len(seeds), n, len(self.environments.first.goals), dtype=torch.bool)
        """Goals attained so far in the episode of every copy."""

    @torch.no_grad()
    def rollout(self, stack: Stack) -> tuple[Rollout, Tally]:
        """The next T steps of all copies, in which the agents of ``stack`` act."""
        seeds, n, steps = len(self.seeds), self.learning.copies, self.learning.steps
        chance, self.acting = uniform(self.acting, n * steps)
        memory, cut_off = self.memory, _CutOff()
        played: list[dict[str, Tensor]] = []
        senses: list[dict[str, Tensor]] = []
        memories: list[Tensor] = []
        for t, numbers in enumerate(chance.view(seeds, n, steps).unbind(2)):
            begins, observation = self.state["clock"] == 0, self.environments.observe(self.state)
            acted = stack.act(observation.unflatten(0, (seeds, n)), self.memory * ~begins.view(seeds, n, 1))
            action = sample(acted.logits, numbers).flatten()
            outcome = self.environments.follow(self.state, action)
            step = {"observation": observation, "begins": begins, "action": action}
            step |= {"logits": acted.logits.flatten(0, 1), "value": acted.value.flatten()}
            played.append(step | {"terminated": outcome.terminated, "truncated": outcome.truncated})
            senses.append(self._senses(outcome))
            cut_off.note(t, outcome, acted.memory.flatten(0, 1), self.environments)
            self.memory, self.state = acted.memory, self._replaced(outcome)
            if self.scorecard.columns:
                memories.append(acted.memory)
        whole = _over_time(played, seeds)
        sensed = _over_time(senses, seeds)
        latents = torch.stack(memories, 2) if memories else memory
        sensed |= self.scorecard.readings(latents)
        reward, tally = self._rewarded(sensed, whole["terminated"] | whole["truncated"], latents)
        self.age += n * steps
        last = self.environments.observe(self.state).unflatten(0, (seeds, n))
        begins = (self.state["clock"] == 0).view(seeds, n, 1)
        last_value = stack.act(last, self.memory * ~begins).value
        final_value = cut_off.values(stack, n, steps)
        return Rollout(**whole, memory=memory, reward=reward, final_value=final_value, last_value=last_value), tally

    def _senses(self, outcome: Outcome) -> dict[str, Tensor]:
        """Body states before a step and its senses; under ``ARRIVED``, where novelty needs it, what the step led to."""
        arrived = {} if self.novelty is None else {ARRIVED: self.environments.observe(outcome.after)}
        return {**self.environments.senses(outcome), **arrived}

    def _replaced(self, outcome: Outcome) -> State:
        """The state after a step, with fresh levels in place of the episodes that are over."""
        index = torch.nonzero(outcome.done).flatten()
        if not len(index):
            return outcome.after
        counts = outcome.done.view(len(self.seeds), -1).sum(1).tolist()
        fresh = joined([levels.take(count) for levels, count in zip(self.levels, counts, strict=True) if count])
        return replaced(outcome.after, index, fresh)

    def _rewarded(self, senses: dict[str, Tensor], done: Tensor, latents: Tensor) -> tuple[Tensor, Tally]:
        """Reward ``[S, N, T]`` by the steering signals, and the tally of the episodes that are over, ``done``.

        The scorecard learns from ``latents`` ``[S, N, T, M]``.
        """
        if self.novelty is not None:
            arrived = senses.pop(ARRIVED)
            flat = arrived.flatten(1, 2)
            senses[SENSE] = self.novelty.surprise(flat).view(arrived.shape[:3])
            self.novelty.learn(flat)
        each = []
        for s, rng in enumerate(self.steering):
            own = Senses({name: value[s] for name, value in senses.items()})
            signals, self.innate[s] = steer(self.signals, own, Body(self.innate[s]), rng)
            each.append(signals)
        reward = torch.stack([signals[self.learning.pay] for signals in each])
        if self.scorecard.columns:
            self._taught(latents, {name: torch.stack([signals[name] for signals in each]) for name in each[0]})
        tally = self._tally(reward, senses, done)
        return self._shuffled(reward) if self.learning.shuffled_pay else reward, tally

    def _taught(self, latents: Tensor, signals: Mapping[str, Tensor]) -> None:
        """Every column of the scorecard, in as many updates as the policy has."""
        every, parts = torch.ones(len(latents), dtype=torch.bool), self.learning.minibatches
        pieces = {name: signal.chunk(parts, dim=1) for name, signal in signals.items()}
        for _ in range(self.learning.epochs):
            for i, piece in enumerate(latents.chunk(parts, dim=1)):
                own = {name: signal[i] for name, signal in pieces.items()}
                self.scorecard.update(piece, own, every, self.age)

    def _shuffled(self, reward: Tensor) -> Tensor:
        chance, self.shuffling = uniform(self.shuffling, reward[0].numel())
        dealt = reward.flatten(1).gather(1, chance.argsort(dim=1)).view_as(reward)
        return dealt - dealt.mean((1, 2), keepdim=True)

    def _tally(self, reward: Tensor, senses: Mapping[str, Tensor], done: Tensor) -> Tally:
        goals = [senses[name] > 0.5 for name in self.environments.first.goals.values()]
        attained = torch.stack(goals, -1) if goals else reward.new_zeros(*reward.shape, 0).bool()
        total, reached = torch.zeros(len(reward)), torch.zeros(len(reward), len(goals))
        for t in range(reward.shape[-1]):
            self.paid = self.paid + reward[:, :, t]
            self.attained = self.attained | attained[:, :, t]
            over = done[:, :, t]
            total += (self.paid * over).sum(1)
            reached += (self.attained & over[..., None]).sum(1)
            self.paid = self.paid * ~over
            self.attained = self.attained & ~over[..., None]
        return Tally(done.sum((1, 2)).float(), total, reached)

    # -- keeping -------------------------------------------------------------------------------------------------

    def state_of(self, s: int) -> dict[str, Tensor]:
        """Everything the future of the ``s``-th seed's environments depends on, for a checkpoint."""
        own = slice(s * self.learning.copies, (s + 1) * self.learning.copies)
        return {
            **with_prefix("world.", {name: value.clone() for name, value in rows(self.state, own).items()}),
            **with_prefix("levels.", self.levels[s].state()),
            **with_prefix("innate.", {name: value.clone() for name, value in self.innate[s].items()}),
            **with_prefix("novelty.", self.novelty.state(s) if self.novelty is not None else {}),
            **with_prefix("scorecard.", self.scorecard.state(s)),
            **{name: getattr(self, name)[s].clone() for name in self._KEPT},
            "steering": self.steering[s].get_state(),
        }

    def load(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Put back what :meth:`state_of` gave, all seeds of the same age."""
        self.state = {name: torch.cat([state[f"world.{name}"] for state in states]) for name in self.state}
        for name in self._KEPT:
            setattr(self, name, torch.stack([state[name] for state in states]))
        if self.novelty is not None:
            self.novelty.load([part_of(state, "novelty.") for state in states])
        for s, state in enumerate(states):
            self.scorecard.load(s, part_of(state, "scorecard."))
            self.levels[s].load(part_of(state, "levels."))
            self.innate[s] = part_of(state, "innate.")
            self.steering[s].set_state(state["steering"])


def _over_time(steps: Sequence[Mapping[str, Tensor]], seeds: int) -> dict[str, Tensor]:
    """Steps of rows ``[S * N, ...]`` side by side, ``[S, N, T, ...]``."""
    return {name: torch.stack([step[name] for step in steps], 1).unflatten(0, (seeds, -1)) for name in steps[0]}


class _CutOff:
    """Final states of truncated episodes, valued in one pass after the rollout.

    Seeds differ in how many they have: each seed's are lined up and the rest is filled with blanks.
    """

    def __init__(self) -> None:
        self._noted: list[tuple[Tensor, Tensor, Tensor]] = []

    def note(self, t: int, outcome: Outcome, memory: Tensor, environments: SideBySide) -> None:
        """Remember the copies (of ``S * N``) that were cut off in step ``t``."""
        copy = torch.nonzero(outcome.truncated).flatten()
        if len(copy):
            place = torch.stack([copy, torch.full_like(copy, t)], 1)
            seeds = len(environments.each)
            counts = torch.bincount(copy // (len(outcome.truncated) // seeds), minlength=seeds).tolist()
            self._noted.append((place, environments.observe(rows(outcome.after, copy), counts), memory[copy]))

    def values(self, stack: Stack, n: int, steps: int) -> Tensor:
        """``[S, N, T]``: value of the final state where an episode was cut off, else 0."""
        seeds = len(stack.modules)
        values = torch.zeros(seeds, n, steps)
        if not self._noted:
            return values
        place, observation, memory = (torch.cat(parts) for parts in zip(*self._noted, strict=True))
        order = (place[:, 0] // n).argsort(stable=True)
        place, observation, memory = place[order], observation[order], memory[order]
        seed, copy, t = place[:, 0] // n, place[:, 0] % n, place[:, 1]
        counts = torch.bincount(seed, minlength=seeds)
        rank = torch.arange(len(seed)) - (counts.cumsum(0) - counts)[seed]
        lined_up = [pad_sequence(part.split(counts.tolist()), batch_first=True) for part in (observation, memory)]
        values[seed, copy, t] = stack.act(*lined_up).value[seed, rank]
        return values
