"""One copy of an environment as a plain Gymnasium environment, and the ids for ``gymnasium.make``.

Importing this module registers every environment under ``imprint/<kind>-v0``:

    gymnasium.make("imprint.models.wrappers.single:imprint/coin-v0", varied=0.03, design="apart")
    gymnasium.make_vec("imprint.models.wrappers.single:imprint/coin-v0", num_envs=1024)

Settings are keyword arguments. ``make_vec`` gives the environment itself, which steps all copies as one tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, SupportsInt

import gymnasium
import numpy as np
import pydantic

from imprint.models.environments.base import ENVIRONMENTS, Environment
from imprint.models.errors import ImprintError


class Single(gymnasium.Env[np.ndarray, int]):
    """One copy of an environment as a plain Gymnasium environment."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # type: ignore[misc]

    def __init__(self, make: Callable[[], Environment], render_mode: str | None = None) -> None:
        self.many = make()
        if self.many.num_envs != 1:
            raise ImprintError(f"Single wraps one copy; it was given {self.many.num_envs}.")
        self.render_mode = render_mode
        self.observation_space = self.many.single_observation_space
        self.action_space = self.many.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start a fresh level."""
        super().reset(seed=seed)
        observation, info = self.many.reset(seed=seed, options=options)
        return observation[0], {"concepts": {name: value[0] for name, value in info["concepts"].items()}}

    def step(self, action: SupportsInt) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step; after the end of an episode the caller resets."""
        outcome = self.many.follow(self.many.state, self.many.known_actions(np.array([action])))
        self.many.state = outcome.after
        reward = self.many.wage(outcome.before, outcome.action, outcome.after)
        facts = {name: value[0].numpy()[()] for name, value in self.many.facts(outcome.after).items()}
        observation, ends = self.many.observe(outcome.after)[0].numpy(), (outcome.terminated, outcome.truncated)
        return observation, float(reward[0]), bool(ends[0]), bool(ends[1]), {"concepts": facts}

    def render(self) -> Any:
        """A uint8 picture, or a text map when ``render_mode`` is ``ansi``."""
        if self.render_mode == "ansi":
            return self.many.ascii(self.many.state)[0]
        return self.many.paint(self.many.state)[0].numpy()


def make_many(
    *, kind: str, num_envs: int = 1, design: str = "train", render_mode: str | None = None, **settings: Any
) -> Environment:
    """The environment ``kind`` with ``num_envs`` copies. Raises :class:`ImprintError` for settings that do not fit."""
    cls = ENVIRONMENTS.load(kind)
    try:
        environment: Environment = cls(cls.Settings(**settings), copies=num_envs, design=design)
    except pydantic.ValidationError as problem:
        raise ImprintError(f"settings of {kind}: {problem}") from problem
    environment.render_mode = render_mode
    return environment


def make_single(*, render_mode: str | None = None, **arguments: Any) -> Single:
    """One copy of an environment, arguments as for :func:`make_many`."""
    return Single(partial(make_many, **arguments), render_mode)


for _kind in ENVIRONMENTS.names():
    gymnasium.register(
        f"imprint/{_kind}-v0",
        entry_point="imprint.models.wrappers.single:make_single",
        vector_entry_point="imprint.models.wrappers.single:make_many",
        kwargs={"kind": _kind},
    )
