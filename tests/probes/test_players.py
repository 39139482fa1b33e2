"""Players act as the libraries' own loops do, step by step, and chance is the same whatever is edited."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from imprint.models.errors import ImprintError
from imprint.probes.players.base import Seen, Tap, stacked
from imprint.probes.players.choice import player_of
from imprint.probes.players.function import RandomPlayer
from imprint.probes.players.network import NetworkPlayer

sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

SMALL = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "device": "cpu", "seed": 0}
FLAT = spaces.Box(-np.inf, np.inf, (3,), np.float32)


class Drift(gymnasium.Env[Any, Any]):
    """Three numbers with a large mean, moved by the action; the third action is sometimes forbidden."""

    observation_space, action_space = FLAT, spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at, self.time = self.np_random.normal(100, 5, 3), 0
        return self.at.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at[int(action)] += 3
        self.time += 1
        return self.at.astype(np.float32), float(action), False, self.time >= 12, {}

    def action_masks(self) -> np.ndarray:
        return np.array([True, True, self.time % 2 == 0])


def wrapped(frames: int = 0) -> Any:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

    made = VecNormalize(DummyVecEnv([Drift] * 2))
    return VecFrameStack(made, frames) if frames else made


def learned(kind: Any, policy: str, env: Any, **more: Any) -> Any:
    agent = kind(policy, env, **{**SMALL, **more})
    agent.learn(128)
    return agent


AGENTS: dict[str, Callable[[], Any]] = {
    "normalised": lambda: learned(sb3.PPO, "MlpPolicy", wrapped()),
    "normalised, then stacked": lambda: learned(sb3.PPO, "MlpPolicy", wrapped(3)),
    "recurrent": lambda: learned(contrib.RecurrentPPO, "MlpLstmPolicy", wrapped()),
}


def seen(copies: list[Drift], observations: list[Any], time: int) -> Seen:
    return Seen(observations, time == 0, 7 + time)


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_acts_as_in_its_own_environment(name: str) -> None:
    agent = AGENTS[name]()
    chain = agent.get_env()
    chain.training = False
    inner = chain
    while hasattr(inner, "venv"):
        inner.training, inner = False, inner.venv
    inner.seed(5)
    shown, state, starts = chain.reset(), None, np.ones(2, dtype=bool)
    copies = [Drift(), Drift()]
    own = [copy.reset(seed=5 + i)[0] for i, copy in enumerate(copies)]
    player = player_of(agent, FLAT, Drift.action_space, stacked(own), greedy=True)
    player.begin(2)
    for time in range(11):
        with torch.no_grad():
            tensors, _ = agent.policy.obs_to_tensor(shown)
            if name != "recurrent":
                expected = agent.policy.predict_values(tensors)[:, 0].numpy()
                np.testing.assert_allclose(player.value(now := seen(copies, own, time)), expected, atol=1e-6)
            else:
                now = seen(copies, own, time)
        theirs, state = agent.predict(shown, state=state, episode_start=starts, deterministic=True)
        ours = player.act(now)
        np.testing.assert_array_equal(ours, theirs)
        shown, _, _, _ = chain.step(theirs)
        starts = np.zeros(2, dtype=bool)
        own = [copy.step(action)[0] for copy, action in zip(copies, ours, strict=True)]
    np.testing.assert_allclose(
        stacked(own), inner.envs and np.stack([env.unwrapped.at for env in inner.envs]), rtol=1e-5
    )


def test_masks_are_kept_and_chance_is_common_and_leaves_the_global_generators_alone() -> None:
    agent = learned(contrib.MaskablePPO, "MlpPolicy", Drift())
    player = player_of(agent, FLAT, Drift.action_space, np.zeros((2, 3), np.float32))
    rows = list(np.random.default_rng(0).normal(100, 5, (40, 3)).astype(np.float32))
    masks = np.tile([True, False, True], (40, 1))
    before, mode = (torch.random.get_rng_state(), np.random.get_state()[1].copy()), agent.policy.training  # noqa: NPY002
    player.begin(40)
    first = player.act(Seen(rows, True, 3, masks))
    player.begin(40)
    again = player.act(Seen(rows, True, 3, masks))
    np.testing.assert_array_equal(first, again)
    assert set(first) == {0, 2}
    player.begin(40)
    assert (player.act(Seen(rows, True, 4, masks)) != first).any()
    assert player.acting is not None
    player.begin(40)
    with player.edited({player.acting: lambda x: x + 0.0}):
        np.testing.assert_array_equal(player.act(Seen(rows, True, 3, masks)), first)
    with player.recorded([player.acting]) as found:
        player.act(Seen(rows, True, 3, masks))
    assert found[player.acting].shape == (40, 64)
    assert torch.equal(before[0], torch.random.get_rng_state()) and (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert agent.policy.training == mode


class Functional(nn.Module):
    """No module stands between the hidden layer's activation function and the logits."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.hidden, self.out, self.worth = nn.Linear(3, 16), nn.Linear(16, actions), nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.relu(self.hidden(x))
        return self.out(h), self.worth(h)


def test_a_module_is_edited_before_its_logits() -> None:
    rows = list(np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32))
    player = NetworkPlayer(Functional(3).eval(), spaces.Discrete(3), stacked(rows), greedy=False, site=None)
    assert player.acting == Tap("out", entering=True)
    assert player.has_value
    drawn = player.act(Seen(rows, True, 1))
    with player.edited({player.acting: torch.zeros_like}):
        blank = player.act(Seen(rows, True, 1))
    assert (drawn != blank).any()
    model = player.model
    assert model is not None
    with torch.no_grad():
        logits = model(torch.tensor(np.stack(rows)))[0]
    counts = np.stack([player.act(Seen(rows, True, noise)) for noise in range(400)])
    for action in range(3):  # drawn with the probabilities of the logits
        expected = logits.softmax(1)[:, action].numpy()
        assert np.abs((counts == action).mean(0) - expected).max() < 5 * 0.5 / 400**0.5
    greedy = NetworkPlayer(model, spaces.Discrete(3), stacked(rows), greedy=True, site=None)
    np.testing.assert_array_equal(greedy.act(Seen(rows, True, 1)), logits.argmax(1).numpy())


@pytest.mark.parametrize(
    "space, width",
    [(spaces.MultiDiscrete([2, 3]), 5), (spaces.MultiBinary(4), 4), (spaces.Box(-0.1, 0.1, (2,), np.float32), 2)],
)
def test_actions_fit_their_space(space: Any, width: int) -> None:
    rows = list(np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32))
    for player in (
        NetworkPlayer(Functional(width).eval(), space, stacked(rows), greedy=False, site=None),
        RandomPlayer(space),
    ):
        player.begin(9)
        assert all(space.contains(action) for action in player.act(Seen(rows, True, 0)))


def test_what_does_not_fit_is_said() -> None:
    sample = np.zeros((2, 3), np.float32)

    def make(policy: Any, space: Any = FLAT) -> Any:
        return player_of(policy, space, spaces.Discrete(3), sample)

    with pytest.raises(ImprintError, match=r"returned \[2, 5\] for 2 observations; expected \[2, 3\]"):
        make(Functional(5).eval())
    with pytest.raises(ImprintError, match="training mode"):
        make(nn.Sequential(nn.Dropout(), nn.Linear(3, 3)))
    with pytest.raises(ImprintError, match="raised RuntimeError for observations"):
        make(nn.Linear(7, 3))
    with pytest.raises(ImprintError, match="expected an agent of Stable-Baselines3"):
        make("PPO")
    with pytest.raises(ImprintError, match="gave the action 3"):
        make(lambda observation: 3).act(Seen(list(sample), True, 0))
    with pytest.raises(ImprintError, match="raised ZeroDivisionError"):
        make(lambda observation: 1 // 0).act(Seen(list(sample), True, 0))
    with pytest.raises(ImprintError, match="was trained on"):
        make(sb3.PPO("MlpPolicy", Drift(), **SMALL), spaces.Box(0, 1, (4,), np.float32))


class Remembering(nn.Module):
    """A recurrent policy: of rows as time steps, or of one step that hands its memory back."""

    def __init__(self, *, cell: bool) -> None:
        super().__init__()
        self.memory: nn.Module = nn.LSTMCell(3, 4) if cell else nn.LSTM(3, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        out, rest = self.memory(x)
        return (self.head(out), rest) if isinstance(self.memory, nn.LSTMCell) else self.head(out)


def test_a_module_whose_memory_would_be_lost_is_refused_or_said() -> None:
    torch.manual_seed(0)
    rows = np.ones((2, 3), np.float32)
    with pytest.raises(ImprintError, match=r"other logits for an observation alone.*a function with reset\(\)"):
        NetworkPlayer(Remembering(cell=False).eval(), spaces.Discrete(3), rows, greedy=True, site=None)
    player = NetworkPlayer(Remembering(cell=True).eval(), spaces.Discrete(3), rows, greedy=True, site=None)
    assert not player.has_value and any("not carried" in note for note in player.notes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (0.7, r"gave the action .*0\.7.*probabilities or scores choose one"),
        ("left", "gave the action"),
        (float("nan"), "gave the action"),
        ([1, [2, 3]], "returned list"),
        (None, "returned NoneType"),
    ],
)
def test_an_action_that_is_no_whole_number_is_refused(given: Any, said: str) -> None:
    player = player_of(lambda _: given, FLAT, spaces.Discrete(3), np.ones((2, 3), np.float32))
    player.begin(1)
    with pytest.raises(ImprintError, match=said):
        player.act(Seen([np.ones(3, np.float32)], True, 0))
    fine = player_of(lambda _: torch.tensor([2.0]), FLAT, spaces.Discrete(3), np.ones((2, 3), np.float32))
    assert fine.act(Seen([np.ones(3, np.float32)], True, 0)).tolist() == [2]


def test_a_function_that_draws_does_so_from_the_seed_of_the_step() -> None:
    drawing = [lambda _: int(np.random.randint(3)), lambda _: random.randrange(3), lambda _: torch.randint(3, ())]  # noqa: NPY002
    before = np.random.get_state()[1].sum(), torch.get_rng_state().sum()  # noqa: NPY002
    for policy in drawing:
        player = player_of(policy, FLAT, spaces.Discrete(3), np.ones((2, 3), np.float32))
        seen = [[Seen([np.ones(3, np.float32)], True, noise) for noise in range(30)] for _ in range(2)]
        one, two = ([int(player.act(step)[0]) for step in steps] for steps in seen)
        assert one == two and len(set(one)) == 3
    assert before == (np.random.get_state()[1].sum(), torch.get_rng_state().sum())  # noqa: NPY002


def test_levels_without_masks_are_said_of_an_agent_that_takes_them() -> None:
    agent = contrib.MaskablePPO("MlpPolicy", Drift(), **SMALL)
    player = player_of(agent, FLAT, spaces.Discrete(3), None)
    shown = np.ones(3, np.float32)
    for masks, said in ((np.ones((1, 3), dtype=bool), False), (None, True)):
        player.begin(1)
        player.act(Seen([shown], True, 7, masks))
        assert any("no action_masks()" in note for note in player.notes) == said
