"""Benchmark of our PPO against Stable-Baselines3's with the same settings: steps per second and final return.

    python -m benchmarks.agents            about four CPU-minutes: whole lifetimes of three seeds
    python -m benchmarks.agents --quick    a small trial run

The sides take turns on one thread, a few updates at a time, and each is timed separately:

    ours          three seeds as one stack on the coin world; and one seed alone
    SB3           Stable-Baselines3's PPO on the same world through a thin ``VecEnv``, one seed after another
    SB3 MiniGrid  the same PPO on 16 copies of MiniGrid-Empty-8x8-v0 (``DummyVecEnv``)

All networks are 147-128-128 with two heads (MiniGrid's view of 7 x 7 x 3 has 147 numbers as well), rollouts of 16,384
steps, 8 minibatches, 2 epochs. The return on the coin world is the success rate on 4,000 new training levels with
sampled actions, measured in the same way for both; that on MiniGrid belongs to another task and only shows that SB3
learns. Part of the cost of Stable-Baselines3 at 1,024 copies is its interface, with NumPy arrays and a dictionary per
copy and step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import gymnasium
import numpy as np
import torch
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor, nn

from benchmarks.measure import PRODUCTS, Row, Time, arguments, at_least, at_most, in_words, shares, show, timed
from imprint.models.chance import birth
from imprint.models.environments.base import Environment
from imprint.models.learning.policy_gradient import PolicyGradient, sample
from imprint.models.learning.rollout import Play
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.load import load_setup

SEEDS = (0, 1, 2)
MINIGRID, COPIES = "MiniGrid-Empty-8x8-v0", 16
SAME = 0.02
"""Largest difference of two mean success rates that count as equal."""


class AsVecEnv(VecEnv):
    """One of our worlds as a vector environment of Stable-Baselines3."""

    def __init__(self, environment: Environment, seed: int) -> None:
        self.environment, self.seed_of_reset = environment, seed
        size = int(np.prod(environment.view.shape))
        box = gymnasium.spaces.Box(0.0, 1.0, (size,), np.float32)
        super().__init__(environment.num_envs, box, environment.single_action_space)

    def reset(self) -> np.ndarray:
        """Observations of new levels."""
        return self.environment.reset(seed=self.seed_of_reset)[0].reshape(self.num_envs, -1)

    def step_async(self, actions: np.ndarray) -> None:
        """Store the actions for :meth:`step_wait`."""
        self.actions = torch.from_numpy(actions)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One step of every copy; those that ended get a dictionary, all others share an empty one."""
        world = self.environment
        outcome = world.advance(self.actions)
        reward = world.senses(outcome.before, outcome.action, outcome.after)[world.wages]
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        if bool(outcome.done.any()):
            final = world.observe(outcome.after).flatten(1).numpy()
            truncated = outcome.truncated.tolist()
            for i in torch.nonzero(outcome.done).flatten().tolist():
                infos[i] = {"terminal_observation": final[i], "TimeLimit.truncated": truncated[i]}
        return world.observe(world.state).flatten(1).numpy(), reward.numpy(), outcome.done.numpy(), infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of the world, repeated for every copy."""
        return [getattr(self.environment, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not offered."""
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Not offered."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """False for every copy."""
        return [False] * self.num_envs


class Trunk(BaseFeaturesExtractor):
    """The layers that policy and critic of our agents share."""

    def __init__(self, observation_space: gymnasium.Space[Any], widths: Sequence[int]) -> None:
        super().__init__(observation_space, widths[-1])
        sizes = [int(np.prod(observation_space.shape or ())), *widths]
        layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
        self.layers = nn.Sequential(nn.Flatten(), *layers)

    def forward(self, observations: Tensor) -> Tensor:
        """Shared features."""
        out: Tensor = self.layers(observations)
        return out


class Side(Protocol):
    """A training run that can be advanced by some rollouts."""

    def train(self, rollouts: int) -> None:
        """Train on ``rollouts`` more rollouts."""


class Ours:
    """Our PPO on several seeds as one stack."""

    def __init__(self, setup: AgentSetup, seeds: Sequence[int], rollouts: int) -> None:
        environment = setup.make_environment()
        self.agents = [setup.make_agent(environment.view, rng=birth(seed)) for seed in seeds]
        self.teacher = PolicyGradient(setup.learning, self.agents)
        self.play = Play(environment, setup.learning, setup.make_signals(), seeds, memory=0)
        self.done, self.rollouts = 0, rollouts

    def train(self, rollouts: int) -> None:
        """Collect rollouts and update."""
        for _ in range(rollouts):
            rollout, _ = self.play.rollout(self.teacher.stack)
            self.teacher.learn(rollout, left=1.0 - self.done / self.rollouts)
            self.done += 1

    def policy(self, seed: int) -> Callable[[Tensor], Tensor]:
        """The policy of one seed, from observations to logits."""
        agent = self.agents[seed]
        agent.load_state_dict(self.teacher.stack.member(seed))
        return lambda observation: agent(observation, agent.blank(len(observation))).logits


class Baselines:
    """Stable-Baselines3's PPO with the settings of ours."""

    def __init__(self, setup: AgentSetup, world: VecEnv, seed: int, rollouts: int) -> None:
        learning = setup.learning
        self.batch, total = learning.batch, learning.batch * rollouts

        def rate(_progress: float) -> float:
            before_update = self.model.num_timesteps - learning.batch if hasattr(self, "model") else 0
            return learning.learning_rate * (1 - max(before_update, 0) / total)

        network = {"features_extractor_class": Trunk, "net_arch": [], "activation_fn": nn.ReLU}
        network["features_extractor_kwargs"] = {"widths": setup.agent["widths"]}
        self.model = PPO(
            "MlpPolicy",
            world,
            seed=seed,
            device="cpu",
            n_steps=learning.batch // world.num_envs,
            batch_size=learning.batch // learning.minibatches,
            n_epochs=learning.epochs,
            gamma=learning.discount,
            gae_lambda=learning.trace,
            learning_rate=rate,
            clip_range=learning.clip or 0.2,
            ent_coef=learning.entropy,
            vf_coef=learning.value_weight,
            max_grad_norm=learning.longest_gradient,
            policy_kwargs=network,
        )

    def train(self, rollouts: int) -> None:
        """Collect rollouts and update."""
        self.model.learn(rollouts * self.batch, reset_num_timesteps=False)

    def policy(self, observation: Tensor) -> Tensor:
        """Logits of observations."""
        chances: Any = self.model.policy.get_distribution(observation.flatten(1)).distribution
        return cast("Tensor", chances.logits)


def minigrid() -> VecEnv:
    """Copies of MiniGrid with the image as observation."""
    return DummyVecEnv([lambda: ImgObsWrapper(gymnasium.make(MINIGRID)) for _ in range(COPIES)])


@torch.no_grad()
def success(policy: Callable[[Tensor], Tensor], setup: AgentSetup, levels: int = 4000) -> float:
    """Part of new training levels in which the policy reaches the coin."""
    world, rng = setup.make_environment(), torch.Generator().manual_seed(1)
    state = world.levels(levels, rng=rng)
    over = reached = torch.zeros(levels, dtype=torch.bool)
    while not bool(over.all()):
        outcome = world.follow(state, sample(policy(world.observe(state)), torch.rand(levels, generator=rng)))
        reached = reached | (outcome.terminated & ~over)
        over, state = over | outcome.done, outcome.after
    return float(reached.float().mean())


def return_in_minigrid(model: PPO, episodes: int) -> float:
    """Mean return of whole episodes with sampled actions."""
    world, returns = minigrid(), list[float]()
    observation: Any = world.reset()
    total = np.zeros(COPIES)
    while len(returns) < episodes:
        observation, reward, done, _ = world.step(model.predict(observation)[0])
        total += reward
        returns += total[done].tolist()
        total[done] = 0.0
    return float(np.mean(returns))


def take_turns(sides: dict[str, tuple[Side, int]], turns: int) -> dict[str, Time]:
    """Train every side for its number of rollouts, divided into ``turns`` turns; the time that each side took."""
    spent = {name: Time(0.0, 0.0) for name in sides}
    for turn in range(turns):
        for name, (side, rollouts) in sides.items():
            share = rollouts * (turn + 1) // turns - rollouts * turn // turns
            _, time = timed(lambda side=side, share=share: side.train(share))  # type: ignore[misc]
            spent[name] = Time(spent[name].cpu + time.cpu, spent[name].wall + time.wall)
    return spent


def rates(spent: dict[str, Time], names: Sequence[str], steps: int) -> tuple[float, float]:
    """Steps per CPU second and per wall second, over several sides together."""
    return steps / sum(spent[n].cpu for n in names), steps / sum(spent[n].wall for n in names)


def main() -> None:
    """Train all sides in turns, and print speeds and returns."""
    options = arguments(__doc__ or "")
    torch.set_num_threads(1)
    setup = load_setup("coin", expect=AgentSetup)
    batch, rollouts = setup.learning.batch, 2 if options.quick else setup.planned[-1] // setup.learning.batch
    grid_rollouts = 1 if options.quick else 4
    stacked, alone = Ours(setup, SEEDS, rollouts), Ours(setup, SEEDS[:1], rollouts)
    sb3 = [Baselines(setup, AsVecEnv(setup.make_environment(copies=1024), s), s, rollouts) for s in SEEDS]
    grid = [Baselines(setup, minigrid(), s, grid_rollouts) for s in SEEDS]
    sides: dict[str, tuple[Side, int]] = {"stacked": (stacked, rollouts), "alone": (alone, rollouts)}
    sides |= {f"sb3 {s}": (side, rollouts) for s, side in zip(SEEDS, sb3, strict=True)}
    sides |= {f"minigrid {s}": (side, grid_rollouts) for s, side in zip(SEEDS, grid, strict=True)}
    spent = take_turns(sides, 1 if options.quick else 4)
    speeds = {
        "ours, three seeds as one stack": rates(spent, ["stacked"], 3 * rollouts * batch),
        "ours, one seed alone": rates(spent, ["alone"], rollouts * batch),
        "SB3 on our world": rates(spent, [f"sb3 {s}" for s in SEEDS], 3 * rollouts * batch),
        "SB3 on MiniGrid": rates(spent, [f"minigrid {s}" for s in SEEDS], 3 * grid_rollouts * batch),
    }
    ours, single, on_world, on_grid = speeds.values()
    fresh = Ours(setup, SEEDS, rollouts=8)
    fresh.train(1)
    kinds = shares(lambda: fresh.train(1), 2)
    most = ours[0] / kinds[PRODUCTS] / on_world[0]
    own_success = [success(stacked.policy(s), setup) for s in SEEDS]
    sb3_success = [success(side.policy, setup) for side in sb3]
    returns = [return_in_minigrid(side.model, 16 if options.quick else 200) for side in grid]
    gap = abs(float(np.mean(own_success)) - float(np.mean(sb3_success)))
    other_task = f"{grid_rollouts} rollouts of another task; "
    show(
        f"PPO, 147-128-128, rollouts of {batch:,} steps, {rollouts} rollouts a seed",
        [
            *(Row(name, cpu, "steps/CPU-s", note=f"{wall:,.0f} steps/s") for name, (cpu, wall) in speeds.items()),
            at_least(1.5, "ours / SB3 on our world, CPU", ours[0] / on_world[0], "x"),
            Row("ours / SB3 on our world, wall", ours[1] / on_world[1], "x"),
            Row("one seed alone / SB3 on our world, CPU", single[0] / on_world[0], "x"),
            at_least(20, "ours / SB3 on MiniGrid, CPU", ours[0] / on_grid[0], "x"),
            Row("ours / SB3 on MiniGrid, wall", ours[1] / on_grid[1], "x"),
            Row(f"{PRODUCTS} of ours", kinds[PRODUCTS], "of it", note=in_words(kinds)),
            Row("ours / SB3 on our world, were ours nothing but these", most, "x"),
            Row("success, ours", float(np.mean(own_success)), "", note=listed(own_success)),
            Row("success, SB3", float(np.mean(sb3_success)), "", note=listed(sb3_success)),
            at_most(SAME, "difference of mean success", gap, ""),
            Row("return, SB3 on MiniGrid", float(np.mean(returns)), "", note=other_task + listed(returns)),
        ],
        as_json=options.json,
    )


def listed(of_seeds: Sequence[float]) -> str:
    """The number of each seed as text."""
    return f"seeds {', '.join(map(str, SEEDS))}: {', '.join(f'{number:.3f}' for number in of_seeds)}"


if __name__ == "__main__":
    main()
