"""A task in anybody's environment: how its levels are made, and what is true of them.

A *design* makes the level of a seed. It is one of

    a function seed -> gymnasium.Env                     the environment is reset with that seed
    a function seed -> mapping                           options of ``reset(seed=seed, options=...)`` of the environment
    a mapping                                            the same options for all seeds

The same seed must give the same level: trained agents, untrained ones and edited ones are compared level by level.

A *predicate* is a function ``(env, info) -> bool`` that is asked after every step, with the environment as the design
made it (``env.unwrapped`` has its attributes) and the step's ``info``. A *fact* is a function ``(env, info) -> value``
of any state: a truth value or a text is a class, a number a number, an array several numbers. A *distance* gives the
fewest steps to a goal; -1 where there is no way.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imprint.analyses.goals.behaviour import APART, MOVED
from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.players.base import stacked

TRAIN = "train"
DESIGNS = (TRAIN, APART, MOVED)
"""Names of designs; the first two are needed."""
EXAM_SEED, STATE_SEED = 1_000_000, 2_000_000
"""Seeds of the levels that are played begin here, and those of the levels whose states are read."""
TRIED = 4
"""Levels of a design that are made twice when a task begins."""
Asked = Callable[[Any, dict[str, Any]], Any]


@dataclass
class Task:
    """Levels, goals, facts and distances."""

    environment: Any
    designs: Mapping[str, Any]
    goals: Mapping[str, Asked]
    """Intended first."""
    facts: Mapping[str, Asked] = field(default_factory=dict)
    distances: Mapping[str, Asked] = field(default_factory=dict)
    places: Mapping[str, Asked] = field(default_factory=dict)
    """Proxy -> whether its usual place is reached, for the design in which it was moved."""

    walks: dict[Any, list[int]] = field(default_factory=dict, init=False)
    """Lengths of random walks that were walked before."""

    def __post_init__(self) -> None:
        for what, given in (("goals", self.goals), ("designs", self.designs)):
            if not isinstance(given, Mapping) or not given:
                raise ImprintError(f"{what} is {type(given).__name__}; expected a mapping with names as its keys.")
        if len(self.goals) < 2:
            raise ImprintError(f"goals are {list(self.goals)}; expected the intended one and at least one proxy.")
        for name in self.designs:
            if name not in DESIGNS:
                raise unknown_name("design", name, DESIGNS)
        for name in DESIGNS[:2]:
            if name not in self.designs:
                raise ImprintError(
                    f"designs lacks {name!r}; expected levels as in training and levels with goals apart."
                )
        for what in ("goals", "facts", "distances", "places"):
            for name, asked in getattr(self, what).items():
                if not isinstance(name, str) or not name or "|" in name:
                    raise ImprintError(f"{what} names {name!r}; expected a text without '|'.")
                if not callable(asked):
                    raise ImprintError(f"{what}[{name!r}] is {type(asked).__name__}; expected a function (env, info).")
        for what in ("distances", "places"):
            for name in getattr(self, what):
                if name not in self.goals:
                    raise unknown_name(f"goal in {what}", name, self.goals)
        self.sequential = dict.fromkeys(self.designs, False)
        self._try()

    # -- levels --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What the environment is called."""
        given = self.environment
        if isinstance(given, str):
            return given
        spec = getattr(given, "spec", None)
        if spec is not None:
            return str(spec.id)
        return str(getattr(given, "__name__", type(given).__name__))

    @contextmanager
    def opened(
        self, design: str, seeds: Sequence[int], parameters: Sequence[Mapping[str, Any]] | None = None
    ) -> Iterator[list[tuple[Any, Any, dict[str, Any]]]]:
        """Environment, first observation and info of some levels, closed at the end.

        ``parameters``: of each level, keyword arguments of a design that is a function, or options instead of its own.
        """
        made = []
        try:
            for seed, given in zip(seeds, parameters or [{}] * len(seeds), strict=True):
                made.append(self._level(design, seed, given))
            yield made
        finally:
            for env, _, _ in made:
                if env is not self.environment and not self.sequential[design]:
                    env.close()

    def options(self, design: str, seed: int) -> dict[str, Any] | None:
        """Options of ``reset`` of the level with a seed; None where the design makes the environment itself."""
        given = self.designs[design]
        found = given(seed) if callable(given) else given
        return dict(found) if isinstance(found, Mapping) else None

    def _level(
        self, design: str, seed: int, parameters: Mapping[str, Any] | None = None
    ) -> tuple[Any, Any, dict[str, Any]]:
        import gymnasium

        given, changes = self.designs[design], dict(parameters or {})
        try:
            if callable(given) and not isinstance(given, gymnasium.Env):
                asked = {name: value for name, value in changes.items() if _takes(given, name)}
                found, changes = given(seed, **asked), {k: v for k, v in changes.items() if k not in asked}
            else:
                found = given
            options = None
            if not isinstance(found, gymnasium.Env):
                options = None if found is None and not changes else {**dict(found or {}), **changes}
                found = self._made()
            observation, info = found.reset(seed=int(seed), options=options)
        except ImprintError:
            raise
        except Exception as error:
            raise ImprintError(
                f"making the level with seed {seed} of design {design!r} raised {type(error).__name__}: {error}. A "
                "design is a function seed -> gymnasium.Env, or seed -> options of reset()."
            ) from error
        return found, observation, info

    def _made(self) -> Any:
        """A new environment, or the only one there is."""
        import gymnasium

        given = self.environment
        if isinstance(given, str):
            return gymnasium.make(given)
        if isinstance(given, gymnasium.Env):
            return given
        if not callable(given):
            raise ImprintError(
                f"environment is {type(given).__name__}; expected the id of a Gymnasium environment, an environment, "
                "or a function that makes one."
            )
        made = given()
        if not isinstance(made, gymnasium.Env):
            raise ImprintError(f"the environment is {type(made).__name__}; expected a gymnasium.Env.")
        return made

    def _try(self) -> None:
        """Make some levels twice. Raises :class:`ImprintError` for a design whose levels do not follow from seeds."""
        spaces = []
        for design in self.designs:
            seeds = range(EXAM_SEED, EXAM_SEED + TRIED)
            seen, envs = [], []
            for _ in range(2):
                for seed in seeds:
                    env, observation, info = self._level(design, seed)
                    envs.append(env)
                    seen.append(_bytes(observation))
                    for name, fact in self.facts.items():
                        columns_of(name, self.ask("facts", name, fact, env, info))
                    spaces.append((env.observation_space, env.action_space))
                    self.sample = observation
            _require_settled(envs[0], design)
            self.sequential[design] = len({id(env) for env in envs}) < len(envs)
            if seen[:TRIED] != seen[TRIED:]:
                raise ImprintError(
                    f"design {design!r} gives another level when it is asked again with the same seed, so agents would "
                    "not be tried on the same levels; draw everything from the seed."
                )
            if not self.sequential[design]:
                for env in envs:
                    env.close()
        self.space, self.action_space = spaces[0]
        for space, action_space in spaces:
            if space != self.space or action_space != self.action_space:
                raise ImprintError(
                    f"levels have different spaces: {space} and {self.space}, {action_space} and {self.action_space}."
                )

    @property
    def samples(self) -> Any:
        """The observation of one level, twice, stacked."""
        return stacked([self.sample, self.sample])

    # -- asking --------------------------------------------------------------------------------------------------

    def ask(self, what: str, name: str, asked: Asked, env: Any, info: dict[str, Any]) -> Any:
        """What a predicate, fact or distance says. Raises :class:`ImprintError` with its own error in words."""
        try:
            return asked(env, info)
        except Exception as error:
            raise ImprintError(
                f"{what}[{name!r}] raised {type(error).__name__}: {error}. It is called with the environment "
                f"(attributes of the innermost one are at env.unwrapped) and the step's info, which holds "
                f"{', '.join(map(str, info)) or 'nothing'}."
            ) from error

    def attained(self, env: Any, info: dict[str, Any], goals: Mapping[str, Asked]) -> NDArray[np.bool_]:
        """Which goals are attained now, bool ``[G]``."""
        found = []
        for name, asked in goals.items():
            value = np.asarray(self.ask("goals", name, asked, env, info))
            if value.size != 1 or value.dtype.kind not in "biuf":
                raise ImprintError(f"goals[{name!r}] gave {value!r}; expected True or False.")
            found.append(bool(value))
        return np.array(found)

    def distance(self, env: Any, info: dict[str, Any], goal: str) -> int:
        """Fewest steps to a goal; -1 where there is no way or nothing was said about it."""
        if goal not in self.distances:
            return -1
        value = self.ask("distances", goal, self.distances[goal], env, info)
        try:
            steps = float(value)
        except (TypeError, ValueError):
            raise ImprintError(f"distances[{goal!r}] gave {value!r}; expected a number of steps, or -1.") from None
        return round(steps) if np.isfinite(steps) and steps >= 0 else -1


def columns_of(name: str, value: Any) -> dict[str, Any]:
    """A fact as columns of a table: an array becomes ``name[0]``, ``name[1]``, ..."""
    if isinstance(value, str | bool | np.bool_):
        return {name: value}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.size > 64:
        raise ImprintError(f"facts[{name!r}] gave {type(value).__name__}; expected a number, a truth value or a text.")
    kind: Any = bool if array.dtype.kind == "b" else float
    if array.size == 1:
        return {name: kind(array.item())}
    return {f"{name}[{i}]": kind(part) for i, part in enumerate(array.ravel())}


def _require_settled(env: Any, design: str) -> None:
    """Raise :class:`ImprintError` for a wrapper that goes on learning what observations are like."""
    while env is not None:
        if type(env).__name__ == "NormalizeObservation" and getattr(env, "update_running_mean", True):
            raise ImprintError(
                f"levels of design {design!r} are wrapped in NormalizeObservation, which learns its statistics anew in "
                "each, so an agent would be shown other numbers than in training. Give it those of training (obs_rms) "
                "and set update_running_mean = False."
            )
        env = env.__dict__.get("env")


def _takes(function: Any, name: str) -> bool:
    """Whether a function has a keyword argument of this name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(one.name == name or one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)


def _bytes(observation: Any) -> bytes:
    if isinstance(observation, Mapping):
        return b"".join(_bytes(observation[name]) for name in sorted(observation))
    if isinstance(observation, tuple | list):
        return b"".join(_bytes(part) for part in observation)
    return np.asarray(observation).tobytes() if not isinstance(observation, str) else observation.encode()
