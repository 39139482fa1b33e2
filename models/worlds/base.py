"""The contract of a static world: a generator of experience in which every concept is known and can be changed.

An author writes three things: ``factors`` (name -> allowed values), ``draw_noise`` (everything that is not a concept)
and ``render`` (factors and noise to observation). Optionally ``derive`` adds abstract concepts computed from the
factors, ``set_<concept>`` says which factor changes when such a concept is intervened on, and ``draw_factors`` holds
the correlations of the training distribution. ``constants`` and ``draw_constants`` say what is arbitrary about it, so
that training seeds can each have a world of their own (:mod:`imprint.models.constants`). This class gives the rest:

``sample``          draw a batch, from the training distribution or from the balanced design in which every factor is
                    independent and equally frequent (the decorrelated test of goal misgeneralisation: Langosco et al.
                    2022, arXiv 2105.14111; Shah et al. 2022, arXiv 2210.01790);
``counterfactual``  the same batch with one concept changed and every other factor and all noise kept.

Letters: n episodes, T steps, C channels, H and W pixels.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from torch import Tensor

from imprint.models.constants import Redrawable
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Body, Senses
from imprint.models.threads import scoped_step

WORLDS = Family("worlds", "imprint.models.worlds", "World")

Design = Literal["train", "balanced"]


@dataclass(frozen=True)
class Batch:
    """Episodes with their ground truth."""

    observation: Tensor
    """Float tensor ``[n, ...]``."""
    concepts: pd.DataFrame
    """One row per episode: factors and abstract concepts."""
    groups: np.ndarray
    """Int64 array ``[n]``: rows with the same number must not straddle a split."""
    noise: Mapping[str, Tensor]
    """What ``render`` needs besides the factors, so that a counterfactual can keep it."""

    def __len__(self) -> int:
        return len(self.observation)

    def rows(self, index: slice | np.ndarray) -> Batch:
        """The rows ``index`` of the batch."""
        where = index if isinstance(index, slice) else np.asarray(index)
        concepts = self.concepts.iloc[where].reset_index(drop=True)
        noise = {name: value[where] for name, value in self.noise.items()}
        return Batch(self.observation[where], concepts, self.groups[where], noise)


class World(Redrawable, ABC):
    """Subclass this for a world of your own; see the module docstring for what to write."""

    Settings: ClassVar[type[BaseModel]] = FrozenSettings
    factors: Mapping[str, Sequence[Any]] = {}
    """Factor name -> allowed values."""
    moments: Mapping[str, int] = {}
    """Name -> time step at which sites are read, for worlds with time; the frames up to that step have been shown."""
    decision: str | None = None
    """The moment at which the value is read; None for worlds without time."""
    meanings: Mapping[str, str] = {}
    """Factor, concept or entry of noise -> what it is, in a few words; a page explains those that are here."""
    action_channels: int = 0
    """How many trailing channels of a frame are one-hot planes of the action taken at that step."""

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings = settings if settings is not None else self.Settings()

    @abstractmethod
    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Everything that is not a concept, first axis ``n``; rows of one ``group`` (int) must not straddle a split."""

    @abstractmethod
    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Observation ``[n, ...]`` from the factors in ``concepts`` and the noise; deterministic."""

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """The factors with abstract concepts added as columns. Default: nothing to add."""
        return concepts

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """Factors from the training distribution. Default: the balanced design."""
        return self.balanced_factors(n, rng)

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """Crude raw features ``[n, T]`` for steering signals: all, or those in ``names``. Default: none."""
        return Senses({})

    def body(self, batch: Batch) -> Body:
        """Body state ``[n]`` (hunger, ...). Default: none."""
        return Body({})

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """Where in the observation a concept is shown: concept -> bool ``[n, ...]``. Default: not known."""
        return {}

    def picture(self, observation: Tensor) -> np.ndarray:
        """Frames to look at, uint8 ``[n, T, H, W, 3]``. Default: the first three channels, scaled to their range.

        Observations without time ``[n, C, H, W]`` are one frame. Raises :class:`ImprintError` for other shapes.
        """
        frames = observation[:, None] if observation.dim() == 4 else observation
        if frames.dim() != 5:
            raise ImprintError(
                f"{type(self).__name__} shows {list(observation.shape[1:])}, which is no picture; write picture()."
            )
        frames = frames[:, :, :3].permute(0, 1, 3, 4, 2).float()
        if frames.shape[-1] < 3:  # one channel is grey, of two the third is dark
            rest = frames if frames.shape[-1] == 1 else torch.zeros_like(frames[..., :1])
            frames = torch.cat([frames, *[rest] * (3 - frames.shape[-1])], dim=-1)
        low, high = float(frames.min()), float(frames.max())
        scaled = (frames - low) / (high - low) if high > low else torch.zeros_like(frames)
        return np.asarray((scaled * 255).round().to(torch.uint8).numpy())

    def held_out(self) -> World:
        """The same world with material that no learner was trained on. Default: itself (rendering is i.i.d.)."""
        return self

    def balanced_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """Every factor independent and, up to one row, equally frequent: shuffled repetitions of its values."""
        columns = {}
        for name, values in self.factors.items():
            index = torch.arange(n) % len(values)
            columns[name] = pd.Series([values[i] for i in index[torch.randperm(n, generator=rng)].tolist()])
        return pd.DataFrame(columns)

    @property
    def concepts(self) -> tuple[str, ...]:
        """Names of all concepts: factors first, then abstract ones."""
        for name, values in self.factors.items():
            if not hasattr(values, "__getitem__") or isinstance(values, str | Mapping) or not len(values):
                raise ImprintError(f"factor {name!r} has the values {values!r}; expected a list or tuple of some.")
        row = pd.DataFrame({name: [values[0]] for name, values in self.factors.items()})
        return tuple(self._derived(row).columns)

    def values(self, concept: str) -> tuple[Any, ...]:
        """Allowed values of a concept: those of the factor, or ``(False, True)`` for an abstract one."""
        self.require(concept)
        return tuple(self.factors[concept]) if concept in self.factors else (False, True)

    def require(self, *concepts: str) -> None:
        """Raise :class:`UnknownNameError` for a concept this world does not have."""
        known = self.concepts
        for concept in concepts:
            if concept not in known:
                raise unknown_name(f"concept of {type(self).__name__}", concept, known)

    def intervene(self, factors: pd.DataFrame, concept: str, value: Any) -> pd.DataFrame:
        """``factors`` with ``concept`` set to ``value`` (scalar or one per row), other factors kept."""
        self.require(concept)
        allowed = set(self.values(concept))
        given = {value} if np.ndim(value) == 0 else set(np.asarray(value).tolist())
        if bad := sorted(map(str, given - allowed)):
            raise ImprintError(f"{concept} cannot be {bad[0]}; allowed: {', '.join(map(str, self.values(concept)))}.")
        if concept in self.factors:
            column = pd.Series([value] * len(factors) if np.ndim(value) == 0 else list(value), index=factors.index)
            return factors.assign(**{concept: column})
        setter = getattr(self, f"set_{concept}", None)
        if setter is None:
            raise ImprintError(
                f"{type(self).__name__} cannot intervene on the abstract concept {concept!r}: "
                f"write set_{concept}(self, factors, value), which returns the changed factors."
            )
        moved: pd.DataFrame = setter(factors.copy(), np.broadcast_to(np.asarray(value), (len(factors),)))
        return moved

    @scoped_step
    def sample(
        self, n: int, *, rng: torch.Generator, design: Design = "train", do: Mapping[str, Any] | None = None
    ) -> Batch:
        """Draw ``n`` episodes: ``train`` has the setup's correlations, ``balanced`` none. ``do`` fixes concepts."""
        if n < 1:
            raise ImprintError(f"n is {n}; expected at least 1.")
        if design not in ("train", "balanced"):
            raise unknown_name("design", design, ("train", "balanced"))
        factors = self.draw_factors(n, rng) if design == "train" else self.balanced_factors(n, rng)
        noise = self._drawn(n, rng)
        for concept, value in (do or {}).items():
            factors = self.intervene(factors, concept, value)
        return self._batch(factors, noise)

    @scoped_step
    def counterfactual(self, batch: Batch, concept: str, value: Any) -> Batch:
        """``batch`` with ``concept`` set to ``value`` and every other factor and the noise kept."""
        factors = self.intervene(batch.concepts[list(self.factors)], concept, value)
        return replace(self._batch(factors, dict(batch.noise)), groups=batch.groups)

    def _batch(self, factors: pd.DataFrame, noise: dict[str, Tensor]) -> Batch:
        observation = self.render(factors, noise)
        if not isinstance(observation, Tensor) or observation.dim() < 1 or len(observation) != len(factors):
            got = list(observation.shape) if isinstance(observation, Tensor) else type(observation).__name__
            raise ImprintError(
                f"{type(self).__name__}.render returned {got}; expected a tensor [n, ...] with {len(factors)} rows."
            )
        concepts = self._derived(factors)
        groups = noise["group"].numpy() if "group" in noise else np.arange(len(factors))
        if groups.dtype.kind not in "iub":
            raise ImprintError(
                f"{type(self).__name__}.draw_noise gave {groups.dtype} for 'group'; expected whole numbers, int64 [n]."
            )
        return Batch(observation, concepts, np.asarray(groups, dtype=np.int64), noise)

    def _derived(self, factors: pd.DataFrame) -> pd.DataFrame:
        """What the author's ``derive`` gave, checked."""
        concepts: Any = self.derive(factors)
        if not isinstance(concepts, pd.DataFrame) or not concepts.index.equals(factors.index):
            got = f"{len(concepts)} rows" if isinstance(concepts, pd.DataFrame) else type(concepts).__name__
            raise ImprintError(
                f"{type(self).__name__}.derive returned {got}; expected the table it was given, {len(factors)} rows in "
                "the same order, with columns added."
            )
        return concepts

    def _drawn(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """What the author's ``draw_noise`` gave, checked."""
        noise, name = self.draw_noise(n, rng), f"{type(self).__name__}.draw_noise"
        if not isinstance(noise, Mapping):
            raise ImprintError(
                f"{name} returned a {type(noise).__name__}; expected a mapping from names to tensors [n, ...], for "
                "example {'noise': tensor}."
            )
        for key, value in noise.items():
            if not isinstance(value, Tensor) or value.dim() < 1 or len(value) != n:
                got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ImprintError(f"{name} gave {got} for {key!r}; expected a tensor [n, ...] with {n} rows.")
        return dict(noise)

    def with_settings(self, **changes: Any) -> World:
        """A copy of this world with some settings changed and validated."""
        changed = copy.copy(self)
        changed.__init__(self.Settings(**{**self.settings.model_dump(), **changes}))  # type: ignore[misc]
        return changed
