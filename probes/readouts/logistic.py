"""logistic: multinomial logistic regression on standardised activations, with equal weight for every class.

    w = argmin  1/C sum_c mean_{i in c} -log p(c | x_i)  +  penalty / 2 |w|^2         p = softmax(x.w + b)

This is scikit-learn's ``LogisticRegression(class_weight="balanced", C=1 / (penalty * n))`` on standardised columns (see
:mod:`imprint.probes.fitting.logistic_regression`). Of several penalties, the one with the lowest balanced log loss on
inner folds of whole groups is used. Readings are the log-odds of the second class, or one logit per class.

When another concept correlates with the one that is read, the direction is pulled towards the largest margin and away
from the direction that the network uses (Marks & Tegmark 2023, arXiv 2310.06824). Use ``mean_difference`` where the
direction matters more than the score.

A fit that does not converge raises :class:`NotMeasurableError`.

Letters: n rows, D width, C classes, P penalties.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.fitting.logistic_regression import class_models
from imprint.probes.readouts.base import FittedReadout, ReadsClasses, inner_folds, standard_scale
from imprint.probes.samples.controls import Ints

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
ROUGH = 1e-4
"""Tolerance of the fits on inner folds, which only choose the penalty."""


class Logistic(ReadsClasses):
    """Logistic regression with its penalty chosen on inner folds."""

    def __init__(self, penalties: Sequence[float] = PENALTIES, seed: int = 0) -> None:
        self.penalties = penalties
        self.seed = seed

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> FittedReadout:
        """See :meth:`Readout.fit_rows`."""
        if not len(self.penalties) or not min(self.penalties) > 0:
            raise ImprintError(f"penalties are {tuple(self.penalties)}; expected one or more numbers above 0.")
        mean, scale = standard_scale(x)
        z = (x - mean) * scale
        penalty = self.penalties[0]
        if len(self.penalties) > 1:
            penalty = self._chosen(z, y, classes, inner_folds(len(x), groups, np.random.default_rng(seed)))
        (model,) = class_models(z, y, classes, [1 / (penalty * len(z))], balanced=True)
        return FittedReadout(*model.unscaled(mean, scale))

    def _chosen(self, z: Tensor, y: Tensor, classes: int, fold: Tensor) -> float:
        """The penalty of lowest balanced log loss; the middle one when no fold can be held out."""
        penalties = sorted(self.penalties, reverse=True)
        weight = torch.bincount(y, minlength=classes).double().reciprocal()
        loss = torch.zeros(len(penalties), dtype=torch.float64)
        for k in fold.unique():
            train = fold != k
            occurring = y[train].unique()
            held = (~train & torch.isin(y, occurring)).nonzero()[:, 0]
            if len(occurring) < 2 or not len(held):
                continue
            variances = [1 / (penalty * int(train.sum())) for penalty in penalties]
            models = class_models(z[train], y[train], classes, variances, balanced=True, tolerance=ROUGH)
            log_p = torch.stack([model.log_probabilities(z[held])[range(len(held)), y[held]] for model in models])
            loss -= log_p @ weight[y[held]]
        return penalties[int(loss.argmin()) if bool(loss.any()) else len(penalties) // 2]
