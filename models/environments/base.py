"""The contract of an environment: all copies step as one tensor, every fact is known, and one can be changed.

A *state* is a dictionary of tensors whose first axis counts the copies. An author writes pure functions of states
(``draw``, ``observe``, ``transition``, ``ended``, ``senses``, ``facts``, ``edit``, ``paint``, ``ascii``); this class
makes a Gymnasium ``VectorEnv`` of them, :mod:`imprint.models.wrappers.single` a plain ``Env``. Randomness inside an
episode comes from ``state["key"]``, one number per copy that :func:`imprint.models.chance.uniform` turns into random
numbers, so that a state and the actions determine the future: a snapshot is a copy of the state, and a counterfactual
edit keeps the randomness.

    design   distribution of levels: ``train`` has the correlations of the settings; each environment names its others,
             among them one in which the intended goal and its proxy lie apart
    sense    a crude raw feature of a step, from the state before and the state after
    fact     a concept's exact value in a state

An episode ends when ``ended`` says so (terminated) or after ``settings.limit`` steps (truncated); the copy then starts
a new level in the same step (Gymnasium's ``SAME_STEP``).

Letters: n copies, C channels, H and W cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from pydantic import Field
from torch import Tensor

from imprint.models.constants import Redrawable
from imprint.models.errors import ImprintError, NotMeasurableError, unknown_name
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings
from imprint.models.states import State, joined, replaced, rows
from imprint.models.threads import scoped_step

ENVIRONMENTS = Family("environments", "imprint.models.environments", "Environment")

STORE = 4096
"""Levels drawn in one call and kept for coming episodes."""


class EnvironmentSettings(FrozenSettings):
    """Settings of every environment."""

    limit: int = Field(40, ge=1, le=10_000_000)
    """Steps after which an episode is cut off."""


@dataclass(frozen=True)
class View:
    """Shape of observations and number of actions; all that an agent is built from."""

    channels: int
    height: int
    width: int
    actions: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one observation."""
        return (self.channels, self.height, self.width)


@dataclass(frozen=True)
class Outcome:
    """One step of all copies, before finished episodes are replaced."""

    before: State
    action: Tensor
    """int64 ``[n]``: the action carried out, which is not what the agent chose where a reflex fired."""
    after: State
    terminated: Tensor
    """bool ``[n]``."""
    truncated: Tensor
    """bool ``[n]``: the limit was reached and the episode had not ended."""

    @property
    def done(self) -> Tensor:
        """Whether the episode is over, bool ``[n]``."""
        return self.terminated | self.truncated


class Facts(dict[str, np.ndarray]):
    """Exact concepts of a state, ``[n]`` each, computed when they are first read: they can cost more than a step.

    A dictionary and not only a mapping, because Gymnasium's wrappers look for one in ``info``.
    """

    def __init__(self, environment: Environment, state: State) -> None:
        super().__init__()
        self._source: tuple[Environment, State] | None = (environment, state)

    def compute(self) -> None:
        """Fill in the facts, once."""
        if self._source is not None:
            (environment, state), self._source = self._source, None
            self.update({name: value.numpy().copy() for name, value in environment.facts(state).items()})


def _computing_first(method: Callable[..., Any]) -> Callable[..., Any]:
    """``method`` after the facts are computed. ``self`` has no type: checking that of a mapping reads an item of it."""

    def computed(self: Any, *arguments: Any) -> Any:
        self.compute()
        return method(self, *arguments)

    return computed


_OPERATORS = ("getitem", "contains", "iter", "reversed", "len", "repr", "eq", "ne", "or", "ror")
_METHODS = ("get", "keys", "values", "items", "copy", "pop", "popitem", "setdefault")
for _name in (*(f"__{name}__" for name in _OPERATORS), *_METHODS):
    setattr(Facts, _name, _computing_first(getattr(dict, _name)))


class Environment(VectorEnv[np.ndarray, np.ndarray, np.ndarray], Redrawable, ABC):
    """Subclass this for an environment of your own; see the module docstring for what to write."""

    Settings: ClassVar[type[EnvironmentSettings]] = EnvironmentSettings
    actions: ClassVar[tuple[str, ...]]
    """Names of the actions, which are numbered in this order."""
    designs: ClassVar[tuple[str, ...]] = ("train",)
    """Names of level distributions, ``train`` first."""
    wages: ClassVar[str]
    """The sense that :meth:`step` returns as Gymnasium's reward (ours comes from the steering signals)."""
    goals: ClassVar[Mapping[str, str]] = {}
    """Goal -> the sense that is 1 on the step in which it is attained."""
    marks: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Goal -> facts that say where it is (``coin_cell``) or how to get there (``coin_way``)."""
    places: ClassVar[Mapping[str, int]] = {}
    """Fact that numbers the cells of a map row by row (``coin_cell``) -> columns of that map; -1 is no place."""
    usual: ClassVar[Mapping[str, str]] = {}
    """Goal -> the goal of being where it always was in training; for worlds with the design ``moved``."""

    def __init__(self, settings: EnvironmentSettings | None = None, *, copies: int = 1, design: str = "train") -> None:
        self.settings = settings if settings is not None else self.Settings()
        if copies < 1:
            raise ImprintError(f"copies is {copies}; expected at least 1.")
        self.num_envs, self.design = copies, self.known_design(design)
        self.metadata = {"render_modes": ["rgb_array", "ansi"], "autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode: str | None = "rgb_array"
        self.single_action_space = gymnasium.spaces.Discrete(len(self.actions))
        self.single_observation_space = gymnasium.spaces.Box(0.0, 1.0, self.view.shape, np.float32)
        self.action_space = batch_space(self.single_action_space, copies)
        self.observation_space = batch_space(self.single_observation_space, copies)
        self.rng = torch.Generator().manual_seed(0)
        self._store: State | None = None
        self._used = 0
        self._state: State | None = None

    # -- what an author writes -----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def view(self) -> View:
        """Shape of observations and number of actions."""

    @abstractmethod
    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """``n`` fresh levels. ``key`` and ``clock`` are added by :meth:`levels`."""

    @abstractmethod
    def observe(self, state: State) -> Tensor:
        """Observations of the agent, float32 ``[n, C, H, W]`` in [0, 1]."""

    @abstractmethod
    def transition(self, state: State, action: Tensor) -> State:
        """The state after ``action`` int64 ``[n]``, whose clock is set for it; must not change ``state``."""

    @abstractmethod
    def ended(self, state: State) -> Tensor:
        """Whether the episode is over in this state, bool ``[n]``."""

    @abstractmethod
    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """Crude raw features of a step, float32 ``[n]`` each."""

    def wage(self, before: State, action: Tensor, after: State) -> Tensor:
        """The sense ``wages`` of a step, ``[n]``. Default: taken from all senses."""
        return self.senses(before, action, after)[self.wages]

    @abstractmethod
    def facts(self, state: State) -> dict[str, Tensor]:
        """Exact concepts ``[n]``: bool, int64 (categories) or float32 (numbers)."""

    @abstractmethod
    def edit(self, state: State, fact: str, value: Any) -> State:
        """``state`` with one fact set to ``value`` (a scalar or ``[n]``) and all else kept.

        Raises :class:`UnknownNameError` for a fact that cannot be set, :class:`ImprintError` for an impossible value.
        """

    @abstractmethod
    def paint(self, state: State) -> Tensor:
        """Pictures, uint8 ``[n, H', W', 3]``."""

    @abstractmethod
    def ascii(self, state: State) -> list[str]:
        """One text map per copy."""

    def body(self, state: State) -> dict[str, Tensor]:
        """Body state, float32 ``[n]`` each (hunger, ...). Default: none."""
        return {}

    def distances(self, state: State) -> dict[str, Tensor]:
        """Steps to each goal, int64 ``[n]``; -1 where there is none or no path. Default: not known."""
        return {}

    def cell_of(self, state: State) -> Tensor:
        """Cell of the agent, int64 ``[n, 2]`` (row, column). Default: :class:`NotMeasurableError`."""
        raise NotMeasurableError(f"{type(self).__name__} has no cells.")

    def put(self, state: State, cell: Tensor) -> State:
        """``state`` with the agent moved to ``cell`` int64 ``[n, 2]``. Default: :class:`NotMeasurableError`."""
        raise NotMeasurableError(f"{type(self).__name__} has no cells.")

    def elsewhere(self, state: State, goal: str, *, rng: torch.Generator) -> State:
        """``state`` with ``goal`` at another place that can be reached, and all else kept; the agent can see where.

        Default: :class:`NotMeasurableError`.
        """
        raise NotMeasurableError(f"{type(self).__name__} cannot put {goal!r} elsewhere.")

    # -- what this class gives -----------------------------------------------------------------------------------

    def known_design(self, design: str) -> str:
        """``design``. Raises :class:`UnknownNameError` if there is none of that name."""
        if design not in self.designs:
            raise unknown_name(f"design of {type(self).__name__}", design, self.designs)
        return design

    def levels(self, n: int, *, rng: torch.Generator, design: str | None = None) -> State:
        """``n`` fresh levels as states at their first step."""
        state = self.draw(n, rng=rng, design=self.known_design(design or self.design))
        key = torch.randint(-(2**62), 2**62, (n,), generator=rng)
        return {**state, "key": key, "clock": torch.zeros(n, dtype=torch.int64)}

    def follow(self, state: State, action: Tensor) -> Outcome:
        """One step of every copy, without replacing finished episodes."""
        after = self.transition(state, action)
        after = {**after, "clock": state["clock"] + 1}
        terminated = self.ended(after)
        truncated = ~terminated & (after["clock"] >= self.settings.limit)
        return Outcome(state, action, after, terminated, truncated)

    @property
    def state(self) -> State:
        """The state of all copies; raises before the first :meth:`reset`."""
        if self._state is None:
            raise ImprintError(f"{type(self).__name__} was stepped before reset(); call reset(seed=...) first.")
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if (n := len(state["clock"])) != self.num_envs:
            raise ImprintError(f"the state given has {n} copies; this environment has {self.num_envs}.")
        self._state = dict(state)

    @scoped_step
    def advance(self, action: Tensor) -> Outcome:
        """One step of every copy; finished episodes are replaced by fresh levels. Tensors in, tensors out."""
        outcome = self.follow(self.state, action)
        index = torch.nonzero(outcome.done).flatten()
        self._state = replaced(outcome.after, index, self._fresh(len(index))) if len(index) else outcome.after
        return outcome

    def _fresh(self, n: int) -> State:
        parts = []
        while n:
            if self._store is None or self._used == STORE:
                self._store, self._used = self.levels(STORE, rng=self.rng), 0
            take = min(n, STORE - self._used)
            parts.append(rows(self._store, slice(self._used, self._used + take)))
            self._used, n = self._used + take, n - take
        return parts[0] if len(parts) == 1 else joined(parts)

    # -- Gymnasium -----------------------------------------------------------------------------------------------

    @scoped_step
    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start every copy on a fresh level.

        ``seed`` restarts the stream of levels (one number for all copies; of a list, the first). ``options``:
        ``{"design": name}`` or ``{"state": state}``.
        """
        first = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=first)
        if first is not None:
            self.rng.manual_seed(first)
            self._store = None
        given = dict(options or {})
        if "design" in given:
            self.design, self._store = self.known_design(str(given.pop("design"))), None
        state = given.pop("state", None)
        if given:
            raise unknown_name("reset option", next(iter(given)), ("design", "state"))
        self.state = self._fresh(self.num_envs) if state is None else state
        return self.observe(self.state).numpy(), {"concepts": Facts(self, self.state)}

    @scoped_step
    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Gymnasium's step; ``info["concepts"]`` has the exact facts of the states that are observed."""
        action = self.known_actions(actions)
        outcome = self.advance(action)
        reward = self.wage(outcome.before, outcome.action, outcome.after).numpy()
        info: dict[str, Any] = {"concepts": Facts(self, self.state)}
        index = torch.nonzero(outcome.done).flatten()
        if len(index):
            done, final = outcome.done.numpy(), np.full(self.num_envs, None, dtype=object)
            for i, observation in zip(index.tolist(), self.observe(rows(outcome.after, index)).numpy(), strict=True):
                final[i] = observation
            info |= {"final_obs": final, "_final_obs": done}
            info |= {"final_info": {"concepts": Facts(self, outcome.after)}, "_final_info": done}
        observation, ends = self.observe(self.state).numpy(), (outcome.terminated.numpy(), outcome.truncated.numpy())
        return observation, reward, *ends, info

    def known_actions(self, actions: np.ndarray) -> Tensor:
        """``actions`` as int64 ``[n]``. Raises :class:`ImprintError` for other shapes and numbers."""
        given = np.asarray(actions)
        whole = given.shape == (self.num_envs,) and np.issubdtype(given.dtype, np.integer)
        if not whole or given.min() < 0 or given.max() >= len(self.actions):
            raise ImprintError(
                f"actions are {np.array2string(given, threshold=8)}; "
                f"expected {self.num_envs} whole numbers from 0 to {len(self.actions) - 1}."
            )
        return torch.as_tensor(given, dtype=torch.int64)

    def render(self) -> Any:
        """A tuple of uint8 pictures, or of text maps when ``render_mode`` is ``ansi``."""
        if self.render_mode == "ansi":
            return tuple(self.ascii(self.state))
        return tuple(self.paint(self.state).numpy())

    def snapshot(self) -> dict[str, Any]:
        """Everything the future depends on, for :meth:`restore`."""
        return {
            "state": {name: value.clone() for name, value in self.state.items()},
            "store": None if self._store is None else dict(self._store),
            "used": self._used,
            "rng": self.rng.get_state(),
            "design": self.design,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on where :meth:`snapshot` was taken."""
        self._state = {name: value.clone() for name, value in snapshot["state"].items()}
        self._store, self._used = snapshot["store"], snapshot["used"]
        self.rng.set_state(snapshot["rng"])
        self.design = snapshot["design"]
