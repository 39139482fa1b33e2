"""An agent trained by Stable-Baselines3 on MiniGrid, neither of them changed: what does its critic know and use?

    python examples/sb3_agent.py             about two minutes on one core
    python examples/sb3_agent.py --quick     a trial of seconds; its verdicts mean nothing

PPO learns DoorKey (fetch the key, open the door, reach the goal) from the one-hot view. Only the weights of the saved
agent are loaded. It is examined at the hidden layers of its critic, beside untrained policies.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

import gymnasium
import minigrid  # noqa: F401 (registers the environments)
import numpy as np
import pandas as pd
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import imprint
from imprint.probes.interventions.erase import Whitened
from imprint.probes.subjects import stable_baselines as policies

TASK = "MiniGrid-DoorKey-6x6-v0"
PPO_SETTINGS = {"n_steps": 128, "batch_size": 256, "n_epochs": 8, "learning_rate": 1e-3, "ent_coef": 0.02}
NETWORK = {"net_arch": {"pi": [64, 64], "vf": [64, 32]}}
SITES = ["mlp_extractor.value_net.1", "mlp_extractor.value_net.3"]
CODES = (11, 6, 3)  # kinds, colours and states of a cell
TWINS, PLACEBOS = 5, 20


class OneHot(gymnasium.ObservationWrapper):
    """The agent's view, 7 x 7 cells, as ones and zeros."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(0, 1, (49 * sum(CODES),), np.uint8)

    def observation(self, observation: dict[str, Any]) -> np.ndarray:
        """``[980]``."""
        planes = [np.eye(size, dtype=np.uint8)[observation["image"][..., i]] for i, size in enumerate(CODES)]
        return np.concatenate(planes, axis=-1).ravel()


def task() -> gymnasium.Env:
    """The task with one-hot observations."""
    return OneHot(gymnasium.make(TASK))


@cache
def steps_to_goal(size: int, things: tuple[tuple[str, int, int], ...], start: tuple[int, int, int, bool, bool]) -> int:
    """Fewest actions to the goal from (x, y, heading, key in hand, door open), by breadth-first search."""
    at = {(x, y): kind for kind, x, y in things}
    queue, seen = deque([(start, 0)]), {start}
    while queue:
        (x, y, heading, has_key, is_open), steps = queue.popleft()
        if at.get((x, y)) == "goal":
            return steps
        front = (x + (1, 0, -1, 0)[heading], y + (0, 1, 0, -1)[heading])
        ahead = at.get(front)
        after = [(x, y, (heading + turn) % 4, has_key, is_open) for turn in (1, 3)]
        if ahead in (None, "goal") or (ahead == "door" and is_open) or (ahead == "key" and has_key):
            after.append((*front, heading, has_key, is_open))
        elif ahead == "key" or (ahead == "door" and has_key):
            after.append((x, y, heading, True, is_open or ahead == "door"))
        queue.extend((state, steps + 1) for state in after if state not in seen)
        seen.update(after)
    raise ValueError("the goal cannot be reached")


def concepts_of(world: Any) -> dict[str, Any]:
    """What is true of the environment right now, whether or not the agent can see it."""
    n = world.width
    cells = {(x, y): world.grid.get(x, y) for x in range(n) for y in range(n)}
    things = tuple((cell.type, x, y) for (x, y), cell in cells.items() if cell is not None)
    door = next(cell for cell in cells.values() if cell is not None and cell.type == "door")
    has_key = world.carrying is not None or bool(door.is_open)
    start = (*map(int, world.agent_pos), int(world.agent_dir), has_key, bool(door.is_open))
    to_goal = np.array([n - 2, n - 2]) - world.agent_pos
    ahead = cells[tuple(map(int, world.front_pos))]
    return {
        "steps to goal": float(steps_to_goal(n, things, start)),
        "goal to the left": bool(to_goal @ world.right_vec < 0),
        "facing wall": ahead is not None and ahead.type == "wall",
        "carrying key": world.carrying is not None,
    }


def collect(policy: Any, episodes: int, rng: np.random.Generator) -> tuple[torch.Tensor, pd.DataFrame, np.ndarray]:
    """Views, concepts and episode numbers; one action in ten is random, the policy chooses the others.

    Every view is kept once: if it came again in another episode, a probe would be tested on what it was fitted on.
    """
    env, views, concepts, episode = task(), {}, [], []
    for number in range(episodes):
        observation, _ = env.reset(seed=1_000_000 + number)
        over, steps = False, 0
        while not over and steps < 60:
            if observation.tobytes() not in views:
                views[observation.tobytes()] = observation
                concepts.append(concepts_of(env.unwrapped))
                episode.append(number)
            chosen = int(policy.predict(observation, deterministic=False)[0])
            action = int(rng.integers(7)) if rng.random() < 0.1 else chosen
            observation, _, reached, late, _ = env.step(action)
            over, steps = reached or late, steps + 1
    return torch.from_numpy(np.stack(list(views.values()))).float(), pd.DataFrame(concepts), np.array(episode)


def erasures(subject: imprint.Subject, x: torch.Tensor, concepts: pd.DataFrame, episode: np.ndarray) -> pd.DataFrame:
    """How far the critic's value moves, in its own standard deviations, when a concept is erased at a site.

    Erasers are fitted on half of the episodes and tried on the other half, beside random directions.
    """
    rng = torch.Generator().manual_seed(0)
    fitted_on = torch.from_numpy(episode % 2 == 0)
    test = x[~fitted_on]
    before, rows = subject.values(test), []

    def moved(site: str, edit: Any) -> float:
        return float((subject.values(test, edits={site: edit}) - before).square().mean().sqrt() / before.std())

    for site, activations in subject.activations(x[fitted_on], SITES).items():
        span = Whitened.of(activations)
        placebo = sorted(moved(site, span.random(1, rng=rng)) for _ in range(PLACEBOS))
        for name in concepts:
            concept = torch.tensor(concepts[name].to_numpy(dtype=np.float64))[fitted_on, None]
            size = moved(site, span.erase(concept))
            random = {"random": np.mean(placebo), "random, at most": placebo[-1]}
            used = "yes" if size > placebo[-1] else "no more than random"
            rows.append({"site": site, "erased": name, "value moves": size, **random, "used": used})
    return pd.DataFrame(rows)


def show(title: str, table: pd.DataFrame, reading: str) -> None:
    """Print a table, and a line that reads it."""
    print(f"\n{title}\n{table.round(3).to_string(index=False)}\n-> {reading}")


def verdicts(table: pd.DataFrame) -> str:
    """The concepts found present, in one line."""
    learned = sorted(set(table.loc[table["verdict"].str.startswith("present"), "concept"]))
    return f"learned: {', '.join(learned)}" if learned else "nothing was learned that its floors do not give"


def main() -> None:
    """Train, save, load, locate, erase."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a trial of seconds; its verdicts mean nothing")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    environments = make_vec_env(task, 16, seed=0)
    agent = PPO("MlpPolicy", environments, policy_kwargs=NETWORK, seed=0, device="cpu", **PPO_SETTINGS)
    agent.learn(8_000 if quick else 160_000)
    won = np.mean([episode["r"] > 0 for episode in agent.ep_info_buffer]) if agent.ep_info_buffer else 0.0
    steps = f"trained by Stable-Baselines3 for {agent.num_timesteps} steps"
    print(f"{steps}: {won:.0%} of the last episodes reach the goal")

    rng = torch.Generator().manual_seed(0)
    spaces = (agent.observation_space, agent.action_space)
    with tempfile.TemporaryDirectory() as folder:
        agent.save(Path(folder) / "agent.zip")
        policy = policies.load(Path(folder) / "agent.zip", policies.fresh(*spaces, rng=rng, **NETWORK))
    x, concepts, episode = collect(policy, 60 if quick else 800, np.random.default_rng(0))
    print(f"{len(x)} different views from {len(set(episode))} episodes")

    subject = policies.critic(policy)
    twins = [policies.critic(policies.fresh(*spaces, rng=rng, **NETWORK)) for _ in range(TWINS + 1)]
    *others, judged = [twin.activations(x, SITES) for twin in twins]
    floors = {"untrained": {site: [twin[site] for twin in others] for site in SITES}, "inputs": x, "groups": episode}
    columns = ["concept", "site", "score", "null", "untrained", "inputs", "q_value", "verdict"]
    table = imprint.locate(subject.activations(x, SITES), concepts, **floors)
    show("The trained critic", table[columns], verdicts(table))
    twin = imprint.locate(judged, concepts, **floors)
    show("An untrained critic, judged by the same rule", twin[columns], verdicts(twin))
    effects = erasures(subject, x, concepts, episode)
    largest = effects.loc[effects["value moves"].idxmax()]
    show(
        "Erasing a concept from the critic",
        effects,
        f"the value moves most when {largest['erased']} is erased at {largest['site']}",
    )


if __name__ == "__main__":
    main()
