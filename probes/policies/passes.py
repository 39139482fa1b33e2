"""A policy's own forward pass, as a model whose modules can be read and edited under the policy's names.

Nothing of a policy is computed here a second time. Value and preferences are what its own methods give:

    kind           value                                     preferences
    actor-critic   ``predict_values``                        what ``action_net`` gave while ``get_distribution`` ran:
    maskable       the same, all actions allowed             logits of discrete and binary actions, means of continuous
    recurrent      the same, at the last of T steps          ones
    Q network      largest Q                                 Q of every action
    Q actor        smallest of the critics' Q of its action  its action, in -1 to 1

An observation of a recurrent policy is an episode from its beginning, ``[n, T, ...]``; ``[n, ...]`` is its first step.
The memory begins blank and is the policy's own.

Observations that are dictionaries travel as one tensor ``[n, total]``, the entries flattened side by side in the order
of the space (:meth:`Pass.packed`), so that they can be varied, batched and attributed to like any other.

Letters: n observations, m actions, T steps.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.policies.library import (
    ACTOR_CRITIC,
    CONTINUOUS,
    MASKABLE,
    Q_NETWORK,
    RECURRENT,
    is_algorithm,
    kind_of,
    library,
    policy_of,
)
from imprint.probes.policies.preprocessing import Chain


class Pass(nn.Module):
    """A model with the modules of a policy, under their names, that computes value and preferences of observations.

    Of an algorithm, observations are those that the environment gives: what its environment's wrappers do to them is
    done here as well. Of a policy, they are those that it is shown itself. They keep their precision until they are
    normalised.
    """

    def __init__(self, source: Any, *, warns: bool = True) -> None:
        """``warns``: whether observations that look unlike those of training are warned of."""
        super().__init__()
        self.warns = warns
        library()
        policy = policy_of(source)
        self.kind = kind_of(policy)
        self.chain = Chain(source) if is_algorithm(source) else None
        self.action_net: Any
        for name, module in policy.named_modules(remove_duplicate=False):
            if name and "." not in name:
                self.add_module(name, module)
        self._policy: list[Any] = [policy]
        self.training = policy.training

    # -- observations --------------------------------------------------------------------------------------------

    @property
    def policy(self) -> Any:
        """The policy itself."""
        return self._policy[0]

    @property
    def space(self) -> Any:
        """Space of the observations that are passed in, frames stacked."""
        space = self.policy.observation_space
        for wrapper in reversed(self.chain.wrappers if self.chain is not None else []):
            space = space if type(wrapper).__name__ == "VecFrameStack" else wrapper.venv.observation_space
        return space

    def packed(self, observation: Any) -> Tensor:
        """Observations as one tensor: arrays become tensors, dictionaries (name -> ``[n, ...]``) ``[n, total]``."""
        from gymnasium import spaces

        if isinstance(observation, np.ndarray):
            observation = torch.as_tensor(observation)
        if isinstance(observation, Tensor):
            steps = self._steps(observation)
            self._require_fit(observation.flatten(0, 1) if steps else observation)
        if not isinstance(observation, Mapping):
            return cast("Tensor", observation)  # anything else is refused further on
        space = self.space
        if not isinstance(space, spaces.Dict):
            raise ImprintError(f"the observation is a dictionary; this policy's observations are {_words(space)}.")
        if set(observation) != set(space.spaces):
            raise ImprintError(f"the observation holds {sorted(observation)}; expected {sorted(space.spaces)}.")
        parts = {name: torch.as_tensor(observation[name]) for name in space.spaces}
        rows = {name: len(part) for name, part in parts.items()}
        if len(set(rows.values())) > 1:
            raise ImprintError(f"the parts of the observation have different numbers of rows: {rows}.")
        kind = torch.float64 if any(part.dtype == torch.float64 for part in parts.values()) else torch.float32
        return torch.cat([part.reshape(len(part), -1).to(kind) for part in parts.values()], dim=1)

    def _require_fit(self, observation: Tensor) -> None:
        """Raise :class:`ImprintError` unless observations ``[n, ...]`` have the shape of this policy's."""
        from gymnasium import spaces

        if self.chain is not None:
            self.chain.require_stackless()
        space, names = self.space, [] if self.chain is None else self.chain.names
        if isinstance(space, spaces.Dict):
            total = sum(math.prod(_shape(part)) for part in space.spaces.values())
            entries = ", ".join(space.spaces)
            _require(observation, (total,), f"the entries {entries} side by side, or a dictionary of them")
            return
        own = _shape(space)
        if "VecTransposeImage" not in names or tuple(observation.shape[1:]) != (own[2], *own[:2]):
            _require(observation, own, "as policy.obs_to_tensor gives them" if self.chain is None else "")

    def _shown(self, observation: Tensor) -> Any:
        """What the policy is shown of observations ``[n, ...]``: a tensor, or name -> tensor."""
        from gymnasium import spaces

        self._require_fit(observation)
        space, names = self.space, [] if self.chain is None else self.chain.names
        if isinstance(space, spaces.Dict):
            shapes = {name: _shape(part) for name, part in space.spaces.items()}
            sizes = [math.prod(shape) for shape in shapes.values()]
            parts = observation.split(sizes, dim=1)
            both = zip(shapes.items(), parts, strict=True)
            shown: Any = {name: part.reshape(len(part), *shape) for (name, shape), part in both}
        else:
            shown = observation
        shown = shown if self.chain is None else self.chain.of_tensor(shown)
        parts = {} if "VecNormalize" in names or not self.warns else shown if isinstance(shown, dict) else {"": shown}
        own_space = self.policy.observation_space
        for name, part in parts.items():
            _warn_of_units(part, own_space[name] if name else own_space, self.policy)
        return {k: _as_float32(v) for k, v in shown.items()} if isinstance(shown, dict) else _as_float32(shown)

    # -- results -------------------------------------------------------------------------------------------------

    def value(self, observation: Tensor) -> Tensor:
        """Values ``[n]``."""
        policy = self.policy
        if self.kind == RECURRENT:
            return self._last(policy.predict_values, observation)[:, 0]
        shown = self._shown(observation)
        if self.kind == Q_NETWORK:
            return _tensor(policy.q_net(shown).max(1).values)
        if self.kind == CONTINUOUS:
            return _tensor(torch.cat(policy.critic(shown, self._action(shown)), dim=1).min(1).values)
        return _tensor(policy.predict_values(shown)[:, 0])

    def preferences(self, observation: Tensor) -> Tensor:
        """Logits of discrete actions, means of continuous ones, or Q, ``[n, m]``."""
        policy = self.policy
        if self.kind == Q_NETWORK:
            return _tensor(policy.q_net(self._shown(observation)))
        if self.kind == CONTINUOUS:
            return self._action(self._shown(observation))
        with self._preferred() as given:
            if self.kind == RECURRENT:
                return self._last(lambda *inputs: (policy.get_distribution(*inputs), given[-1])[1], observation)
            policy.get_distribution(self._shown(observation))
        return given[-1]

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``[n]`` and preferences ``[n, m]``; a module that both need may run twice."""
        if self.kind in (ACTOR_CRITIC, MASKABLE) and self.policy.share_features_extractor:
            return self._both(observation)
        if self.kind == Q_NETWORK:
            preferences = self.preferences(observation)
            return preferences.max(1).values, preferences
        return self.value(observation), self.preferences(observation)

    def _both(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Value and preferences by the policy's own pass, which takes the likeliest action and so draws nothing."""
        with self._preferred() as given:
            _, values, _ = self.policy(self._shown(observation), deterministic=True)
        return values[:, 0], given[-1]

    @contextmanager
    def _preferred(self) -> Iterator[list[Tensor]]:
        """What ``action_net`` gives in this context, one tensor a run."""
        given: list[Tensor] = []
        handle = self.policy.action_net.register_forward_hook(lambda _module, _inputs, out: given.append(out))
        try:
            yield given
        finally:
            handle.remove()

    def _action(self, shown: Any) -> Tensor:
        return _tensor(self.policy.actor(shown, deterministic=True) if _sac(self.policy) else self.policy.actor(shown))

    def _steps(self, observation: Tensor) -> int:
        """Steps T of episodes ``[n, T, ...]`` that a recurrent policy is shown; 0 for single steps."""
        own, shape = _shape(self.space) if self.kind == RECURRENT else (), tuple(observation.shape)
        return shape[1] if self.kind == RECURRENT and len(shape) == len(own) + 2 and shape[2:] == own else 0

    def _last(self, method: Any, observation: Tensor) -> Tensor:
        """What a recurrent method gives at the last step ``[n, k]`` of episodes that begin with a blank memory."""
        steps = self._steps(observation)
        flat = observation.flatten(0, 1) if steps else observation
        layers, _, width = self.policy.lstm_hidden_state_shape
        blank = torch.zeros(layers, len(observation), width, device=observation.device)
        shown = self._shown(flat)
        out = method(shown, (blank, blank), torch.zeros(len(flat), device=observation.device))
        return _tensor(out.reshape(len(observation), max(steps, 1), -1)[:, -1])


def _sac(policy: Any) -> bool:
    return any(cls.__name__ == "SACPolicy" for cls in type(policy).__mro__)


def _tensor(value: Any) -> Tensor:
    return value  # type: ignore[no-any-return]


def _shape(space: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in space.shape)


def _words(space: Any) -> str:
    return f"arrays {list(_shape(space))}" if getattr(space, "shape", None) is not None else type(space).__name__


def _as_float32(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.float64 else x


def _require(observation: Tensor, shape: tuple[int, ...], advice: str) -> None:
    if tuple(observation.shape[1:]) != shape:
        expected = ", ".join(map(str, ("n", *shape)))
        text = f"the observations are {list(observation.shape)}; this policy expects [{expected}]"
        raise ImprintError(f"{text}{', ' + advice if advice else ''}.")


def _warn_of_units(x: Tensor, space: Any, policy: Any) -> None:
    """Warn of pictures that were divided by 255 already, and of arrays outside of the bounds of their space."""
    from gymnasium import spaces
    from stable_baselines3.common.preprocessing import is_image_space

    if not isinstance(space, spaces.Box) or not len(x):
        return
    low, high = float(x.detach().min()), float(x.detach().max())
    divided = x.is_floating_point() and low >= 0 and 0 < high <= 1 and len(x) > 1
    if divided and is_image_space(space) and policy.normalize_images:
        warnings.warn(
            "these pictures lie between 0 and 1; this policy divides by 255 itself and was trained on 0 to 255.",
            stacklevel=2,
        )
    if low < float(np.min(space.low)) or high > float(np.max(space.high)):
        warnings.warn(
            f"these observations reach from {low:.3g} to {high:.3g}, beyond the bounds of this policy's observation "
            f"space, {float(np.min(space.low)):.3g} to {float(np.max(space.high)):.3g}, in which it was trained.",
            stacklevel=2,
        )
