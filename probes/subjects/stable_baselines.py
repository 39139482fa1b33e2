"""Policies of Stable-Baselines3 as subjects, with the critic's value or the actor's preference as the value.

PPO, A2C, DQN, SAC and TD3, and RecurrentPPO and MaskablePPO of sb3-contrib. The subject runs the policy's own methods
(:mod:`imprint.probes.policies.passes`). Given an algorithm rather than its policy, it takes observations as the
environment gives them, and applies the statistics of VecNormalize and the transposition of pictures itself.

Sites have the policy's own module names. A features extractor that actor and critic share is one module, so it can be
edited in a subject of either. Modules that the value does not run (the actor's, for a critic) are read in a second pass
and cannot be edited.

A zip saved by Stable-Baselines3 holds pickles, which its own loader executes. :func:`load` reads only the weights
(``policy.pth``, tensors only) into a policy that the caller built, for example with :func:`fresh`. The policy of a file
of your own may be loaded by Stable-Baselines3 as well (``PPO.load(path).policy``).

Letters: n observations, m actions.
"""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 (only the error with which torch refuses what is no tensor)
from typing import Any

import torch
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.policies.library import library
from imprint.probes.policies.passes import Pass
from imprint.probes.subjects.subject import Subject

WEIGHTS = "policy.pth"
"""File in the zip that holds the policy's tensors."""


def critic(policy: Any) -> Subject:
    """A subject with the critic's value as its value; ``policy``: a policy or an algorithm."""
    model = Pass(policy)
    return Subject(model, model.value)


def actor(policy: Any, action: int) -> Subject:
    """A subject with the preference for ``action`` as its value: a logit, the mean of a dimension, or Q."""
    model = Pass(policy)
    space = model.policy.action_space
    m = int(
        model.action_net.out_features if hasattr(model, "action_net") else getattr(space, "n", space.shape[-1:] or 1)
    )
    if isinstance(action, bool) or not isinstance(action, int) or not -m <= action < m:
        raise ImprintError(f"action is {action}, but this policy has {m}; expected 0 to {m - 1}.")
    return Subject(model, lambda observation: model.preferences(observation)[:, action])


def fresh(
    observation_space: Any, action_space: Any, *, rng: torch.Generator, policy_class: Any = None, **policy_kwargs: Any
) -> Any:
    """An untrained policy on the CPU, in evaluation mode; initial weights from ``rng``, not the global generator.

    The spaces are those of the agent (``agent.observation_space``, images with channels first), ``policy_kwargs`` as
    given to it (``net_arch``, ``activation_fn``, ``features_extractor_class``, ...). Default class:
    ``ActorCriticPolicy`` (that of "MlpPolicy").
    """
    library()
    from stable_baselines3.common.policies import ActorCriticPolicy

    build = ActorCriticPolicy if policy_class is None else policy_class
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        policy = build(observation_space, action_space, lambda _progress: 0.0, **policy_kwargs)
    policy.set_training_mode(False)
    return policy


ALGORITHMS = {
    ("sb3_contrib", "recurrent"): "RecurrentPPO",
    ("sb3_contrib", "maskable"): "MaskablePPO",
    ("stable_baselines3", "dqn"): "DQN",
    ("stable_baselines3", "sac"): "SAC",
    ("stable_baselines3", "td3"): "TD3",
}
"""Parts of the full name of a policy's class -> algorithm; others are PPO or, without a clip range, A2C."""


def load(path: str | Path, policy: Any = None, *, trust: bool = False) -> Any:
    """``policy`` in evaluation mode, with the weights in a zip that Stable-Baselines3 saved.

    ``policy`` must have the architecture of the saved one; only tensors are read. Without one, and with ``trust=True``,
    the whole algorithm as Stable-Baselines3 loads it, which executes what the file holds: for files of your own. Raises
    :class:`ImprintError` when the weights do not fit, :class:`DamagedFileError` when the file is not such a zip.
    """
    if policy is None:
        return _trusted(Path(path), trust=trust)
    weights = _weights(Path(path))
    own = {name: tuple(value.shape) for name, value in policy.state_dict().items()}
    saved = {name: tuple(value.shape) for name, value in weights.items()}
    if differing := sorted(name for name in own.keys() | saved.keys() if own.get(name) != saved.get(name)):
        name = differing[0]
        raise ImprintError(
            f"the weights in {path} do not fit this policy: {name!r} is {_shape(saved.get(name))} in the file and "
            f"{_shape(own.get(name))} in the policy ({len(differing)} differ). Build the policy with the spaces and "
            "policy_kwargs of the agent that was saved."
        )
    policy.load_state_dict(weights)
    policy.set_training_mode(False)
    return policy


def _trusted(path: Path, *, trust: bool) -> Any:
    """The algorithm in a zip, by its own ``load``."""
    if not trust:
        raise ImprintError(
            f"{path} holds pickles, which Stable-Baselines3 executes. Give the policy that its weights belong to, or "
            "trust=True for a file of your own."
        )
    library()
    weights = _weights(path)
    with zipfile.ZipFile(path) as archive:
        data = json.loads(archive.read("data"))
    described = data.get("policy_class")
    made_by = str(described.get("__module__", "")) if isinstance(described, dict) else ""
    known = (name for parts, name in ALGORITHMS.items() if all(part in made_by for part in parts))
    name = next(known, "PPO" if "clip_range" in data else "A2C")
    if any(key.startswith("q_net") for key in weights):
        name = "DQN"
    package = importlib.import_module("sb3_contrib" if name in ("RecurrentPPO", "MaskablePPO") else "stable_baselines3")
    algorithm = getattr(package, name).load(path, device="cpu")
    algorithm.policy.set_training_mode(False)
    return algorithm


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            content = io.BytesIO(archive.read(WEIGHTS))
        weights = torch.load(content, map_location="cpu", weights_only=True)  # noqa: TID251 (refuses all but tensors)
    except (OSError, KeyError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        raise DamagedFileError(
            f"{path} holds no weights that can be read safely ({WEIGHTS}): {error}. Expected a zip written by save() "
            "of a Stable-Baselines3 agent."
        ) from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise DamagedFileError(f"{WEIGHTS} in {path} is not a table of tensors.")
    return {str(name): value for name, value in weights.items()}


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else str(list(shape))
