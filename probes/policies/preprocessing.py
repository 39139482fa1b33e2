"""What happens to an observation between the environment and the policy, taken from an algorithm of Stable-Baselines3.

Its environment is a chain of vectorised wrappers, innermost first; those that change observations are

    VecFrameStack       the last k observations side by side; it remembers
    VecNormalize        (x - mean) / sqrt(var + epsilon), clipped; mean and var are those of training, and stay
    VecTransposeImage   channels first
    VecExtractDictObs   one entry of a dictionary

They live outside of the policy's modules, so a policy that is read without them is read on observations that it never
saw. :class:`Chain` applies them to whole batches of levels by the wrappers' own methods. :meth:`Chain.of_tensor`
applies those without a memory to a tensor, differentiably.

Wrappers that leave observations alone are passed over; any other is refused by name.

Letters: n copies or rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.models.errors import ImprintError

UNCHANGED = ("VecMonitor", "VecCheckNan", "VecVideoRecorder")
"""Wrappers that pass observations on as they are."""
FAR, BEYOND = 4.0, 0.01
"""A column whose mean lies this many standard deviations from that of training is far from it; so is a batch of which
more than this part is clipped."""
STILL, ENOUGH = 0.02, 20
"""Of at least so many rows, columns that all vary less than this part of their standard deviation in training were
normalised already."""


class Chain:
    """The observation wrappers of an algorithm, innermost first."""

    def __init__(self, algorithm: Any) -> None:
        self.wrappers: list[Any] = []
        self.space = algorithm.observation_space
        """Space of the observations that the environment gives."""
        self.known = algorithm.get_env() is not None
        """Whether the algorithm has an environment; a loaded one has none until it is given one."""
        layer = algorithm.get_env()
        while hasattr(layer, "venv"):
            self.wrappers.insert(0, layer)
            layer = layer.venv
        if layer is not None:
            self.space = layer.observation_space
        for wrapper in self.wrappers:
            _name(wrapper)
        self.wrappers = [
            wrapper for wrapper in self.wrappers if _name(wrapper) not in UNCHANGED and not _skips(wrapper)
        ]
        self._stacks: list[Any] = []

    @property
    def names(self) -> list[str]:
        """Names of the wrappers that change observations, innermost first."""
        return [_name(wrapper) for wrapper in self.wrappers]

    @property
    def words(self) -> str:
        """What is done to an observation, in words; empty when nothing is."""
        return ", then ".join(self.names)

    # -- batches of levels ---------------------------------------------------------------------------------------

    def begin(self, n: int) -> None:
        """Forget the frames of ``n`` copies, which all begin an episode."""
        from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

        self._stacks = []
        for wrapper in self.wrappers:
            if _name(wrapper) == "VecFrameStack":
                theirs, space = wrapper.stacked_obs, wrapper.venv.observation_space
                self._stacks.append(StackedObservations(n, theirs.n_stack, space, _order(theirs)))

    def step(self, observation: Any, *, first: bool) -> Any:
        """What the policy is shown of ``n`` observations (an array, or name -> array); ``first``: episodes begin."""
        stacks = iter(self._stacks)
        for wrapper in self.wrappers:
            name = _name(wrapper)
            if name == "VecNormalize":
                observation = wrapper.normalize_obs(observation)
            elif name == "VecTransposeImage":
                observation = wrapper.transpose_observations(observation)
            elif name == "VecExtractDictObs":
                observation = observation[wrapper.key]
            else:
                stack = next(stacks)
                n = len(next(iter(observation.values()))) if isinstance(observation, Mapping) else len(observation)
                going: tuple[NDArray[np.bool_], list[dict[str, Any]]] = (np.zeros(n, bool), [{} for _ in range(n)])
                observation = stack.reset(observation) if first else stack.update(observation, *going)[0]
        return observation

    # -- tensors -------------------------------------------------------------------------------------------------

    def require_stackless(self) -> None:
        """Raise :class:`ImprintError` where frames are stacked after something else was done to them."""
        names = self.names
        if "VecFrameStack" in names[1:]:
            raise ImprintError(
                f"observations of this agent pass through {', '.join(names)}: what was done to a frame before it was "
                "stacked cannot be done to stacked frames. Pass what the policy itself is shown to "
                "imprint.Subject(algorithm.policy)."
            )

    def of_tensor(self, observation: Any) -> Any:
        """The policy's observation from the environment's, a tensor ``[n, ...]`` or name -> tensor, differentiable.

        Frames must be stacked already (:meth:`require_stackless`). Channels that stand first already are left there.
        """
        for wrapper in self.wrappers:
            name = _name(wrapper)
            if name == "VecNormalize":
                observation = _normalised(wrapper, observation)
            elif name == "VecTransposeImage":
                observation = _transposed(wrapper, observation)
            elif name == "VecExtractDictObs" and isinstance(observation, Mapping):
                observation = observation[wrapper.key]
        return observation


def _name(wrapper: Any) -> str:
    """The known class of a wrapper. Raises :class:`ImprintError` for one that may change observations unknown ways."""
    known = ("VecFrameStack", "VecNormalize", "VecTransposeImage", "VecExtractDictObs", *UNCHANGED)
    for cls in type(wrapper).__mro__:
        if cls.__module__.startswith("stable_baselines3.") and cls.__name__ in known:
            return cls.__name__
    raise ImprintError(
        f"the agent's environment is wrapped in {type(wrapper).__name__}, whose change of the observations "
        "is not known here. Make it a gymnasium wrapper of every single environment, or give "
        "imprint.Subject(algorithm.policy) what the policy itself is shown."
    )


def _skips(wrapper: Any) -> bool:
    """Whether a wrapper was told to do nothing."""
    return bool(getattr(wrapper, "skip", False)) or (_name(wrapper) == "VecNormalize" and not wrapper.norm_obs)


def _order(stacked: Any) -> Any:
    """The order of channels with which frames were stacked."""
    if hasattr(stacked, "sub_stacked_observations"):
        return {key: _order(part) for key, part in stacked.sub_stacked_observations.items()}
    return "first" if stacked.channels_first else "last"


def _normalised(wrapper: Any, observation: Any) -> Any:
    if isinstance(observation, Mapping):
        keys = wrapper.norm_obs_keys or ()
        return {k: _normalise(wrapper, v, wrapper.obs_rms[k]) if k in keys else v for k, v in observation.items()}
    return _normalise(wrapper, observation, wrapper.obs_rms)


def _normalise(wrapper: Any, x: Tensor, seen: Any) -> Tensor:
    """One array normalised; warns when it lies far from what was seen in training."""
    mean, var = (
        torch.as_tensor(np.asarray(part), dtype=torch.float64, device=x.device) for part in (seen.mean, seen.var)
    )
    z = (x.double() - mean) / torch.sqrt(var + wrapper.epsilon)
    warn_if_far(z.detach(), float(wrapper.clip_obs))
    return z.clamp(-wrapper.clip_obs, wrapper.clip_obs).float()


def warn_if_far(z: Tensor, clip: float) -> None:
    """Warn when rows ``[n, ...]``, in standard deviations from the mean of training, look unlike those of training."""
    columns = z.flatten(1)
    away, clipped = float(columns.mean(0).abs().max()), float((columns.abs() > clip).double().mean())
    still = len(columns) >= ENOUGH and float(columns.std(0).max()) < STILL
    if away > FAR or clipped > BEYOND or still:
        what = (
            "vary so little that they may be normalised already"
            if still
            else f"lie up to {away:.1f} standard deviations from the mean of training, {clipped:.0%} of them clipped"
        )
        warnings.warn(
            f"these observations {what}. The statistics of the agent's VecNormalize are applied to observations as the "
            "environment gives them; what a policy makes of others says little about it.",
            stacklevel=2,
        )


def _transposed(wrapper: Any, observation: Any) -> Any:
    if isinstance(observation, Mapping):
        spaces = wrapper.venv.observation_space.spaces
        return {
            k: _channels_first(v, spaces[k]) if k in wrapper.image_space_keys else v for k, v in observation.items()
        }
    return _channels_first(observation, wrapper.venv.observation_space)


def _channels_first(x: Tensor, space: Any) -> Tensor:
    return x.movedim(-1, 1) if tuple(x.shape[1:]) == tuple(space.shape) else x
