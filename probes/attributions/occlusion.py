"""occlusion: the decrease of the value when a sliding window of the observation is replaced by the baseline.

    effect(W) = v(x) - v(x with x_W = b_W)          a_i = mean over windows W that cover i of  effect(W) / |W|

The window moves in steps of half its size (Zeiler & Fergus 2014, arXiv 1311.2901, section 4.2), through captum. It
needs no gradient. Because windows overlap, an object of at most half a window's size lies entirely inside some window;
in return attributions are blurred, and not complete. With windows of one element it equals feature_ablation.

Deviations from the source: the effect of a window is divided by its size, so that attributions are in units of the
value per element.

Letters: n observations, W a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor

from imprint.probes.attributions.base import PatchAttributor, patch_shape
from imprint.probes.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Occlusion(PatchAttributor):
    """The value minus the value with a sliding window replaced by the baseline."""

    complete: ClassVar[bool] = False

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        """Attributions ``[n, ...]`` of a chunk."""
        window = patch_shape(observation, self.patch)
        strides = tuple(max(1, side // 2) for side in window)
        effects: Tensor = attr.Occlusion(subject.value_with_grad).attribute(
            observation, window, strides, baseline, perturbations_per_eval=self.at_once(observation)
        )
        return effects / math.prod(window)
