"""Levels of a world of episodes: factors and noise, searched for episodes that are valued without the intended concept.

A change sets one factor to another of its values (everything else kept), or takes the noise of another episode. Where
the world renders with torch and the noise is continuous, ``gradient`` moves the noise up the gradient of the value,
within the range that noise has in training episodes; where no gradient arrives, that is said.

The intended concept is *there* in an episode when it has the value that is valued most on average over training
episodes; elsewhere it is *absent*.

Letters: n episodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.expose.levels.ground import ABSENT, Ground, Shown, Trial
from imprint.models.errors import ImprintError
from imprint.models.worlds.base import Batch, World
from imprint.probes.subjects.subject import Subject

POOL = 1024
"""Training episodes that values, ranges and noise are taken from."""
NOISE, GRADIENT = "noise", "gradient"
STEP = 0.25
"""Size of a step up the gradient, in standard deviations of the noise."""


class WorldGround(Ground):
    """Episodes of a world, valued by a subject."""

    acts, has_value = False, True

    def __init__(self, subject: Subject, world: World, *, intended: str, rng: np.random.Generator) -> None:
        world.require(intended)
        self.subject, self.world, self.intended = subject, world, intended
        self._pool = self.founders(POOL, rng)
        value = pd.Series(self.subject.values(self._pool.observation).double().numpy())
        by_concept = value.groupby(self._pool.concepts[intended].to_numpy()).mean()
        if len(by_concept) < 2:
            raise ImprintError(
                f"{intended} has the same value in all training episodes; expected one that is sometimes absent."
            )
        self.there = by_concept.idxmax()
        """The value of the intended concept that is valued most."""
        self._float = {name: v for name, v in self._pool.noise.items() if v.is_floating_point() and v[0].numel()}
        factors = [name for name, values in world.factors.items() if len(values) > 1]
        noise = (NOISE,) if self._pool.noise else ()
        climbs = (GRADIENT,) if self._float and self._slopes(self._pool.rows(slice(2))) is not None else ()
        self.operators = (*factors, *noise, *climbs)
        if self._float and not climbs:
            self.limits = (
                f"No gradient passes from the value through {type(world).__name__}'s rendering to its noise, so noise "
                "is exchanged between episodes and not moved.",
            )

    def founders(self, n: int, rng: np.random.Generator) -> Batch:
        """Episodes of the training distribution."""
        return self.world.sample(n, rng=torch.Generator().manual_seed(int(rng.integers(2**62))))

    def rows(self, levels: Batch, index: NDArray[np.int64]) -> Batch:
        """Some of the episodes."""
        return levels.rows(np.asarray(index, dtype=np.int64))

    def joined(self, parts: Sequence[Batch]) -> Batch:
        """Episodes of several lots as one."""
        noise = {name: torch.cat([part.noise[name] for part in parts]) for name in parts[0].noise}
        concepts = pd.concat([part.concepts for part in parts], ignore_index=True)
        observation = torch.cat([part.observation for part in parts])
        return Batch(observation, concepts, np.concatenate([part.groups for part in parts]), noise)

    # -- changes -------------------------------------------------------------------------------------------------

    def changed(
        self, levels: Batch, operators: Sequence[str], rng: np.random.Generator
    ) -> tuple[Batch, NDArray[np.bool_]]:
        """Each episode with a factor set, other noise, or noise moved up the gradient."""
        names, parts, order = np.array(operators), [], []
        for name in dict.fromkeys(operators):
            index = np.flatnonzero(names == name)
            parts.append(self._change(levels.rows(index), name, rng))
            order.append(index)
        back = np.argsort(np.concatenate(order), kind="stable")
        return self.joined(parts).rows(back), np.ones(len(names), dtype=bool)

    def _change(self, episodes: Batch, name: str, rng: np.random.Generator) -> Batch:
        n = len(episodes)
        if name == GRADIENT:
            return self._climbed(episodes)
        if name == NOISE:
            other = self._pool.rows(rng.integers(0, POOL, n))
            return self._rendered(replace(episodes, noise=other.noise, groups=other.groups))
        values = self.world.values(name)
        old = np.array([values.index(value) for value in episodes.concepts[name].tolist()])
        new = (old + rng.integers(1, len(values), n)) % len(values)
        return self.world.counterfactual(episodes, name, np.array([values[i] for i in new]))

    def _rendered(self, episodes: Batch) -> Batch:
        """The observation of the episodes' factors and noise."""
        factors = episodes.concepts[list(self.world.factors)]
        with torch.no_grad():
            return replace(episodes, observation=self.world.render(factors, dict(episodes.noise)))

    def _slopes(self, episodes: Batch) -> dict[str, Tensor] | None:
        """Gradient of the value in every continuous noise; None where none arrives."""
        noise = {name: value.clone() for name, value in episodes.noise.items()}
        moving = {name: noise[name].requires_grad_() for name in self._float}
        try:
            observation = self.world.render(episodes.concepts[list(self.world.factors)], noise)
            value = self.subject.value_with_grad(observation).sum()
            slopes = torch.autograd.grad(value, list(moving.values()), allow_unused=True)
        except (RuntimeError, TypeError, ImprintError):
            return None
        found = {name: slope for name, slope in zip(moving, slopes, strict=True) if slope is not None}
        return found or None

    def _climbed(self, episodes: Batch) -> Batch:
        slopes, noise = self._slopes(episodes) or {}, dict(episodes.noise)
        for name, slope in slopes.items():
            pool = self._float[name]
            low, high = pool.amin(0), pool.amax(0)
            step = STEP * pool.std(0) * slope.sign()
            noise[name] = torch.minimum(torch.maximum(noise[name] + step, low), high)
        return self._rendered(replace(episodes, noise=noise))

    # -- what the subject makes of them --------------------------------------------------------------------------

    def shown(self, levels: Batch) -> Shown:
        """Value, and whether the intended concept is there."""
        value = self.subject.values(levels.observation).double().numpy()
        there = levels.concepts[self.intended].to_numpy() == self.there
        return Shown(value, np.where(there, 0.0, ABSENT))

    def played(self, levels: Batch, tries: int, rng: np.random.Generator, *, ends: bool = False) -> Trial:
        """What is shown: nothing is done in an episode. Niches are the factors that are not intended."""
        names = [name for name in self.world.factors if name != self.intended]
        niche = [str(row) for row in levels.concepts[names].itertuples(index=False, name=None)]
        return Trial(self.shown(levels), np.full((len(levels), 1), -1, dtype=np.int64), niche)

    def facts(self, levels: Batch) -> pd.DataFrame:
        """Factors and abstract concepts."""
        return levels.concepts.reset_index(drop=True)

    def texts(self, levels: Batch) -> list[str]:
        """The concepts of each episode."""
        return [", ".join(f"{k}={v}" for k, v in row.items()) for row in levels.concepts.to_dict("records")]

    def written(self, levels: Batch) -> list[dict[str, Any]]:
        """Factors and noise."""
        factors = levels.concepts[list(self.world.factors)]
        rows = [{name: _plain(value) for name, value in row.items()} for row in factors.to_dict("records")]
        noise = {name: value.tolist() for name, value in levels.noise.items()}
        return [{"factors": row, "noise": {k: v[i] for k, v in noise.items()}} for i, row in enumerate(rows)]

    def about(self) -> Mapping[str, Any]:
        """Name and settings of the world, and types of the noise."""
        types = {name: str(value.dtype).removeprefix("torch.") for name, value in self._pool.noise.items()}
        return {
            "world": type(self.world).__name__,
            "settings": self.world.settings.model_dump(mode="json"),
            "types": types,
        }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
