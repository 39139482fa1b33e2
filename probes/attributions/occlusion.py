"""occlusion: what the value loses under a window that slides over the observation.

    effect(W) = v(x) - v(x with x_W = b_W)          a_i = mean over windows W that cover i of  effect(W) / |W|

A window of the baseline slides in steps of half its size (Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2), through
captum. It needs no gradient. Windows overlap, so an object that straddles two patches is still covered whole once; the
price is a blurred edge, and no promise of completeness. With windows of one element it is feature_ablation.

Deviations from the source: a window's effect is divided by its size, so that attributions are in units of the value per
element.

Letters: n observations, W a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import Attributor, patch_shape
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Occlusion(Attributor):
    """The value minus the value under a sliding window."""

    complete: ClassVar[bool] = False
    needs_gradient: ClassVar[bool] = False

    patch: tuple[int, ...] | None = None
    """Window along the last axes, 0 for a whole axis; None: elements, on images squares of a quarter, all channels."""

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        window = patch_shape(observation, self.patch)
        effects: Tensor = attr.Occlusion(subject.value_with_grad).attribute(
            observation,
            sliding_window_shapes=window,
            strides=tuple(max(1, side // 2) for side in window),
            baselines=baseline,
            perturbations_per_eval=max(1, self.rows // len(observation)),
        )
        return effects / math.prod(window)
