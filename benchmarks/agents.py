"""Steps per second and final return of our PPO beside Stable-Baselines3's, same network, batch, epochs and settings.

    python -m benchmarks.agents            about four CPU-minutes: whole lifetimes of three seeds
    python -m benchmarks.agents --quick    a rehearsal

Three sides take turns on one thread, a few updates at a time, each on its own clock:

    ours          three seeds as one stack on the coin world; and one seed alone
    SB3           Stable-Baselines3's PPO on the same world through a thin ``VecEnv``, one seed after another
    SB3 MiniGrid  the same PPO on MiniGrid-Empty-8x8-v0, 16 copies in turn (``DummyVecEnv``)

All networks are 147-128-128 with two heads (MiniGrid's view of 7 x 7 x 3 happens to have 147 numbers too), rollouts of
16,384 steps, 8 minibatches, 2 epochs. Returns on the coin world are success on 4,000 fresh training levels, actions
sampled, one judge for both; those on MiniGrid are of another task and only show that it was learning. Part of what
Stable-Baselines3 costs at 1,024 copies is its interface: arrays of numpy and a dictionary per copy and step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor, nn

from benchmarks.measure import Row, Time, arguments, show, timed
from imprint.models.chance import birth
from imprint.models.environments.base import Environment
from imprint.models.learning.policy_gradient import PolicyGradient, sample
from imprint.models.learning.rollout import Play
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup

SEEDS = (0, 1, 2)
MINIGRID, COPIES = "MiniGrid-Empty-8x8-v0", 16
SAME = 0.02
"""How far apart two mean returns may be to count as the same."""


class AsVecEnv(VecEnv):
    """One of our worlds as Stable-Baselines3 wants it."""

    def __init__(self, environment: Environment, seed: int) -> None:
        self.environment, self.first = environment, seed
        size = int(np.prod(environment.view.shape))
        box = gymnasium.spaces.Box(0.0, 1.0, (size,), np.float32)
        super().__init__(environment.num_envs, box, environment.single_action_space)

    def reset(self) -> np.ndarray:
        """Fresh levels."""
        return self.environment.reset(seed=self.first)[0].reshape(self.num_envs, -1)

    def step_async(self, actions: np.ndarray) -> None:
        """Remember the actions."""
        self.actions = torch.from_numpy(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One step of every copy; copies that ended say how in their dictionary, the others share an empty one."""
        world = self.environment
        outcome = world.advance(self.actions)
        pay = world.senses(outcome.before, outcome.action, outcome.after)[world.wages]
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        if bool(outcome.done.any()):
            final = world.observe(outcome.after).flatten(1).numpy()
            cut = outcome.truncated.tolist()
            for i in torch.nonzero(outcome.done).flatten().tolist():
                infos[i] = {"terminal_observation": final[i], "TimeLimit.truncated": cut[i]}
        return world.observe(world.state).flatten(1).numpy(), pay.numpy(), outcome.done.numpy(), infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The world's attribute, once per copy."""
        return [getattr(self.environment, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not offered."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Not offered."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No copy is wrapped."""
        return [False] * self.num_envs


class Trunk(BaseFeaturesExtractor):
    """The layers that policy and critic share in ours."""

    def __init__(self, observation_space: gymnasium.Space[Any], widths: Sequence[int]) -> None:
        super().__init__(observation_space, widths[-1])
        sizes = [int(np.prod(observation_space.shape or ())), *widths]
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, observations: Tensor) -> Tensor:
        """Shared features."""
        out: Tensor = self.layers(observations)
        return out


class Side(Protocol):
    """Something that learns, so many rollouts at a time."""

    def go(self, rollouts: int) -> None:
        """Learn from ``rollouts`` more."""


class Ours:
    """Some seeds as one stack."""

    def __init__(self, setup: AgentSetup, seeds: Sequence[int], rollouts: int) -> None:
        environment = setup.make_environment()
        self.agents = [setup.make_agent(environment.view, rng=birth(seed)) for seed in seeds]
        self.teacher = PolicyGradient(setup.learning, self.agents)
        self.play = Play(environment, setup.learning, setup.make_signals(), seeds, memory=0)
        self.done, self.rollouts = 0, rollouts

    def go(self, rollouts: int) -> None:
        """Play and learn."""
        for _ in range(rollouts):
            rollout, _ = self.play.rollout(self.teacher.stack)
            self.teacher.learn(rollout, left=1.0 - self.done / self.rollouts)
            self.done += 1

    def policy(self, seed: int) -> Callable[[Tensor], Tensor]:
        """Logits of one seed."""
        agent = self.agents[seed]
        agent.load_state_dict(self.teacher.stack.member(seed))
        return lambda seen: agent(seen, agent.blank(len(seen))).logits


class Baselines:
    """Stable-Baselines3's PPO with the settings of ours."""

    def __init__(self, setup: AgentSetup, world: VecEnv, seed: int, rollouts: int) -> None:
        how = setup.learning
        self.batch, whole = how.batch, how.batch * rollouts
        self.model = PPO(
            "MlpPolicy", world, seed=seed, device="cpu", n_steps=how.batch // world.num_envs,
            batch_size=how.batch // how.minibatches, n_epochs=how.epochs, gamma=how.discount, gae_lambda=how.trace,
            learning_rate=lambda _: how.learning_rate * (1 - max(self.model.num_timesteps - how.batch, 0) / whole)
            if hasattr(self, "model") else how.learning_rate,
            clip_range=how.clip or 0.2, ent_coef=how.entropy, vf_coef=how.value_weight,
            max_grad_norm=how.longest_gradient,
            policy_kwargs={
                "features_extractor_class": Trunk, "net_arch": [], "activation_fn": nn.ReLU,
                "features_extractor_kwargs": {"widths": setup.agent["widths"]},
            },
        )  # fmt: skip

    def go(self, rollouts: int) -> None:
        """Play and learn."""
        self.model.learn(rollouts * self.batch, reset_num_timesteps=False)

    def policy(self, seen: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.model.policy.get_distribution(seen.flatten(1)).distribution.logits
        return logits


def minigrid() -> VecEnv:
    """MiniGrid's own view, as numbers."""
    return DummyVecEnv([lambda: ImgObsWrapper(gymnasium.make(MINIGRID)) for _ in range(COPIES)])


@torch.no_grad()
def success(policy: Callable[[Tensor], Tensor], setup: AgentSetup, levels: int = 4000) -> float:
    """Part of fresh training levels in which the coin is reached."""
    world, rng = setup.make_environment(), torch.Generator().manual_seed(1)
    state = world.levels(levels, rng=rng)
    over = reached = torch.zeros(levels, dtype=torch.bool)
    while not bool(over.all()):
        outcome = world.follow(state, sample(policy(world.observe(state)), torch.rand(levels, generator=rng)))
        reached = reached | (outcome.terminated & ~over)
        over, state = over | outcome.done, outcome.after
    return float(reached.float().mean())


def pay_in_minigrid(model: PPO, episodes: int) -> float:
    """Mean return of whole episodes, actions sampled."""
    world, paid = minigrid(), []
    seen, total = world.reset(), np.zeros(COPIES)
    while len(paid) < episodes:
        seen, reward, done, _ = world.step(model.predict(seen)[0])
        total += reward
        paid += total[done].tolist()
        total[done] = 0.0
    return float(np.mean(paid))


def take_turns(sides: dict[str, tuple[Side, int]], turns: int) -> dict[str, Time]:
    """Let every side learn from its number of rollouts, in ``turns`` turns; the time each took."""
    spent = {name: Time(0.0, 0.0) for name in sides}
    for turn in range(turns):
        for name, (side, rollouts) in sides.items():
            share = rollouts * (turn + 1) // turns - rollouts * turn // turns
            _, time = timed(lambda side=side, share=share: side.go(share))  # type: ignore[misc]
            spent[name] = Time(spent[name].cpu + time.cpu, spent[name].wall + time.wall)
    return spent


def rates(spent: dict[str, Time], names: Sequence[str], steps: int) -> tuple[float, float]:
    """Steps per CPU second and per second on the clock, over some sides together."""
    return steps / sum(spent[n].cpu for n in names), steps / sum(spent[n].wall for n in names)


def main() -> None:
    """Run and print."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    setup = load_setup("coin", expect=AgentSetup)
    batch, whole = setup.learning.batch, 2 if options.quick else setup.planned[-1] // setup.learning.batch
    few = 1 if options.quick else 4
    stacked, alone = Ours(setup, SEEDS, whole), Ours(setup, SEEDS[:1], whole)
    theirs = [Baselines(setup, AsVecEnv(setup.make_environment(copies=1024), s), s, whole) for s in SEEDS]
    slow = [Baselines(setup, minigrid(), s, few) for s in SEEDS]
    sides: dict[str, tuple[Side, int]] = {"stacked": (stacked, whole), "alone": (alone, whole)}
    sides |= {f"theirs {s}": (side, whole) for s, side in zip(SEEDS, theirs, strict=True)}
    sides |= {f"minigrid {s}": (side, few) for s, side in zip(SEEDS, slow, strict=True)}
    spent = take_turns(sides, 1 if options.quick else 4)
    own, single = rates(spent, ["stacked"], 3 * whole * batch), rates(spent, ["alone"], whole * batch)
    other = rates(spent, [f"theirs {s}" for s in SEEDS], 3 * whole * batch)
    grid = rates(spent, [f"minigrid {s}" for s in SEEDS], 3 * few * batch)
    ours = [success(stacked.policy(s), setup) for s in SEEDS]
    them = [success(side.policy, setup) for side in theirs]
    paid = [pay_in_minigrid(side.model, 16 if options.quick else 200) for side in slow]
    gap = abs(float(np.mean(ours)) - float(np.mean(them)))
    listed = "seeds " + ", ".join(map(str, SEEDS)) + ": "
    show(
        f"PPO, 147-128-128, rollouts of {batch:,} steps, {whole} rollouts a seed",
        [
            Row("ours, three seeds as one stack", own[0], "steps/CPU-s", note=f"{own[1]:,.0f} steps/s on the clock"),
            Row("ours, one seed alone", single[0], "steps/CPU-s", note=f"{single[1]:,.0f} steps/s on the clock"),
            Row("SB3 on our world", other[0], "steps/CPU-s", note=f"{other[1]:,.0f} steps/s on the clock"),
            Row("SB3 on MiniGrid", grid[0], "steps/CPU-s", note=f"{grid[1]:,.0f} steps/s on the clock"),
            Row("ours / SB3 on our world, CPU", own[0] / other[0], "x", "at least 1.5", own[0] / other[0] >= 1.5),
            Row("ours / SB3 on our world, clock", own[1] / other[1], "x"),
            Row("one seed alone / SB3 on our world, CPU", single[0] / other[0], "x"),
            Row("ours / SB3 on MiniGrid, CPU", own[0] / grid[0], "x", "at least 20", own[0] / grid[0] >= 20),
            Row("ours / SB3 on MiniGrid, clock", own[1] / grid[1], "x"),
            Row("success, ours", float(np.mean(ours)), "", note=listed + ", ".join(f"{x:.3f}" for x in ours)),
            Row("success, SB3", float(np.mean(them)), "", note=listed + ", ".join(f"{x:.3f}" for x in them)),
            Row("difference of mean success", gap, "", f"at most {SAME}", gap <= SAME),
            Row("return, SB3 on MiniGrid", float(np.mean(paid)), "",
                note=f"{few} rollouts of another task; " + listed + ", ".join(f"{x:.3f}" for x in paid)),
        ],
        as_json=options.json,
    )  # fmt: skip


if __name__ == "__main__":
    main()
