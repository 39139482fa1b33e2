"""mean_difference: the direction from one class mean to the other (mass-mean probe), solved exactly from moments.

    two classes       w = mean_1 - mean_0,   threshold halfway between the projected means
    C classes         score_c = x.mean_c - |mean_c|^2 / 2              (nearest class mean)

It has no hyperparameter and ignores the covariance. It predicts worse than ridge, but its direction is closer to the
one that a network uses (Marks & Tegmark 2023, arXiv 2310.06824).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, ruled_out


class MeanDifference(ReadsClasses, FromMoments):
    """Difference of class means."""

    @property
    def needs_products(self) -> bool:
        """Class means need none."""
        return False

    def __init__(self) -> None:
        pass

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        fitted = []
        for train in moments.training(held):
            inside = train.xy / train.y.clamp(min=1e-12)
            outside = (train.x[:, None] - train.xy) / (train.count - train.y).clamp(min=1e-12)
            centre = train.mean[:, None]  # centring avoids cancellation and leaves all distances as they are
            weight = torch.where(columns.alone, inside - outside, inside - centre)
            middle = torch.where(columns.alone, (inside + outside) / 2, (inside + centre) / 2)
            fitted.append(FittedReadout(weight, ruled_out(-(weight * middle).sum(0), columns, train.y)))
        return fitted
