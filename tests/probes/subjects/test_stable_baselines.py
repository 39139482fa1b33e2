"""Policies of Stable-Baselines3: values and preferences are their own, and loading runs nothing from the file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.subjects import stable_baselines as policies

sb3 = pytest.importorskip("stable_baselines3")
spaces = pytest.importorskip("gymnasium").spaces

FLAT = spaces.Box(-1.0, 1.0, (6,), np.float32)
IMAGE = spaces.Box(0, 255, (3, 36, 36), np.uint8)
TURNS = spaces.Discrete(4)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def rows(space: Any, n: int = 20) -> Tensor:
    space.seed(0)
    return torch.as_tensor(np.stack([space.sample() for _ in range(n)]))


def pixels(width: int = 16) -> dict[str, Any]:
    from stable_baselines3.common.torch_layers import NatureCNN

    return {"features_extractor_class": NatureCNN, "features_extractor_kwargs": {"features_dim": width}}


CASES: dict[str, tuple[Any, Any, Callable[[], dict[str, Any]]]] = {
    "flat": (FLAT, TURNS, dict),
    "numbers": (spaces.Discrete(5), TURNS, dict),
    "image, shared": (IMAGE, TURNS, pixels),
    "image, apart": (IMAGE, TURNS, lambda: pixels() | {"share_features_extractor": False, "net_arch": [8]}),
    "continuous": (FLAT, spaces.Box(-1.0, 1.0, (4,), np.float32), lambda: {"net_arch": {"pi": [8], "vf": [5, 5]}}),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, Tensor]:
    observation, action, kwargs = CASES[request.param]
    return policies.fresh(observation, action, rng=rng(), **kwargs()), rows(observation)


def agent(folder: Path, **kwargs: Any) -> tuple[Any, Path]:
    made = sb3.PPO(
        "MlpPolicy", "CartPole-v1", n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu", policy_kwargs=kwargs
    )
    made.learn(64)
    made.save(folder / "agent.zip")
    return made, folder / "agent.zip"


def test_values_and_preferences_are_the_policy_own(case: tuple[Any, Tensor]) -> None:
    policy, x = case
    with torch.no_grad():
        expected = policy.predict_values(x)[:, 0]
        distribution = policy.get_distribution(x).distribution
    torch.testing.assert_close(policies.critic(policy).values(x, batch_size=7), expected)
    logits = torch.stack([policies.actor(policy, i).values(x) for i in range(4)], 1)
    if hasattr(distribution, "logits"):
        torch.testing.assert_close(logits.log_softmax(1), distribution.logits)
    else:
        torch.testing.assert_close(logits, distribution.mean)


def test_sites_carry_the_policy_own_names_and_end_in_the_value(case: tuple[Any, Tensor]) -> None:
    policy, x = case
    critic, actor = policies.critic(policy), policies.actor(policy, 1)
    assert "mlp_extractor.value_net.0" in critic.reached(x) or not len(policy.mlp_extractor.value_net)
    found = critic.activations(x, ["value_net", "action_net"])
    torch.testing.assert_close(found["value_net"][:, 0], critic.values(x))
    torch.testing.assert_close(found["action_net"][:, 1], actor.values(x))
    zeroed = critic.values(x, edits={"value_net": torch.zeros_like})
    torch.testing.assert_close(zeroed, torch.zeros(20))
    with pytest.raises(ImprintError, match="ran module 'action_net' 0 times"):
        critic.values(x, edits={"action_net": torch.zeros_like})


def test_a_shared_features_extractor_carries_both_and_separate_ones_do_not() -> None:
    x = rows(IMAGE)
    for share in (True, False):
        policy = policies.fresh(IMAGE, TURNS, rng=rng(), share_features_extractor=share, **pixels())
        moved = []
        for subject in (policies.critic(policy), policies.actor(policy, 0)):
            site = "features_extractor.linear.0"
            try:
                edited = subject.values(x, edits={site: torch.zeros_like})
            except ImprintError:
                moved.append(False)
            else:
                moved.append(bool((edited - subject.values(x)).abs().max() > 0))
        assert moved == [share, True]


def test_reading_draws_nothing_from_the_global_generator() -> None:
    policy, x = policies.fresh(FLAT, TURNS, rng=rng()), rows(FLAT)
    before = torch.random.get_rng_state()
    policies.critic(policy).activations(x, ["value_net", "action_net"])
    policies.fresh(FLAT, TURNS, rng=rng())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_fresh_policies_follow_their_generator() -> None:
    a, b = (policies.fresh(FLAT, TURNS, rng=rng()).state_dict() for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    one = rng()
    c, d = (policies.fresh(FLAT, TURNS, rng=one).state_dict() for _ in range(2))
    assert not torch.equal(c["value_net.weight"], d["value_net.weight"])


@pytest.mark.filterwarnings("ignore:.*render.*")
def test_a_saved_agent_is_read_by_its_weights_alone(tmp_path: Path) -> None:
    made, path = agent(tmp_path, net_arch=[16], activation_fn=nn.ReLU)
    x = rows(spaces.Box(-1.0, 1.0, (4,), np.float32))
    blank = policies.fresh(made.observation_space, made.action_space, rng=rng(), net_arch=[16], activation_fn=nn.ReLU)
    before = policies.critic(blank).values(x)
    policy = policies.load(path, blank)
    torch.testing.assert_close(policies.critic(policy).values(x), policies.critic(made.policy).values(x))
    assert not policy.training
    assert not torch.equal(policies.critic(blank).values(x), before)


@pytest.mark.parametrize("kind", ["PPO", "A2C", "DQN", "SAC", "RecurrentPPO", "MaskablePPO"])
def test_a_trusted_file_is_loaded_by_its_own_algorithm(kind: str, tmp_path: Path) -> None:
    package = pytest.importorskip("sb3_contrib") if kind in ("RecurrentPPO", "MaskablePPO") else sb3
    task, policy = "Pendulum-v1" if kind == "SAC" else "CartPole-v1", "MlpLstmPolicy" if kind[0] == "R" else "MlpPolicy"
    made = getattr(package, kind)(policy, task, seed=0, device="cpu")
    made.save(tmp_path / "agent.zip")
    with pytest.raises(ImprintError, match="trust=True"):
        policies.load(tmp_path / "agent.zip")
    loaded = policies.load(tmp_path / "agent.zip", trust=True)
    assert type(loaded) is type(made)
    x = rows(made.observation_space)
    torch.testing.assert_close(policies.critic(loaded).values(x), policies.critic(made).values(x))


@pytest.mark.filterwarnings("ignore:.*render.*")
def test_a_file_of_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    made, path = agent(tmp_path)
    other = policies.fresh(made.observation_space, made.action_space, rng=rng(), net_arch=[8])
    with pytest.raises(ImprintError, match=r"'action_net.weight' is \[2, 64\] in the file and \[2, 8\] in"):
        policies.load(path, other)


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


@pytest.fixture
def bombed(tmp_path: Path) -> Iterator[Path]:
    """A zip whose class parameters and whose weights both run code when unpickled."""
    made, path = agent(tmp_path)
    made.harmless = Bomb(tmp_path / "data-ran")
    made.save(path)
    yield path


def test_reading_weights_does_not_run_what_else_the_file_holds(bombed: Path, tmp_path: Path) -> None:
    blank = policies.fresh(spaces.Box(-1.0, 1.0, (4,), np.float32), spaces.Discrete(2), rng=rng())
    policies.load(bombed, blank)
    assert not (tmp_path / "data-ran").exists()
    from stable_baselines3.common.save_util import load_from_zip_file

    load_from_zip_file(bombed)
    assert (tmp_path / "data-ran").exists(), "the bomb is a dud, so nothing is shown here"


def test_weights_that_run_code_are_refused(tmp_path: Path) -> None:
    evil = tmp_path / "evil.pth"
    torch.save({"value_net.weight": Bomb(tmp_path / "weights-ran")}, evil)  # noqa: TID251 (the attack itself)
    with zipfile.ZipFile(tmp_path / "agent.zip", "w") as archive:
        archive.write(evil, "policy.pth")
    with pytest.raises(DamagedFileError, match="no weights that can be read safely"):
        policies.load(tmp_path / "agent.zip", policies.fresh(FLAT, TURNS, rng=rng()))
    assert not (tmp_path / "weights-ran").exists()


def test_files_that_are_no_such_zip_are_refused(tmp_path: Path) -> None:
    blank = policies.fresh(FLAT, TURNS, rng=rng())
    (tmp_path / "text.zip").write_text("not a zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("data", "{}")
    for name in ("text.zip", "empty.zip", "missing.zip"):
        with pytest.raises(DamagedFileError, match=f"{name} holds no weights"):
            policies.load(tmp_path / name, blank)


def test_slips() -> None:
    policy = policies.fresh(FLAT, TURNS, rng=rng())
    with pytest.raises(ImprintError, match="action is 4, but this policy has 4"):
        policies.actor(policy, 4)
    with pytest.raises(ImprintError, match=r"observations are \[20, 3, 36, 36\]; this policy expects \[n, 6\]"):
        policies.critic(policy).values(rows(IMAGE))
    with pytest.raises(ImprintError, match="got Linear; expected the ActorCriticPolicy"):
        policies.critic(nn.Linear(3, 1))
