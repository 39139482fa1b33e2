"""The contract of an attribution: how much each part of an observation contributes to the value.

Letters: n observations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.subject import Subject


@dataclass(frozen=True)
class Attribution:
    """What one attribution method said about some observations."""

    attributions: Tensor
    """``[n, ...]`` like the observation, in units of the value."""
    value: Tensor
    """``[n]``"""
    baseline_value: Tensor
    """``[n]`` value of the observation it is compared with."""

    @property
    def completeness_error(self) -> Tensor:
        """``[n]`` sum of the attributions minus (value - baseline value); zero for an exact method."""
        return self.attributions.flatten(1).sum(1) - (self.value - self.baseline_value)

    def mass_on(self, masks: Mapping[str, Tensor]) -> pd.DataFrame:
        """How much of the attribution falls on each mask (bool ``[n, ...]``): concept, mass, area.

        ``mass`` is the part of the absolute attribution inside the mask (NaN where all attributions are zero), ``area``
        the mask's part of the observation.
        """
        size = self.attributions.abs()
        total = float(size.sum())
        rows = []
        for name, mask in masks.items():
            if mask.shape != size.shape:
                raise ImprintError(
                    f"mask {name!r} is {list(mask.shape)}; expected {list(size.shape)} like the observation."
                )
            inside = mask.to(size.device, torch.bool)
            mass = float(size[inside].sum()) / total if total > 0 else float("nan")
            rows.append({"concept": name, "mass": mass, "area": float(inside.float().mean())})
        return pd.DataFrame(rows, columns=["concept", "mass", "area"])


class Attributor(ABC):
    """Abstract attribution method; concrete ones are final and hold their settings."""

    @abstractmethod
    def __call__(self, subject: Subject, observation: Tensor) -> Attribution:
        """Attributions of the subject's value to ``observation`` ``[n, ...]``."""


def constant_like(observation: Tensor, how: str) -> Tensor:
    """A baseline observation ``[1, ...]``: the ``mean`` over rows, or ``zeros``."""
    if how == "mean":
        return observation.mean(0, keepdim=True)
    if how == "zeros":
        return torch.zeros_like(observation[:1])
    raise ImprintError(f"baseline is {how!r}; expected 'mean' or 'zeros'.")
