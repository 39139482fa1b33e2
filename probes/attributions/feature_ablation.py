"""feature_ablation: the decrease of the value when a patch of the observation is replaced by the baseline.

    effect(P) = v(x) - v(x with x_P = b_P)          a_i = effect(P) / |P|   for i in P

Patches tile the observation; each is replaced alone (Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2, without
overlap), through captum. It needs no gradient, so it works for any value. It is exact for a value that is additive over
patches. It is not complete: of two patches either of which suffices, both get an attribution of zero.

Deviations from the source: the effect of a patch is divided evenly among its elements, so that attributions of elements
are in units of the value.

Letters: n observations, P a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import PatchAttributor, patch_index, spread_evenly
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(PatchAttributor):
    """The value minus the value with one patch replaced by the baseline."""

    complete: ClassVar[bool] = False

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        index = patch_index(observation, self.patch)
        effects: Tensor = attr.FeatureAblation(subject.value_with_grad).attribute(
            observation, baselines=baseline, feature_mask=index, perturbations_per_eval=self.at_once(observation)
        )
        return spread_evenly(effects, index)
