"""Rollouts: S seeds play N copies each of one interactive world, and their steering signals say what they are paid.

All S x N copies step as one tensor. Each seed draws levels, actions and the errors of its signals from streams of its
own, derived from its number alone, so that seed k of two setups lives in the same levels whoever plays beside it.

Signals are computed once per rollout on senses ``[N, T]``. Body states (hunger) are among the senses, by their names,
as they were before each step. Innate adjustable variables of the signals (set points) are kept per copy and go on
through its episodes: the body is the same. When a signal reads ``surprise``, it is computed beside the learner
(:mod:`imprint.models.learning.novelty`) of the observation that each step arrived at, the last of an episode included.

Letters: S seeds, N copies, T steps, C channels, H and W cells, A actions, M memory width, G goals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.chance import generator, stream_key, uniform
from imprint.models.environments.base import Environment, Outcome
from imprint.models.learning.novelty import SENSE, Novelty, reads_surprise
from imprint.models.learning.policy_gradient import Learning, Rollout, Stack, sample
from imprint.models.states import State, joined, rows
from imprint.models.steering.base import Body, Senses, Signal, steer
from imprint.models.store import part_of, with_prefix


class Levels:
    """One seed's endless stream of fresh levels, drawn ``stock`` at a time."""

    def __init__(self, environment: Environment, seed: int, stock: int) -> None:
        self.environment, self.stock, self.rng = environment, stock, generator("experience", seed)
        self.dawn, self.used = self.rng.get_state(), 0
        self._store: State | None = None

    def take(self, n: int) -> State:
        """The next ``n`` levels."""
        parts = []
        while n:
            if self._store is None:
                self.rng.set_state(self.dawn)
                self._store = self.environment.levels(self.stock, rng=self.rng)
            some = min(n, self.stock - self.used)
            parts.append(rows(self._store, slice(self.used, self.used + some)))
            self.used, n = self.used + some, n - some
            if self.used == self.stock:
                self.dawn, self.used, self._store = self.rng.get_state(), 0, None
        return joined(parts)

    def state(self) -> dict[str, Tensor]:
        """The generator before the levels in stock were drawn, and how many of them were taken."""
        return {"dawn": self.dawn.clone(), "used": torch.tensor(self.used)}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state` was taken."""
        self.dawn, self.used, self._store = state["dawn"], int(state["used"]), None


@dataclass(frozen=True)
class Tally:
    """Episodes that ended in a rollout, sums per seed."""

    episodes: Tensor
    """``[S]``."""
    pay: Tensor
    """``[S]``: what their steering signal paid together, before any shuffling."""
    attained: Tensor
    """``[S, G]``: in how many of them each goal was attained."""


class _Tape:
    """What a rollout fills in, step by step: rows ``[S * N, ...]`` into ``[S, N, T, ...]``."""

    def __init__(self, seeds: int, copies: int, steps: int) -> None:
        self._lead, self._steps = (seeds, copies), steps
        self.kept: dict[str, Tensor] = {}

    def put(self, t: int, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            if name not in self.kept:
                self.kept[name] = value.new_empty(*self._lead, self._steps, *value.shape[1:])
            self.kept[name][:, :, t] = value.unflatten(0, self._lead)


class Play:
    """The worlds of S seeds, and everything about them that a checkpoint has to keep."""

    def __init__(
        self, environment: Environment, learning: Learning, signals: Sequence[Signal], seeds: Sequence[int], memory: int
    ) -> None:
        """``environment`` is used for its functions alone; ``memory`` is M."""
        self.environment, self.learning, self.signals = environment, learning, tuple(signals)
        self.seeds, n = tuple(seeds), learning.copies
        self.levels = [Levels(environment, seed, n) for seed in seeds]
        self.state = joined([levels.take(n) for levels in self.levels])
        self.memory = torch.zeros(len(seeds), n, memory)
        self.acting = torch.stack([stream_key("acting", seed) for seed in seeds])
        self.shuffling = torch.stack([stream_key("shuffling", seed) for seed in seeds])
        self.steering = [generator("steering", seed) for seed in seeds]
        self.innate: list[dict[str, Tensor]] = [{} for _ in seeds]
        self.novelty = self._unfamiliar() if reads_surprise(self.signals) else None
        self.paid = torch.zeros(len(seeds), n)
        self.attained = torch.zeros(len(seeds), n, len(environment.goals), dtype=torch.bool)

    def _unfamiliar(self) -> Novelty:
        rngs = [generator("novelty", seed) for seed in self.seeds]
        return Novelty(math.prod(self.environment.view.shape), rngs=rngs)

    @torch.no_grad()
    def rollout(self, stack: Stack) -> tuple[Rollout, Tally]:
        """The next T steps of all copies."""
        seeds, n, steps = len(self.seeds), self.learning.copies, self.learning.steps
        tape, senses, seen = (_Tape(seeds, n, steps) for _ in range(3))
        chance, self.acting = uniform(self.acting, n * steps)
        chance, first, cut = chance.view(seeds, n, steps), self.memory, _CutOff()
        for t in range(steps):
            begins = self.state["clock"] == 0
            self.memory = self.memory * ~begins.view(seeds, n, 1)
            observation = self.environment.observe(self.state)
            acted = stack.act(observation.unflatten(0, (seeds, n)), self.memory)
            action = sample(acted.logits, chance[:, :, t]).flatten()
            outcome = self.environment.follow(self.state, action)
            felt = self.environment.senses(outcome.before, outcome.action, outcome.after)
            senses.put(t, {**self.environment.body(outcome.before), **felt})
            if self.novelty is not None:
                seen.put(t, {"arrived": self.environment.observe(outcome.after)})
            tape.put(t, {
                "observation": observation, "begins": begins, "action": action,
                "logits": acted.logits.flatten(0, 1), "value": acted.value.flatten(),
                "terminated": outcome.terminated, "truncated": outcome.truncated,
            })  # fmt: skip
            cut.note(t, outcome, acted.memory.flatten(0, 1), self.environment)
            self.memory, self.state = acted.memory, self._replaced(outcome)
        pay = self._pay({**senses.kept, **self._surprise(seen.kept)})
        tally = self._tally(pay, senses.kept, tape.kept["terminated"] | tape.kept["truncated"])
        last = self.environment.observe(self.state).unflatten(0, (seeds, n))
        begins = (self.state["clock"] == 0).view(seeds, n, 1)
        return Rollout(
            **tape.kept, memory=first, pay=self._shuffled(pay) if self.learning.shuffled_pay else pay,
            final_value=cut.values(stack, n, steps), last_value=stack.act(last, self.memory * ~begins).value,
        ), tally  # fmt: skip

    def _replaced(self, outcome: Outcome) -> State:
        index = torch.nonzero(outcome.done).flatten()
        if not len(index):
            return outcome.after
        counts = outcome.done.view(len(self.seeds), -1).sum(1).tolist()
        fresh = joined([levels.take(count) for levels, count in zip(self.levels, counts, strict=True) if count])
        return {name: value.index_copy(0, index, fresh[name]) for name, value in outcome.after.items()}

    def _surprise(self, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self.novelty is None:
            return {}
        arrived = seen["arrived"]
        flat = arrived.flatten(1, 2)
        surprise = self.novelty.surprise(flat).view(arrived.shape[:3])
        self.novelty.learn(flat)
        return {SENSE: surprise}

    def _pay(self, senses: Mapping[str, Tensor]) -> Tensor:
        pay = []
        for s, rng in enumerate(self.steering):
            own = Senses({name: value[s] for name, value in senses.items()})
            out, self.innate[s] = steer(self.signals, own, Body(self.innate[s]), rng)
            pay.append(out[self.learning.pay])
        return torch.stack(pay)

    def _shuffled(self, pay: Tensor) -> Tensor:
        chance, self.shuffling = uniform(self.shuffling, pay[0].numel())
        dealt = pay.flatten(1).gather(1, chance.argsort(dim=1)).view_as(pay)
        return dealt - dealt.mean((1, 2), keepdim=True)

    def _tally(self, pay: Tensor, senses: Mapping[str, Tensor], done: Tensor) -> Tally:
        goals = list(self.environment.goals.values())
        now = torch.stack([senses[name] > 0.5 for name in goals], -1) if goals else pay.new_zeros(*pay.shape, 0).bool()
        wages, reached = torch.zeros(len(pay)), torch.zeros(len(pay), len(goals))
        for t in range(pay.shape[-1]):
            self.paid = self.paid + pay[:, :, t]
            self.attained = self.attained | now[:, :, t]
            over = done[:, :, t]
            wages += (self.paid * over).sum(1)
            reached += (self.attained & over[..., None]).sum(1)
            self.paid = self.paid * ~over
            self.attained = self.attained & ~over[..., None]
        return Tally(done.sum((1, 2)).float(), wages, reached)

    # -- keeping -------------------------------------------------------------------------------------------------

    def state_of(self, s: int) -> dict[str, Tensor]:
        """Everything the future of the ``s``-th seed's worlds depends on, for a checkpoint."""
        own = slice(s * self.learning.copies, (s + 1) * self.learning.copies)
        return {
            **with_prefix("world.", {name: value.clone() for name, value in rows(self.state, own).items()}),
            **with_prefix("levels.", self.levels[s].state()),
            **with_prefix("innate.", {name: value.clone() for name, value in self.innate[s].items()}),
            **with_prefix("novelty.", self.novelty.state(s) if self.novelty is not None else {}),
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
            self.levels[s].load(part_of(state, "levels."))
            self.innate[s] = part_of(state, "innate.")
            self.steering[s].set_state(state["steering"])

    _KEPT = ("memory", "acting", "shuffling", "paid", "attained")


class _CutOff:
    """Final states of truncated episodes, valued in one pass after the rollout.

    How many there are differs from seed to seed: each seed's are lined up and the rest is filled with blanks.
    """

    def __init__(self) -> None:
        self._found: list[tuple[Tensor, Tensor, Tensor]] = []

    def note(self, t: int, outcome: Outcome, memory: Tensor, environment: Environment) -> None:
        """Remember the copies (of ``S * N``) that were cut off in step ``t``."""
        copy = torch.nonzero(outcome.truncated).flatten()
        if len(copy):
            place = torch.stack([copy, torch.full_like(copy, t)], 1)
            self._found.append((place, environment.observe(rows(outcome.after, copy)), memory[copy]))

    def values(self, stack: Stack, n: int, steps: int) -> Tensor:
        """``[S, N, T]``: value of the final state where an episode was cut off, else 0."""
        out = torch.zeros(len(stack.modules), n, steps)
        if not self._found:
            return out
        place, observation, memory = (torch.cat(parts) for parts in zip(*self._found, strict=True))
        order = (place[:, 0] // n).argsort(stable=True)
        place, observation, memory = place[order], observation[order], memory[order]
        seed, copy, t = place[:, 0] // n, place[:, 0] % n, place[:, 1]
        counts = torch.bincount(seed, minlength=len(stack.modules))
        rank = torch.arange(len(seed)) - (counts.cumsum(0) - counts)[seed]
        lined = observation.new_zeros(len(stack.modules), int(counts.max()), *observation.shape[1:])
        lined[seed, rank] = observation
        recalled = memory.new_zeros(len(stack.modules), int(counts.max()), memory.shape[1])
        recalled[seed, rank] = memory
        out[seed, copy, t] = stack.act(lined, recalled).value[seed, rank]
        return out
