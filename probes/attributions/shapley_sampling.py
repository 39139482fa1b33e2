"""shapley_sampling: what a patch adds to the value, averaged over random orders in which patches join the baseline.

    effect(P) = mean over orders of  v(b with all patches before P and P itself taken from x) - v(the same without P)
    a_i = effect(P) / |P|   for i in P          sum_i a_i = v(x) - v(b)

Sampled Shapley values (Castro et al. 2009, Computers & Operations Research 36; Strumbelj & Kononenko 2010, JMLR 11),
through captum. The effects of each order sum to v(x) - v(b), so completeness holds for any number of samples; sampling
errors concern only how the sum is divided among patches. It needs no gradient.

Deviations from the source: (1) orders come in pairs, each with its reverse (antithetic, Mitchell et al. 2022, JMLR 23),
which is exact for a value whose interactions involve at most two patches; (2) the effect of a patch is divided evenly
among its elements; (3) orders are drawn from ``seed`` alone, the same for all observations, without global random
state.

Letters: n observations, P a patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from captum import attr
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import PatchAttributor, patch_index, spread_evenly
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class ShapleySampling(PatchAttributor):
    """Shapley values of patches, sampled over orders."""

    complete: ClassVar[bool] = True

    samples: int = 24
    """Number of orders, which must be even."""
    seed: int = 0
    """Seed of the orders."""

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        if self.samples < 2 or self.samples % 2:
            raise ImprintError(f"samples is {self.samples}; expected an even number of 2 or more (orders in pairs).")
        index = patch_index(observation, self.patch)
        method = attr.ShapleyValueSampling(subject.value_with_grad)
        method.permutation_generator = self._orders
        together = self.at_once(observation)
        effects: Tensor = method.attribute(
            observation, baseline, feature_mask=index, n_samples=self.samples, perturbations_per_eval=together
        )
        return spread_evenly(effects, index)

    def _orders(self, patches: int, samples: int) -> Iterator[list[int]]:
        rng = torch.Generator().manual_seed(self.seed)
        for _ in range(samples // 2):
            order = torch.randperm(patches, generator=rng).tolist()
            yield order
            yield order[::-1]
