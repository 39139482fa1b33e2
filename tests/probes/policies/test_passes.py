"""Values and preferences of policies are their own, whatever stands between the environment and them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

import imprint
from imprint.models.errors import ImprintError
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.policies.passes import Pass
from imprint.probes.subjects import stable_baselines as policies

sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

N = 24
CLOSE = {"atol": 1e-6, "rtol": 1e-6}
SMALL = {"n_steps": 32, "batch_size": 32, "n_epochs": 1}
PICTURE = spaces.Box(0, 255, (36, 36, 1), np.uint8)
BOTH = spaces.Dict({"picture": PICTURE, "numbers": spaces.Box(-5, 5, (3,), np.float64)})


class Fixed(gymnasium.Env[Any, Any]):
    """Random observations with a large mean; any space, any actions, all of which are allowed."""

    def __init__(self, observation: Any, action: Any, mean: float = 0.0) -> None:
        self.observation_space, self.action_space, self.mean = observation, action, mean

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed or 0)
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._see(), float(np.sum(action)), bool(self.np_random.random() < 0.1), False, {}

    def _see(self) -> Any:
        seen = self.observation_space.sample()
        return seen if not self.mean else (self.mean + 7 * seen).astype(np.float32)

    def action_masks(self) -> np.ndarray:
        return np.ones(self.action_space.n, dtype=bool)


def batch(space: Any, n: int = N) -> Any:
    space.seed(3)
    rows = [space.sample() for _ in range(n)]
    if isinstance(space, spaces.Dict):
        return {name: np.stack([row[name] for row in rows]) for name in space.spaces}
    return np.stack(rows)


def trained(kind: Any, policy: str, observation: Any, action: Any, **settings: Any) -> Any:
    agent = kind(policy, Fixed(observation, action), seed=0, device="cpu", **settings)
    agent.policy.set_training_mode(False)
    return agent


def of_critic(agent: Any, seen: Any) -> torch.Tensor:
    return agent.policy.predict_values(seen)[:, 0]


def of_recurrent(agent: Any, seen: Any) -> torch.Tensor:
    layers, _, width = agent.policy.lstm_hidden_state_shape
    blank = torch.zeros(layers, N, width)
    return agent.policy.predict_values(seen, (blank, blank), torch.ones(N))[:, 0]


def of_q(agent: Any, seen: Any) -> torch.Tensor:
    return agent.policy.q_net(seen).max(1).values


def of_pair(agent: Any, seen: Any) -> torch.Tensor:
    return torch.cat(agent.policy.critic(seen, agent.policy.actor(seen, deterministic=True)), 1).min(1).values


FLAT, TURNS = spaces.Box(-1.0, 1.0, (6,), np.float32), spaces.Discrete(4)
WIDE = {"policy_kwargs": {"features_extractor_kwargs": {"cnn_output_dim": 8}}}
CNN = {"policy_kwargs": {"features_extractor_kwargs": {"features_dim": 8}}}
CASES: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], torch.Tensor]]] = {
    "PPO": (lambda: trained(sb3.PPO, "MlpPolicy", FLAT, TURNS, **SMALL), of_critic),
    "A2C, pictures": (lambda: trained(sb3.A2C, "CnnPolicy", PICTURE, TURNS, **CNN), of_critic),
    "PPO, several actions": (
        lambda: trained(sb3.PPO, "MlpPolicy", FLAT, spaces.MultiDiscrete([2, 3]), **SMALL),
        of_critic,
    ),
    "PPO, a dictionary": (
        lambda: trained(sb3.PPO, "MultiInputPolicy", BOTH, spaces.MultiBinary(3), **SMALL, **WIDE),
        of_critic,
    ),
    "recurrent": (
        # as wide as the features, where the LSTM was once skipped without a word
        lambda: trained(
            contrib.RecurrentPPO, "MlpLstmPolicy", FLAT, TURNS, **SMALL, policy_kwargs={"lstm_hidden_size": 6}
        ),
        of_recurrent,
    ),
    "maskable": (lambda: trained(contrib.MaskablePPO, "MlpPolicy", FLAT, TURNS, **SMALL), of_critic),
    "DQN": (lambda: trained(sb3.DQN, "MlpPolicy", FLAT, TURNS), of_q),
    "SAC": (lambda: trained(sb3.SAC, "MlpPolicy", FLAT, spaces.Box(-2, 2, (2,), np.float32)), of_pair),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_policys_own_methods(name: str) -> None:
    make, own = CASES[name]
    agent = make()
    seen = batch(agent.get_env().envs[0].observation_space)
    shown, _ = agent.policy.obs_to_tensor(seen)
    with torch.no_grad():
        expected = own(agent, shown)
    assert float(expected.std()) > 0
    subject = imprint.Subject(agent)
    torch.testing.assert_close(subject.values(seen, batch_size=7), expected.float(), **CLOSE)
    sites = subject.reached(seen)
    assert len(sites) >= 2
    found = subject.activations(seen, sites)
    assert all(len(x) == N for x in found.values())
    last = sites[-1] if name != "DQN" else sites[0]
    assert not torch.allclose(subject.values(seen, edits={last: torch.zeros_like}), expected.float())


def test_a_recurrent_policy_is_read_with_its_memory() -> None:
    make, _ = CASES["recurrent"]
    policy = make().policy
    episode = torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    layers, _, width = policy.lstm_hidden_state_shape
    blank = torch.zeros(layers, 5, width)
    with torch.no_grad():
        expected = policy.predict_values(episode.flatten(0, 1), (blank, blank), torch.zeros(20)).reshape(5, 4)[:, -1]
        states, preferred = None, None
        for t in range(4):  # the same, step by step
            states = states or (blank, blank)
            distribution, states = policy.get_distribution(episode[:, t], states, torch.zeros(5))
            preferred = distribution.distribution.logits
    torch.testing.assert_close(policies.critic(policy).values(episode), expected, **CLOSE)
    first = policies.critic(policy).values(episode[:, -1:])
    assert float((first - expected).abs().max()) > 1e-4
    logits = torch.stack([policies.actor(policy, i).values(episode) for i in range(4)], 1)
    torch.testing.assert_close(logits.log_softmax(1), preferred, **CLOSE)


def normalised(mean: float) -> tuple[Any, Any]:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    wrapped = VecNormalize(DummyVecEnv([lambda: Fixed(FLAT, TURNS, mean)]))
    agent = sb3.PPO("MlpPolicy", wrapped, seed=0, device="cpu", **SMALL)
    agent.learn(64)
    agent.policy.set_training_mode(False)
    raw = (mean + 7 * batch(FLAT)).astype(np.float32)
    return agent, raw


def test_an_algorithm_brings_its_normalisation_and_warns_of_strange_observations() -> None:
    agent, raw = normalised(500.0)
    with torch.no_grad():
        shown, _ = agent.policy.obs_to_tensor(agent.get_vec_normalize_env().normalize_obs(raw))
        expected = agent.policy.predict_values(shown)[:, 0]
    subject = imprint.Subject(agent)
    torch.testing.assert_close(subject.values(raw), expected, **CLOSE)
    torch.testing.assert_close(subject.values(torch.as_tensor(raw).double()), expected, **CLOSE)
    with pytest.warns(UserWarning, match="beyond the bounds"):  # the policy alone, which is not what was trained
        naive = imprint.Subject(agent.policy).values(raw)
    assert float((naive - expected).abs().max()) > 0.1
    for strange in (raw + 60, raw * 0 + 500 + 1e-3 * batch(FLAT)):
        with pytest.warns(UserWarning, match="VecNormalize"):
            subject.values(strange.astype(np.float32))
    gradient = IntegratedGradients(steps=64)(subject, torch.as_tensor(raw))
    torch.testing.assert_close(gradient.completeness_error, torch.zeros(N), atol=5e-3, rtol=0)


def test_stacked_frames_and_pictures_are_taken_as_the_environment_gives_them() -> None:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

    stacked = VecFrameStack(DummyVecEnv([lambda: Fixed(PICTURE, TURNS)]), 3)
    agent = sb3.PPO("CnnPolicy", stacked, device="cpu", seed=0, **SMALL, **CNN)
    agent.policy.set_training_mode(False)
    raw = batch(stacked.observation_space)
    with torch.no_grad():
        expected = agent.policy.predict_values(torch.as_tensor(raw).permute(0, 3, 1, 2))[:, 0]
    subject = imprint.Subject(agent)
    torch.testing.assert_close(subject.values(raw), expected, **CLOSE)
    torch.testing.assert_close(subject.values(raw.transpose(0, 3, 1, 2)), expected, **CLOSE)
    found = IntegratedGradients(steps=8)(subject, torch.as_tensor(raw))  # whole numbers of a picture
    assert found.attributions.shape == raw.shape
    with pytest.raises(ImprintError, match=r"expects \[n, 36, 36, 3\]"):
        subject.values(batch(PICTURE))
    with pytest.warns(UserWarning, match="divides by 255"):
        subject.values(torch.as_tensor(raw) / 255)
    inside = VecFrameStack(VecNormalize(DummyVecEnv([lambda: Fixed(FLAT, TURNS)])), 2)
    other = imprint.Subject(sb3.PPO("MlpPolicy", inside, device="cpu", **SMALL))
    with pytest.raises(ImprintError, match="before it was stacked"):
        other.values(batch(inside.observation_space))


def test_what_is_not_understood_is_refused_by_name() -> None:
    class Odd(sb3.common.policies.BasePolicy):  # type: ignore[misc]
        def _predict(self, observation: Any, deterministic: bool = False) -> Any:
            return observation

    with pytest.raises(ImprintError, match="got Odd"):
        Pass(Odd(FLAT, TURNS))
    agent = CASES["PPO, a dictionary"][0]()
    with pytest.raises(ImprintError, match="holds \\['picture'\\]; expected"):
        imprint.Subject(agent).values({"picture": batch(PICTURE)})
