"""mlp: a network with one hidden layer, to distinguish "absent" from "present, but not linear".

    reading = relu(x.W_1 + b_1) W_2 + b_2          logit of the second class, or one logit per class

Its score is an upper bound on what can be read, and no evidence that the network uses the concept: a probe of this size
learns random labels of a few hundred inputs (Hewitt & Liang, EMNLP 2019, arXiv 1909.03368: selectivity of such a probe
4.5 points where the linear one has 26). So compare it with its score on shuffled labels, and use it only where linear
readouts read nothing.

It is trained by scikit-learn's ``MLPClassifier`` (Adam, cross-entropy, equal weight for every class) on columns
standardised over the training rows. One fifth of the groups is held out; the weights are those of the epoch with the
lowest balanced log loss on it, and training stops after :data:`PATIENCE` epochs without a lower one. With too few
groups to hold any out, training runs for all epochs on all rows.

Letters: n rows, D width, H hidden units, C classes, Q columns (1 for two classes, else C).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import ClassVar

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import Tensor
from torch.nn.functional import cross_entropy

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.readouts.base import Fitted, ReadsClasses, inner_folds, standard_scale
from imprint.probes.samples.controls import Ints

BATCH = 128
"""Rows per minibatch."""
RATE = 5e-3
"""Adam's learning rate."""
PATIENCE = 10
"""Epochs without a lower held-out loss after which training stops."""
LOWER = 1e-4
"""Smallest decrease of the held-out loss that counts, in nats."""


@dataclass(frozen=True)
class FittedNetwork(Fitted):
    """A frozen network of one hidden layer, differentiable in the activations."""

    hidden_weight: Tensor
    """``[D, H]``"""
    hidden_bias: Tensor
    """``[H]``"""
    weight: Tensor
    """``[H, Q]``"""
    bias: Tensor
    """``[Q]``"""

    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of rows ``[n, D]``, on the device of the rows."""
        w_1, b_1, w_2, b_2 = (part.to(x.device) for part in self.tensors().values())
        return torch.relu(x.to(w_1.dtype) @ w_1 + b_1) @ w_2 + b_2


class Mlp(ReadsClasses):
    """A network with one hidden layer."""

    linear: ClassVar[bool] = False

    def __init__(self, hidden: int = 64, passes: int = 100, seed: int = 0) -> None:
        self.hidden = hidden
        self.passes = passes
        self.seed = seed

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> FittedNetwork:
        """See :meth:`Readout.fit_rows`; ``seed`` draws initial weights, the order of rows and the held-out groups."""
        for name in ("hidden", "passes"):
            if not isinstance(getattr(self, name), Integral) or getattr(self, name) < 1:
                raise ImprintError(f"{name} is {getattr(self, name)!r}; expected a whole number, 1 or more.")
        mean, scale = standard_scale(x)
        z = (x - mean) * scale
        class_weight = torch.bincount(y, minlength=classes).clamp(min=1).double().reciprocal() * (len(y) / classes)
        held = _held_out(y, inner_folds(len(x), groups, np.random.default_rng(seed)))
        best = self._trained(z, y, class_weight, held=held, seed=seed)
        first = best.hidden_weight * scale[:, None]
        return replace(best, hidden_weight=first, hidden_bias=best.hidden_bias - mean @ first)

    def _trained(self, z: Tensor, y: Tensor, class_weight: Tensor, *, held: Tensor, seed: int) -> FittedNetwork:
        """The network after its best epoch, on standardised rows ``z`` of which those in ``held`` are held out."""
        rows, labels, weights = (part[~held].numpy() for part in (z, y, class_weight[y]))
        rng, batch = np.random.RandomState(seed), min(BATCH, len(rows))
        engine = MLPClassifier((self.hidden,), batch_size=batch, learning_rate_init=RATE, random_state=rng)
        best, lowest, waited = None, np.inf, 0
        for _ in range(self.passes):
            engine.partial_fit(rows, labels, sample_weight=weights, classes=np.arange(len(class_weight)))
            (w_1, w_2), (b_1, b_2) = engine.coefs_, engine.intercepts_
            network = FittedNetwork(*(torch.from_numpy(part.copy()) for part in (w_1, b_1, w_2, b_2)))
            loss = _loss(network(z[held]), y[held], class_weight) if bool(held.any()) else -np.inf
            waited += 1
            if loss < lowest - LOWER or not bool(held.any()):
                best, lowest, waited = network, loss, 0
            if waited == PATIENCE:
                break
        if best is None:
            raise NotMeasurableError("the loss of the network was never finite")
        return best


def _loss(reading: Tensor, y: Tensor, class_weight: Tensor) -> float:
    """Log loss with class weights ``[C]``."""
    if reading.shape[1] == 1:
        reading = torch.cat([torch.zeros_like(reading), reading], 1)
    return float(cross_entropy(reading, y, weight=class_weight))


def _held_out(y: Tensor, fold: Tensor) -> Tensor:
    """Bool ``[n]``: the first fold without which every class still occurs; all False if there is none."""
    for k in fold.unique():
        held: Tensor = fold == k
        if len(y[~held].unique()) == len(y.unique()):
            return held
    return torch.zeros(len(y), dtype=torch.bool)
