"""profile: what one value depends on, as numbers that can be computed again from any draw of its groups.

For C concepts a profile has, in this order,

    shares       [C + 2]   of the concepts, their interaction and the rest (:mod:`imprint.analyses.latch.shares`)
    effects      [C]       change of the value when the concept alone is changed, in standard deviations of the value
    causal       [C]       share that these changes account for: variance of the level means they imply / V

For a concept with two levels of probability p and 1 - p the causal share is p (1 - p) effect^2. Where a concept is
randomised it equals the share; where it is confounded with something else that moves the value, the share is larger.
Both use one weighting of the cells and one V, that of the draw, so that no standard deviation is taken for known.
Where a world cannot change a concept, effect and causal share are those of association: the difference of level means.

Letters: G groups, K cells, C concepts, L levels, P = L (L - 1) / 2 pairs of levels, Q = 3 C + 2, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imprint.analyses.latch.effects import EffectSums
from imprint.analyses.latch.shares import CellSums, parts
from imprint.analyses.statistics import Floats, group_weights, merged


@dataclass(frozen=True)
class Profile:
    """One value on one sample: sums per group, from which every number follows."""

    cells: CellSums
    effects: Mapping[str, EffectSums]
    """Concept -> sums; concepts that could not be changed are absent."""

    @property
    def concepts(self) -> tuple[str, ...]:
        """Intended concept first, then the proxies."""
        return self.cells.design.concepts

    @property
    def groups(self) -> int:
        """Groups that can be drawn again; one group gives no interval."""
        return len(self.cells.sums)

    @property
    def numbers(self) -> Floats:
        """``[Q]`` on the whole sample."""
        return self._numbers(self._flat.sum(0), noise=1.0)

    def draws(self, resamples: int, rng: np.random.Generator) -> Floats:
        """``[R, Q]`` of group resamples; NaN with fewer than two groups.

        The same state of ``rng`` and as many groups give the same groups. A resample carries the noise of the sample
        besides its own, so sampling noise is taken out of its shares twice.
        """
        if self.groups < 2:
            return np.full((resamples, 3 * len(self.concepts) + 2), np.nan)
        groups = merged(self._flat, rng)
        return self._numbers(group_weights(len(groups), resamples, rng) @ groups, noise=2.0)

    @property
    def _flat(self) -> Floats:
        """All sums side by side, ``[G, .]``."""
        sums = [self.cells.sums, *(self.effects[c].sums for c in self.concepts if c in self.effects)]
        return np.concatenate([s.reshape(len(s), -1) for s in sums], axis=1)

    def _numbers(self, flat: Floats, *, noise: float) -> Floats:
        design, cells = self.cells.design, len(self.cells.design.weight)
        of_cells, rest = flat[..., : 3 * cells], flat[..., 3 * cells :]
        sums = of_cells.reshape(*flat.shape[:-1], cells, 3)
        main, between, within = parts(design, sums, noise=noise)
        total = between + within
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.where(total > 0, total, np.nan)[..., None]
            shares = np.concatenate([main, (between - main.sum(-1))[..., None], within[..., None]], -1) / total
            means = sums[..., 1] / sums[..., 0]
        effects, causal = [], []
        for index, concept in enumerate(self.concepts):
            chance, contrast = design.contrasts(index)
            if concept in self.effects:
                width = self.effects[concept].sums.shape[-1]
                changed = rest[..., : cells * width].reshape(*rest.shape[:-1], cells, width)
                rest = rest[..., cells * width :]
                pairs = self.effects[concept].changes(changed, design.weight)
                offsets = np.concatenate([np.zeros_like(pairs[..., :1]), pairs[..., : len(chance) - 1]], -1)
            else:
                level = means @ contrast.T
                offsets = level - level[..., :1]
                pairs = offsets[..., 1:]
            effects.append(pairs[..., 0] if len(chance) == 2 else np.abs(pairs).mean(-1))
            causal.append(np.square(offsets) @ chance - np.square(offsets @ chance))
        spread = np.sqrt(total)
        return np.concatenate([shares, np.stack(effects, -1) / spread, np.stack(causal, -1) / total], -1)


def split(numbers: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares ``[..., C + 2]``, effects ``[..., C]`` and causal shares ``[..., C]`` of ``numbers [..., Q]``."""
    concepts = (numbers.shape[-1] - 2) // 3
    return numbers[..., : concepts + 2], numbers[..., concepts + 2 : -concepts], numbers[..., -concepts:]
