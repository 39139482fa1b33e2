"""Policy gradients over stacked seeds: proximal policy optimisation and advantage actor-critic.

S agents of one architecture are one batched program (:class:`Stack`); advantages, their normalisation and the clipping
of gradients are computed seed by seed, so that no seed depends on another. For a rollout of T steps and critic V:

    delta_t = r_t + gamma V(s_{t+1}) - V(s_t)        A_t = sum_k (gamma lambda)^k delta_{t+k}     (to the episode's end)
    PPO     L = -mean min(rho A, clip(rho, 1 - c, 1 + c) A),   rho = pi(a | s) / pi_old(a | s)    A normalised
    A2C     L = -mean log pi(a | s) A
    both    + value_weight mean (V - (A + V_old))^2 - entropy mean H(pi)

V(s_{t+1}) is 0 where the episode terminated, and the value of its final state where it was cut off (partial-episode
bootstrapping). Sources: PPO, Schulman et al. 2017 (arXiv 1707.06347), eq. 7 and 9; generalised advantage estimation,
Schulman et al. 2016 (arXiv 1506.02438), eq. 16; A2C, Mnih et al. 2016 (arXiv 1602.01783), section 4; cut-off episodes,
Pardo et al. 2018 (arXiv 1712.00378).

Deviations: (1) a minibatch holds the whole rollouts of some copies, the same in every pass, since copies are
exchangeable; (2) A2C learns with Adam; (3) the value loss is not clipped. Backpropagation through time is truncated at
the rollout's first step.

Letters: S seeds, N copies, T steps, A actions, M memory width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.agents.base import Acted, Agent
from imprint.models.learning.stacked import Stacked
from imprint.models.settings import FrozenSettings


class Learning(FrozenSettings):
    """How agents learn from reward."""

    algorithm: Literal["ppo", "a2c"] = "ppo"
    """Proximal policy optimisation, or advantage actor-critic, which learns once from each rollout."""
    pay: str
    """The steering signal that is the reward."""
    shuffled_pay: bool = False
    """Random reward: each seed's rewards of a rollout are permuted among its steps, and their mean is subtracted.

    The control of an agent whose rewards have nothing to do with what it does. The mean is subtracted because a
    constant reward would teach agents to avoid whatever ends an episode.
    """
    copies: int = Field(1024, ge=1, le=10_000_000)
    """N, copies of the environment per seed."""
    steps: int = Field(16, ge=1, le=10_000_000)
    """T, steps of every copy between two updates."""
    epochs: int = Field(2, ge=1, le=10_000_000)
    """Passes over a rollout (PPO)."""
    minibatches: int = Field(8, ge=1, le=10_000_000)
    """Minibatches per pass, each with the rollouts of copies / minibatches copies (PPO)."""
    discount: float = Field(0.95, ge=0.0, le=1.0)
    """gamma, per step."""
    trace: float = Field(0.95, ge=0.0, le=1.0)
    """lambda of generalised advantage estimation."""
    learning_rate: float = Field(1e-3, gt=0.0, le=1e6)
    """Learning rate of Adam at the start."""
    decay: bool = True
    """Whether the learning rate falls linearly to zero at the end of the lifetime."""
    clip: float | None = Field(None, gt=0.0, le=1e6)
    """c, how far the ratio of policies may move from 1 (PPO); None: 0.2."""
    entropy: float = Field(0.01, ge=0.0, le=1e6)
    """Weight of the policy's entropy."""
    value_weight: float = Field(0.5, ge=0.0, le=1e6)
    """Weight of the critic's squared error."""
    longest_gradient: float = Field(0.5, gt=0.0, le=1e6)
    """Largest norm of a seed's gradient; longer ones are scaled down to it."""

    @model_validator(mode="before")
    @classmethod
    def _of_algorithm(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.get("algorithm", "ppo") == "ppo":
            return {**data, "clip": 0.2 if data.get("clip") is None else data["clip"]}
        return {"epochs": 1, "minibatches": 1, **data}

    @model_validator(mode="after")
    def _consistent(self) -> Learning:
        if self.algorithm == "a2c" and (self.epochs, self.minibatches, self.clip) != (1, 1, None):
            raise ValueError("a2c learns once from each rollout: epochs, minibatches and clip are settings of ppo")
        if self.copies % self.minibatches:
            raise ValueError(f"{self.minibatches} minibatches do not divide {self.copies} copies")
        return self

    @property
    def batch(self) -> int:
        """Environment steps per seed between two updates."""
        return self.copies * self.steps


class Stack(Stacked):
    """S agents of one architecture as one."""

    def __init__(self, agents: Sequence[Agent], **adam: Any) -> None:
        super().__init__(agents, keys=("parameter.{}", "optimiser.{}/{}"), **adam)
        self.memory = agents[0].memory

    def act(self, observation: Tensor, memory: Tensor) -> Acted:
        """Each seed on its own rows: ``[S, n, C, H, W]`` and ``[S, n, M]``; everything returned leads with S."""
        return Acted(*self.call(observation, memory))

    def blank(self, n: int) -> Tensor:
        """Memories at the start of episodes, zeros ``[S, n, M]``."""
        return torch.zeros(len(self.modules), n, self.memory)


# With few actions and many rows, sums over actions are several times as fast along the first axis as along the last.


def sample(logits: Tensor, chance: Tensor) -> Tensor:
    """Actions int64 ``[...]`` from logits ``[..., A]`` and uniform numbers ``[...]``."""
    cumulative = logits.movedim(-1, 0).contiguous().softmax(0).cumsum(0)[:-1]
    return (chance >= cumulative).sum(0)


def log_probability(logits: Tensor, action: Tensor) -> Tensor:
    """Log-probabilities of actions ``[...]`` under logits ``[..., A]``."""
    return logits.movedim(-1, 0).contiguous().log_softmax(0).gather(0, action[None]).squeeze(0)


@dataclass(frozen=True)
class Rollout:
    """T steps of N copies of S seeds."""

    observation: Tensor
    """float32 ``[S, N, T, C, H, W]``."""
    memory: Tensor
    """``[S, N, M]`` before the first step."""
    begins: Tensor
    """bool ``[S, N, T]``: an episode begins with this step, so that the memory is zero."""
    action: Tensor
    """int64 ``[S, N, T]``."""
    logits: Tensor
    """``[S, N, T, A]`` of the policy that acted."""
    value: Tensor
    """``[S, N, T]`` by the critic at that time."""
    reward: Tensor
    """``[S, N, T]``."""
    terminated: Tensor
    """bool ``[S, N, T]``."""
    truncated: Tensor
    """bool ``[S, N, T]``."""
    final_value: Tensor
    """``[S, N, T]``: value of an episode's final state where it was truncated, else 0."""
    last_value: Tensor
    """``[S, N]``: value of the state after the last step."""


def advantages(rollout: Rollout, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates ``[S, N, T]``."""
    following = torch.cat([rollout.value[..., 1:], rollout.last_value[..., None]], -1)
    done = rollout.terminated | rollout.truncated
    delta = rollout.reward + discount * torch.where(done, rollout.final_value, following) - rollout.value
    carry = discount * trace * (~done).to(delta.dtype)
    estimate, estimates = torch.zeros_like(delta[..., 0]), []
    for t in reversed(range(delta.shape[-1])):
        estimate = delta[..., t] + carry[..., t] * estimate
        estimates.append(estimate)
    return torch.stack(estimates[::-1], -1)


def clip_gradients(gradients: Sequence[Tensor], longest: float) -> Tensor:
    """Scale gradients ``[S, ...]`` in place so that no seed's norm exceeds ``longest``; norms before, ``[S]``."""
    parts = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
    length: Tensor = torch.linalg.vector_norm(parts, dim=0)
    scale = (longest / (length + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scale.reshape(-1, *(1,) * (gradient.ndim - 1)))
    return length


@dataclass(frozen=True)
class Lesson:
    """Measures of one update, means over its minibatches."""

    loss: Tensor
    """``[S]``."""
    entropy: Tensor
    """``[S]``: entropy of the policy in nats."""
    divergence: Tensor
    """``[S]``: Kullback-Leibler divergence from the policy that acted, estimated as mean(rho - 1 - log rho)."""


@dataclass(frozen=True)
class _Minibatch:
    """Whole rollouts of some copies, ``[S, N / minibatches, ...]``."""

    observation: Tensor
    memory: Tensor
    begins: Tensor
    action: Tensor
    log_probability: Tensor
    """Of the actions, under the policy that acted."""
    advantage: Tensor
    target: Tensor
    """Return that the critic is taught."""


class PolicyGradient:
    """A stack of agents and how it learns from rollouts."""

    def __init__(self, learning: Learning, agents: Sequence[Agent]) -> None:
        self.learning, self.stack = learning, Stack(agents, lr=learning.learning_rate, eps=1e-5)

    def learn(self, rollout: Rollout, *, left: float = 1.0) -> Lesson:
        """One update; the learning rate, where it decays, is ``left`` of the initial one, 0 to 1."""
        learning = self.learning
        self.stack.set_learning_rate(learning.learning_rate * (left if learning.decay else 1.0))
        advantage = advantages(rollout, learning.discount, learning.trace)
        before = log_probability(rollout.logits, rollout.action)
        whole = (rollout.observation, rollout.memory, rollout.begins, rollout.action, before, advantage)
        pieces = [value.chunk(learning.minibatches, dim=1) for value in (*whole, advantage + rollout.value)]
        minibatches = [_Minibatch(*piece) for piece in zip(*pieces, strict=True)]
        measures = [self._step(minibatch) for _ in range(learning.epochs) for minibatch in minibatches]
        self.stack.strike_out(self.stack.finite(), moments=True)
        return Lesson(*torch.stack(measures).mean(0))

    def evaluate(self, observation: Tensor, memory: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``[S, n, T, A]`` and values ``[S, n, T]`` of a rollout by the agents as they are now."""
        seeds, n, steps = begins.shape
        if not self.stack.memory:
            acted = self.stack.act(observation.flatten(1, 2), memory.new_zeros(seeds, n * steps, 0))
            return acted.logits.unflatten(1, (n, steps)), acted.value.unflatten(1, (n, steps))
        logits, values = [], []
        for t in range(steps):
            acted = self.stack.act(observation[:, :, t], memory * ~begins[:, :, t, None])
            memory = acted.memory
            logits.append(acted.logits)
            values.append(acted.value)
        return torch.stack(logits, 2), torch.stack(values, 2)

    def _step(self, batch: _Minibatch) -> Tensor:
        """One step on a minibatch: loss, entropy and divergence, ``[3, S]``."""
        learning = self.learning
        logits, value = self.evaluate(batch.observation, batch.memory, batch.begins)
        logs = logits.movedim(-1, 0).contiguous().log_softmax(0)
        now = logs.gather(0, batch.action[None]).squeeze(0)
        ratio, advantage = (now - batch.log_probability).exp(), batch.advantage
        if learning.clip is not None:
            spread, mean = torch.std_mean(advantage, dim=(1, 2), keepdim=True)
            advantage = (advantage - mean) / (spread + 1e-8)
            clipped = ratio.clamp(1 - learning.clip, 1 + learning.clip) * advantage
            gain = torch.minimum(ratio * advantage, clipped)
        else:
            gain = now * advantage
        entropy = -(logs.exp() * logs).sum(0).mean((1, 2))
        error = (value - batch.target).square().mean((1, 2))
        loss = learning.value_weight * error - gain.mean((1, 2)) - learning.entropy * entropy
        self.stack.backward(loss)
        gradients = [leaf.grad for leaf in self.stack.parameters.values() if leaf.grad is not None]
        norm = clip_gradients(gradients, learning.longest_gradient)
        self.stack.strike_out(torch.isfinite(loss.detach()) & torch.isfinite(norm), parameters=False)
        self.stack.optimiser.step()
        divergence = (ratio - 1 - (now - batch.log_probability)).mean((1, 2))
        return torch.stack([loss, entropy, divergence]).detach()
