"""The contract of a readout: a supervised probe of one concept, fitted on activations.

A readout is a scikit-learn estimator (``fit``, ``predict``, ``decision_function``, ``score``; ``fit`` returns it, as
scikit-learn demands). What it learned is one frozen :class:`Fitted` object, ``readout.fitted_``, with ``direction``,
``score``, ``save`` and ``load``. There are two ways to implement one:

    FromMoments    says what follows from the moments: one pass over the rows serves all folds, concepts and nulls
    Readout        looks at the rows themselves, one concept and one fold at a time

Classes are decided by the largest of C columns, or by the sign of a single one; every class counts equally
(``score`` is balanced accuracy). Numbers are predicted (``score`` is R2).

Deviations from scikit-learn: ``score`` of a classifier is balanced accuracy; classes weigh equally whatever their
frequency.

Letters: n rows, D width, Q target columns, K folds, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_regressor
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.registry import Family
from imprint.models.store import read_tensors, write_tensors
from imprint.probes.fitting.least_squares import FLAT
from imprint.probes.fitting.moments import Moments, Sums
from imprint.probes.samples.controls import compact_groups

READOUTS = Family("readouts", "imprint.probes.readouts", "Readout")

FOLDS = 5
"""Inner folds on which hyperparameters are chosen."""


class Fitted(ABC):
    """A frozen probe: maps activations ``[n, D]`` to decisions or predictions ``[n, Q]``."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of rows ``[n, D]``: above zero means the second class; of several, the largest wins."""

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]``. Raises :class:`NotMeasurableError` when the probe is not linear."""
        raise NotMeasurableError(f"{type(self).__name__} is not linear, so it has no direction")

    def score(self, x: Tensor, y: Tensor) -> float:
        """Balanced accuracy of class codes ``y`` (int64 ``[n]``), or R2 of numbers (float ``[n]``)."""
        read, truth = self(x).detach().cpu(), y.detach().cpu().numpy()
        if y.is_floating_point():
            return float(r2_score(truth, read[:, 0].numpy()))
        guess = read.argmax(1) if read.shape[1] > 1 else (read[:, 0] > 0).long()
        return float(balanced_accuracy_score(truth, guess.numpy()))

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Everything it holds, for :meth:`save`."""

    def save(self, path: Path) -> None:
        """Write as safetensors, whole or not at all."""
        write_tensors(path, self.tensors(), kind=type(self).__name__)

    @classmethod
    def load(cls, path: Path) -> Any:
        """A probe written by :meth:`save`. Raises :class:`DamagedFileError`."""
        tensors, header = read_tensors(path)
        if header.get("kind") != cls.__name__:
            raise ImprintError(f"{path} holds {header.get('kind', 'something else')!r}; expected {cls.__name__!r}.")
        return cls(**tensors)


@dataclass(frozen=True)
class FittedReadout(Fitted):
    """A frozen linear probe: ``x @ weight + bias``."""

    weight: Tensor
    """``[D, Q]``"""
    bias: Tensor
    """``[Q]``"""

    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of rows ``[n, D]``, on the device of the rows."""
        weight, bias = self.weight.to(x.device), self.bias.to(x.device)
        return x.to(weight.dtype) @ weight + bias

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]``; NaN where the weight is zero."""
        norm: Tensor = self.weight.norm(dim=0)
        return self.weight / norm

    def tensors(self) -> dict[str, Tensor]:
        """Weight and bias."""
        return {"weight": self.weight, "bias": self.bias}


@dataclass(frozen=True)
class Columns:
    """What the Q target columns of some moments are.

    A *copy* is one concept's labels or one shuffle of them: a single column (0/1 for two classes, or numbers) or C
    one-hot columns that belong together and lie side by side.
    """

    copy: Tensor
    """``[Q]`` which copy a column belongs to, 0.. in order."""
    choose: Tensor
    """``[Q]`` the column whose hyperparameters it shares: its own for real labels, the real label's for a shuffle."""
    classes: Tensor
    """``[Q]`` bool: an indicator of a class, not a number."""

    @classmethod
    def single(cls, width: int, *, classes: bool) -> Columns:
        """One concept: a single column, or ``width`` one-hot columns."""
        return cls(torch.zeros(width, dtype=torch.long), torch.arange(width), torch.full((width,), classes))

    @classmethod
    def joined(cls, parts: list[Columns]) -> Columns:
        """Side by side, in order."""
        copies, start, copy, choose = 0, 0, [], []
        for part in parts:
            copy.append(part.copy + copies)
            choose.append(part.choose + start)
            copies, start = copies + int(part.copy.max()) + 1, start + len(part.copy)
        return cls(torch.cat(copy), torch.cat(choose), torch.cat([part.classes for part in parts]))

    def repeated(self, copies: int) -> Columns:
        """This single concept followed by ``copies - 1`` shuffles of it."""
        width = len(self.copy)
        return Columns(
            torch.arange(copies).repeat_interleave(width), self.choose.repeat(copies), self.classes.repeat(copies)
        )


class Readout(BaseEstimator, ABC):  # type: ignore[misc]
    """Abstract readout; concrete ones also inherit :class:`ReadsClasses` or :class:`ReadsNumbers`."""

    reads_classes: ClassVar[bool]
    reads_numbers: ClassVar[bool]

    @abstractmethod
    def fit_rows(self, x: Tensor, y: Tensor, classes: int, groups: NDArray[np.int64] | None, seed: int) -> Fitted:
        """A frozen probe of one concept.

        ``x`` float ``[n, D]``; ``y`` class codes int64 ``[n]`` with ``classes`` = C, or float numbers with ``classes``
        = 0; ``groups`` ``[n]`` for inner folds.
        """

    def _fit(self, X: Any, y: Any, groups: Any) -> None:
        """Check the rows and fit."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=is_regressor(self), ensure_min_samples=2)
        codes, classes = self._codes(y)
        of = None if groups is None else compact_groups(groups, len(X))
        x = torch.from_numpy(np.require(X, requirements=["C", "W"]))
        self.fitted_ = self.fit_rows(x, codes, classes, of, getattr(self, "seed", 0))

    @abstractmethod
    def _codes(self, y: Any) -> tuple[Tensor, int]:
        """Labels ``[n]`` as :meth:`fit_rows` wants them, and how many classes; 0 for numbers."""

    def _read(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "fitted_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.fitted_(torch.from_numpy(np.require(X, requirements=["C", "W"]))).double().numpy())

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]`` of the fitted probe."""
        check_is_fitted(self, "fitted_")
        fitted: Fitted = self.fitted_
        return fitted.direction

    def save(self, path: Path) -> None:
        """Write the fitted probe."""
        check_is_fitted(self, "fitted_")
        self.fitted_.save(path)


class ReadsClasses(ClassifierMixin, Readout):  # type: ignore[misc]
    """A readout of classes: a scikit-learn classifier."""

    reads_classes: ClassVar[bool] = True
    reads_numbers: ClassVar[bool] = False

    def fit(self, X: Any, y: Any, groups: Any = None) -> ReadsClasses:
        """Fit on rows ``X`` ``[n, D]`` with labels ``y`` ``[n]``; rows of one group are never split by inner folds."""
        self._fit(X, y, groups)
        return self

    def _codes(self, y: Any) -> tuple[Tensor, int]:
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"only one class ({self.classes_[0]!r}) occurs; expected two or more.")
        return torch.from_numpy(codes.astype(np.int64)), len(self.classes_)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Readings ``[n]`` for two classes (positive: the second), ``[n, C]`` for more."""
        read = self._read(X)
        if read.shape[1] == 1:
            return read[:, 0]
        return read[:, 1] - read[:, 0] if len(self.classes_) == 2 else read

    def predict(self, X: Any) -> NDArray[Any]:
        """Classes ``[n]``."""
        read = self.decision_function(X)
        codes = read.argmax(1) if read.ndim > 1 else (read > 0).astype(np.int64)
        return np.asarray(self.classes_[codes])

    def score(self, X: Any, y: Any) -> float:
        """Balanced accuracy."""
        return float(balanced_accuracy_score(y, self.predict(X)))


class ReadsNumbers(RegressorMixin, Readout):  # type: ignore[misc]
    """A readout of numbers: a scikit-learn regressor."""

    reads_classes: ClassVar[bool] = False
    reads_numbers: ClassVar[bool] = True

    def fit(self, X: Any, y: Any, groups: Any = None) -> ReadsNumbers:
        """Fit on rows ``X`` ``[n, D]`` with numbers ``y`` ``[n]``; rows of one group are never split by inner folds."""
        self._fit(X, y, groups)
        return self

    def _codes(self, y: Any) -> tuple[Tensor, int]:
        return torch.from_numpy(np.require(y, np.float64, ["C", "W"])), 0

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Numbers ``[n]``."""
        return self._read(X)[:, 0]


class FromMoments(Readout):
    """A readout that follows from moments, for every fold and every copy of every concept at once."""

    @abstractmethod
    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per element of ``held``: fitted on all folds but that one; None: on all folds."""

    def fit_rows(
        self, x: Tensor, y: Tensor, classes: int, groups: NDArray[np.int64] | None, seed: int
    ) -> FittedReadout:
        """See :meth:`Readout.fit_rows`; hyperparameters by inner folds of whole groups."""
        wide = one_hot(y, classes)
        fold = inner_folds(len(x), groups, np.random.default_rng(seed))
        moments = Moments(x.shape[1], wide.shape[1], int(fold.max()) + 1)
        moments.add(x, wide, fold)
        return self.solve(moments, Columns.single(wide.shape[1], classes=classes > 0), [None])[0]


def decided(weight: Tensor, bias: Tensor, columns: Columns, train: Sums) -> tuple[Tensor, Tensor]:
    """Weights and bias with the zero of class columns halfway between the two means of their readings.

    Columns of several classes are also measured in units of the distance between those means; see :func:`ruled_out`.
    """
    ones, zeros = train.y.clamp(min=1e-12), (train.count - train.y).clamp(min=1e-12)
    high = (train.xy / ones * weight).sum(0) + bias
    low = ((train.x[:, None] - train.xy) / zeros * weight).sum(0) + bias
    alone = torch.bincount(columns.copy)[columns.copy] == 1
    gap = torch.where(alone, 1.0, torch.where(high - low > 1e-12, high - low, torch.inf))
    weight = torch.where(columns.classes, weight / gap, weight)
    bias = torch.where(columns.classes, (bias - (high + low) / 2) / gap, bias)
    return weight, ruled_out(bias, columns, train)


def ruled_out(bias: Tensor, columns: Columns, train: Sums) -> Tensor:
    """The bias, minus infinity for those of several classes that have no training row: they are never read."""
    alone = torch.bincount(columns.copy)[columns.copy] == 1
    return torch.where(columns.classes & ~alone & (train.y < 0.5), -torch.inf, bias)


def standard_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[D]`` of rows ``[n, D]`` and what centred columns are multiplied by; 0 for columns that do not vary."""
    mean, variance = x.mean(0), x.var(0, correction=0)
    flat = variance <= FLAT * (variance + mean.square())
    return mean, torch.where(flat, 0.0, variance.clamp(min=torch.finfo(x.dtype).tiny).rsqrt())


def one_hot(y: Tensor, classes: int) -> Tensor:
    """Target columns: numbers ``[n, 1]`` (classes 0), the second of two classes ``[n, 1]``, or one-hot ``[n, C]``."""
    if classes <= 2:
        return y[:, None].double()
    return torch.nn.functional.one_hot(y, classes).double()


def inner_folds(n: int, groups: NDArray[np.int64] | None, rng: np.random.Generator) -> Tensor:
    """Inner fold of each row: :data:`FOLDS` folds of whole groups, fewer when there are fewer groups."""
    of_row = np.arange(n) if groups is None else groups
    dealt = rng.permutation(int(of_row.max()) + 1) % FOLDS
    return torch.from_numpy(np.unique(dealt[of_row], return_inverse=True)[1].astype(np.int64))
