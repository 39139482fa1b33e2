"""Logistic regression: class probabilities that are linear in the activations, by scikit-learn's L-BFGS.

    p(c | x) = softmax(x.w_c + b_c)
    w = argmin  - sum_i v_i log p(y_i | x_i) + |w|^2 / (2 variance)         v_i = 1, or n / (C n_c) for ``balanced``

``variance`` is the variance of the Gaussian prior over weights, scikit-learn's ``C``; n_c is the number of rows of
class c. A model of two classes has one weight vector, not two. A fit that does not converge raises
:class:`NotMeasurableError`. Classes without a row get probability zero (a bias of minus infinity).

Letters: n rows, D width, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from imprint.models.errors import NotMeasurableError

TOLERANCE = 1e-6
"""Largest gradient of the mean loss at the solution."""
STEPS = 2000
"""L-BFGS steps after which a fit counts as not converged."""


@dataclass(frozen=True)
class ClassModel:
    """Class probabilities of C classes that are linear in the activations, up to the softmax."""

    weight: Tensor
    """``[D, C]``; sums to zero over the classes that occur."""
    bias: Tensor
    """``[C]``; minus infinity for a class that does not occur."""

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Natural logarithms ``[n, C]`` of the class probabilities of rows ``[n, D]``."""
        return torch.log_softmax(x @ self.weight + self.bias, 1)

    def unscaled(self, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Weight and bias for ``x`` of a model fitted on ``(x - mean) * scale``: one column for two classes, else C."""
        weight, bias = self.weight * scale[:, None], self.bias
        if len(bias) == 2:
            weight, bias = weight[:, 1:] - weight[:, :1], bias[1:] - bias[:1]
        return weight, bias - mean @ weight


def class_models(
    x: Tensor, y: Tensor, classes: int, variances: Sequence[float], *, balanced: bool, tolerance: float = TOLERANCE
) -> Iterator[ClassModel]:
    """One model per prior variance; each fit starts from the one before, so ascending variances are fastest.

    ``x`` is float64 ``[n, D]`` and ``y`` int64 ``[n]``, codes of ``classes`` classes. Raises
    :class:`NotMeasurableError` when a fit does not converge or fewer than two classes occur.
    """
    occurring = y.unique()
    if len(occurring) < 2:
        raise NotMeasurableError("only one class occurs among the training rows")
    engine = LogisticRegression(
        tol=tolerance, max_iter=STEPS, class_weight="balanced" if balanced else None, warm_start=True
    )
    rows, labels = x.numpy(), y.numpy()
    for variance in variances:
        engine.set_params(C=variance)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                engine.fit(rows, labels)
            except ConvergenceWarning:
                raise NotMeasurableError(
                    f"logistic regression did not converge in {STEPS} steps (prior variance {variance:g}); "
                    "give a larger penalty"
                ) from None
        coefficients, constants = torch.from_numpy(engine.coef_), torch.from_numpy(engine.intercept_)
        if len(occurring) == 2:
            coefficients = torch.cat([-coefficients, coefficients]) / 2
            constants = torch.cat([-constants, constants]) / 2
        weight = torch.zeros(x.shape[1], classes, dtype=torch.float64)
        bias = torch.full((classes,), -torch.inf, dtype=torch.float64)
        weight[:, occurring], bias[occurring] = coefficients.T, constants
        yield ClassModel(weight, bias)
