"""feature_ablation: what the value loses when a patch of the observation is replaced by the baseline.

    effect(P) = v(x) - v(x with x_P = b_P)          a_i = effect(P) / |P|   for i in P

Patches tile the observation; each is removed alone (Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2, without
overlap), through captum. It needs no gradient, so it works for any value. It is exact for a value that is additive over
patches; two elements of which either suffices both read zero, so it promises no completeness.

Deviations from the source: a patch's effect is shared evenly by its elements, so that attributions of elements add up
in units of the value.

Letters: n observations, P a patch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import Attributor, patch_index, spread_evenly
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class FeatureAblation(Attributor):
    """The value minus the value without a patch."""

    complete: ClassVar[bool] = False
    needs_gradient: ClassVar[bool] = False

    patch: tuple[int, ...] | None = None
    """Shape along the last axes, 0 for a whole axis; None: elements, on images squares of a quarter, all channels."""

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        index = patch_index(observation, self.patch)
        effects: Tensor = attr.FeatureAblation(subject.value_with_grad).attribute(
            observation,
            baselines=baseline,
            feature_mask=index,
            perturbations_per_eval=max(1, self.rows // len(observation)),
        )
        return spread_evenly(effects, index)
