"""The contract of a readout: a supervised probe that is solved for every fold and every target at once.

Letters: n rows, D width, Q targets, K folds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.probes.moments import Moments


@dataclass(frozen=True)
class FittedReadout:
    """A frozen linear probe: ``x @ weight + bias``."""

    weight: Tensor
    """``[D, Q]``"""
    bias: Tensor
    """``[Q]``"""

    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of rows ``[n, D]``."""
        return x.to(self.weight.dtype) @ self.weight + self.bias

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]``; NaN where the weight is zero."""
        norm: Tensor = self.weight.norm(dim=0)
        return self.weight / norm


class Readout(ABC):
    """Abstract readout; concrete ones are final."""

    @abstractmethod
    def solve(self, moments: Moments, choose: Tensor) -> list[FittedReadout]:
        """One probe per fold k, fitted on all other folds.

        ``choose`` ``[Q]``: for each target, the index of the target whose penalty it shares (its own for real labels;
        the real label's for a shuffle of it), so that hyperparameters are chosen once per concept.
        """

    def fit(self, x: Tensor, y: Tensor, *, folds: int = 5, rng: torch.Generator) -> FittedReadout:
        """A probe of ``y`` ``[n, Q]`` on all rows ``x`` ``[n, D]``.

        Hyperparameters by ``folds``-fold cross-validation.
        """
        fold = torch.arange(len(x))[torch.randperm(len(x), generator=rng)] % folds
        moments = Moments(x.shape[1], y.shape[1], folds + 1)
        moments.add(x, y, fold)
        return self.solve(moments, torch.arange(y.shape[1]))[folds]
