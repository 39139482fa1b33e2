"""mean_difference: the direction from one class mean to the other (mass-mean probe), solved exactly from moments.

    two classes       w = mean_1 - mean_0,   decided halfway between the projected means
    C classes         score_c = x.mean_c - |mean_c|^2 / 2              (nearest class mean)

It has no hyperparameter and no covariance: worse than ridge at reading, better at pointing along the direction that a
network uses (Marks & Tegmark 2023, arXiv 2310.06824).

Letters: D width, Q target columns, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, ReadsClasses, ruled_out


class MeanDifference(ReadsClasses, FromMoments):
    """Difference of class means."""

    def __init__(self) -> None:
        pass

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        sums = moments.sums
        total = sums.total()
        alone = torch.bincount(columns.copy)[columns.copy] == 1
        fitted = []
        for k in held:
            train = total if k is None else total - sums.at(k)
            inside = train.xy / train.y.clamp(min=1e-12)
            outside = (train.x[:, None] - train.xy) / (train.count - train.y).clamp(min=1e-12)
            centre = train.mean[:, None]  # distances do not change, and no digits are lost to a common offset
            weight = torch.where(alone, inside - outside, inside - centre)
            middle = torch.where(alone, (inside + outside) / 2, (inside + centre) / 2)
            fitted.append(FittedReadout(weight, ruled_out(-(weight * middle).sum(0), columns, train)))
        return fitted
