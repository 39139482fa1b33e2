"""Policies of Stable-Baselines3 as subjects, with the critic's value or the actor's preference as the value.

``ActorCriticPolicy`` and its subclasses (PPO, A2C) are supported. The subject runs the policy from the raw observation:

    observation -> preprocessing (one-hot of numbers, scaling of images) -> features extractor
        -> mlp_extractor.value_net  -> value_net     critic: one value per observation
        -> mlp_extractor.policy_net -> action_net    actor: one number per action: logit of a discrete action, mean of
                                                     a continuous one

Sites have the policy's own module names. A features extractor that actor and critic share is one module, so it can be
edited in a subject of either. Modules that the value does not run (the actor's, for a critic) are read in a second pass
and cannot be edited. ``policy.forward`` is never called, because it samples an action.

A zip saved by Stable-Baselines3 holds pickles, which its own loader executes. :func:`load` reads only the weights
(``policy.pth``, tensors only) into a policy that the caller built, for example with :func:`fresh`. The policy of a file
of your own may be loaded by Stable-Baselines3 as well (``PPO.load(path).policy``).

Letters: n observations, m actions.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 (only the error with which torch refuses what is no tensor)
from typing import Any

import torch
from torch import Tensor, nn

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.subjects.subject import Subject

WEIGHTS = "policy.pth"
"""File in the zip that holds the policy's tensors."""


def critic(policy: Any) -> Subject:
    """A subject with the critic's value as its value."""
    model = Pass(policy)
    return Subject(model, model.value)


def actor(policy: Any, action: int) -> Subject:
    """A subject with the actor's preference for ``action`` as its value: a logit, or the mean of a dimension."""
    model = Pass(policy)
    m = model.action_net.out_features
    if not -m <= action < m:
        raise ImprintError(f"action is {action}, but this policy has {m}; expected 0 to {m - 1}.")
    return Subject(model, lambda observation: model.preferences(observation)[:, action])


class Pass(nn.Module):
    """A model with the modules of a policy, under their names, that computes value and preferences of observations."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        library()
        from stable_baselines3.common.policies import ActorCriticPolicy

        if not isinstance(policy, ActorCriticPolicy):
            raise ImprintError(
                f"got {type(policy).__name__}; expected the ActorCriticPolicy of a PPO or A2C agent, for example "
                "agent.policy. Other networks are examined with imprint.Subject(network, value=...)."
            )
        from gymnasium import spaces

        if isinstance(policy.observation_space, spaces.Dict | spaces.Tuple):
            raise ImprintError(
                f"this policy's observations are a {type(policy.observation_space).__name__}; expected one array. "
                "Flatten them with a gymnasium wrapper before training."
            )
        self.action_net: Any
        for name, module in policy.named_modules(remove_duplicate=False):
            if name and "." not in name:
                self.add_module(name, module)
        self._policy: list[Any] = [policy]
        self.training = policy.training

    def value(self, observation: Tensor) -> Tensor:
        """Values ``[n]``."""
        policy, features = self._features(observation, "vf_features_extractor")
        values: Tensor = policy.value_net(policy.mlp_extractor.forward_critic(features))
        return values[:, 0]

    def preferences(self, observation: Tensor) -> Tensor:
        """Logits of discrete actions, or means of continuous ones, ``[n, m]``."""
        policy, features = self._features(observation, "pi_features_extractor")
        preferences: Tensor = policy.action_net(policy.mlp_extractor.forward_actor(features))
        return preferences

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``[n]`` and preferences ``[n, m]``; each module runs once."""
        policy, features = self._features(observation, "pi_features_extractor")
        preferences = policy.action_net(policy.mlp_extractor.forward_actor(features))
        if not policy.share_features_extractor:
            _, features = self._features(observation, "vf_features_extractor")
        return policy.value_net(policy.mlp_extractor.forward_critic(features))[:, 0], preferences

    def _features(self, observation: Tensor, extractor: str) -> tuple[Any, Tensor]:
        from stable_baselines3.common.preprocessing import preprocess_obs

        policy = self._policy[0]
        expected = tuple(policy.observation_space.shape)
        if tuple(observation.shape[1:]) != expected:
            raise ImprintError(
                f"the observations are {list(observation.shape)}; this policy expects [n, "
                f"{', '.join(map(str, expected))}], as policy.obs_to_tensor gives them."
            )
        inputs = preprocess_obs(observation, policy.observation_space, normalize_images=policy.normalize_images)
        return policy, getattr(policy, extractor)(inputs)


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


def load(path: str | Path, policy: Any) -> Any:
    """``policy`` in evaluation mode, with the weights in a zip that Stable-Baselines3 saved.

    ``policy`` must have the architecture of the saved one. Only tensors are read. Raises :class:`ImprintError` when the
    weights do not fit, :class:`DamagedFileError` when the file is not such a zip.
    """
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


def library() -> None:
    """Raise :class:`ImprintError` when Stable-Baselines3 is not installed."""
    try:
        import stable_baselines3  # noqa: F401 (is it installed?)
    except ImportError:
        raise ImprintError("Stable-Baselines3 is not installed; pip install 'imprint[sb3]'.") from None


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
