"""The contract of a player: a policy that somebody else made, followed in n copies of an environment in step.

    player.begin(n)                              n episodes begin
    actions = player.act(seen)                   one step of all; finished copies are shown their last observation again
    with player.edited({tap: change}): ...       the same with activations changed
    with player.recorded(taps) as found: ...     the same, keeping what was computed: found[tap] is [n, d]

Chance in actions depends on ``seen.noise`` and the number of copies alone, so that two rollouts of the same levels, one
of them edited, differ by the edit (common random numbers). The global generators are left as they were.

Letters: n copies, d width of a tap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imprint.models.errors import ImprintError

Change = Callable[[Tensor], Tensor]
"""Activations ``[n, d]`` -> activations that take their place."""
TOGETHER = 64
"""Copies that a network is shown at once."""


class Tap(NamedTuple):
    """A place at which activations are read or changed: what enters or what leaves a module."""

    module: str
    entering: bool = False

    @property
    def name(self) -> str:
        """As in findings."""
        return f"{self.module}.input".lstrip(".") if self.entering else self.module


@dataclass(frozen=True)
class Seen:
    """What a player is shown."""

    observations: Sequence[Any]
    """``n`` observations of an environment."""
    first: bool
    """Whether the episodes begin with these."""
    noise: int
    """Seed of chance in this step."""
    masks: NDArray[np.bool_] | None = None
    """Which actions are allowed ``[n, A]``; None: all."""


class Player(ABC):
    """A policy that can be followed. ``spaces``: observation and action space of the environment's single copies."""

    together = TOGETHER
    """Copies that are followed at once."""
    model: nn.Module | None = None
    """What activations are read from; None: nothing is known of the inside."""
    acting: Tap | None = None
    """Where what is known is erased: the last activations before the actions."""
    taps: tuple[Tap, ...] = ()
    """Where facts are located."""
    has_value = False
    """Whether there is a critic."""
    notes: tuple[str, ...] = ()
    """What must be known of the policy to read the numbers, in sentences."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is, for the page."""

    def begin(self, n: int) -> None:
        """``n`` episodes begin."""
        self.n = n

    @abstractmethod
    def act(self, seen: Seen) -> NDArray[Any]:
        """An action per copy ``[n, ...]``."""

    def value(self, seen: Seen) -> NDArray[np.float32]:
        """The critic's value ``[n]``; called once a step, before :meth:`act`."""
        return np.full(len(seen.observations), np.nan, dtype=np.float32)

    def logits(self, seen: Seen) -> NDArray[np.float32] | None:
        """Logits of the actions ``[n, A]`` of a discrete policy; None where there are none."""
        return None

    @contextmanager
    def edited(self, changes: Mapping[Tap, Change]) -> Iterator[None]:
        """Change activations within this context."""
        with self._hooked(changes):
            yield

    @contextmanager
    def recorded(self, taps: Sequence[Tap]) -> Iterator[dict[Tap, Tensor]]:
        """Keep activations ``[n, d]`` of the last forward pass within this context."""
        found: dict[Tap, Tensor] = {}

        def keep(tap: Tap) -> Change:
            def record(x: Tensor) -> Tensor:
                found[tap] = x.detach().flatten(1).float().cpu().clone()
                return x

            return record

        with self._hooked({tap: keep(tap) for tap in taps}):
            yield found

    @contextmanager
    def _hooked(self, changes: Mapping[Tap, Change]) -> Iterator[None]:
        if changes and self.model is None:
            raise ImprintError(f"{self.name} is a function, so its activations cannot be read or changed.")
        handles = []
        try:
            for tap, change in changes.items():
                module = self.model.get_submodule(tap.module)  # type: ignore[union-attr]
                handles.append(_entering(module, change) if tap.entering else _leaving(module, change))
            yield
        finally:
            for handle in handles:
                handle.remove()


def _entering(module: nn.Module, change: Change) -> Any:
    return module.register_forward_pre_hook(lambda _module, inputs: (_changed(change, inputs[0]), *inputs[1:]))


def _leaving(module: nn.Module, change: Change) -> Any:
    return module.register_forward_hook(lambda _module, _inputs, output: _changed(change, output))


def _changed(change: Change, x: Any) -> Any:
    """A tensor ``[n, ...]`` changed as rows ``[n, d]``; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    return change(x.flatten(1)).reshape(x.shape).to(x.dtype)


def stacked(observations: Sequence[Any]) -> Any:
    """Observations as one array ``[n, ...]``, or name -> array. Raises :class:`ImprintError` for other containers."""
    first = observations[0]
    if isinstance(first, Mapping):
        return {name: np.stack([np.asarray(one[name]) for one in observations]) for name in first}
    if isinstance(first, tuple):
        raise ImprintError("observations are tuples; flatten them with a gymnasium wrapper.")
    return np.stack([np.asarray(one) for one in observations])


def fitting(actions: NDArray[Any], space: Any, name: str) -> NDArray[Any]:
    """Actions ``[n, ...]`` as the environment takes them. Raises :class:`ImprintError` for one that is not allowed."""
    from gymnasium import spaces

    kept: NDArray[Any]
    numbers = actions.dtype.kind in "biuf"
    if not numbers or (not isinstance(space, spaces.Box) and not (np.isfinite(actions) & (actions % 1 == 0)).all()):
        raise ImprintError(
            f"{name} gave the action {actions.ravel()[0]!r}; expected one of {space}, as a whole number: of "
            "probabilities or scores choose one."
        )
    if isinstance(space, spaces.Box):
        kept = np.clip(actions.reshape(len(actions), *space.shape), space.low, space.high).astype(space.dtype)
    elif isinstance(space, spaces.Discrete):
        kept = np.asarray(actions).reshape(len(actions)).astype(np.int64)
    else:
        kept = np.asarray(actions).reshape(len(actions), *space.shape).astype(space.dtype)
    wrong = next((action for action in kept if not space.contains(action)), None)
    if wrong is not None or (isinstance(space, spaces.Box) and not np.isfinite(kept).all()):
        raise ImprintError(f"{name} gave the action {wrong}; expected one of {space}.")
    return kept


def seeded(noise: int) -> torch.Generator:
    """The generator of one step's chance."""
    return torch.Generator().manual_seed(noise % 2**62)
