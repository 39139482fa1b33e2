"""The contract of a readout: a supervised probe of one concept, fitted on activations.

A readout is a scikit-learn estimator (``fit``, ``predict``, ``decision_function``, ``score``; ``fit`` returns the
estimator). The fitted probe itself is a frozen :class:`Fitted` object, ``readout.fitted_``, with ``direction``,
``score``, ``save`` and ``load``. A readout implements one of two interfaces:

    FromMoments    solves for the probe from moments: one pass over the rows serves all folds, concepts and nulls
    Readout        fits on the rows themselves, one concept and one fold at a time

A probe of C classes predicts the largest of C columns, one of two classes the sign of a single column. A probe of
numbers predicts them.

Deviations from scikit-learn: the ``score`` of a classifier is balanced accuracy (of a regressor, R2 as usual), and
classes have equal weight whatever their frequency.

Letters: n rows, D width, Q target columns, K folds, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
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
from imprint.probes.door.arrays import readable, real_array
from imprint.probes.fitting.least_squares import FLAT, LeastSquares
from imprint.probes.fitting.moments import Moments, Sums
from imprint.probes.fitting.out_of_fold import MomentsOutOfFold, OutOfFold, RidgeOutOfFold, RowsOutOfFold, wide
from imprint.probes.fitting.row_ridge import RowRidge, Solution
from imprint.probes.samples.controls import Ints, compact_groups

READOUTS = Family("readouts", "imprint.probes.readouts", "Readout")
FOLDS = 5
"""Number of inner folds on which hyperparameters are chosen."""


@dataclass(frozen=True)
class Fitted(ABC):
    """A frozen probe: maps activations ``[n, D]`` to decisions or predictions ``[n, Q]``."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """Readings ``[n, Q]`` of rows ``[n, D]``.

        A single column above zero means the second of two classes; of several columns, the largest is the class.
        """

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]``. Raises :class:`NotMeasurableError` when the probe is not linear."""
        raise NotMeasurableError(f"{type(self).__name__} is not linear, so it has no direction")

    def score(self, x: Tensor, y: Tensor) -> float:
        """Balanced accuracy of class codes ``y`` (int64 ``[n]``), or R2 of numbers (float ``[n]``)."""
        read, truth = self(x).detach().cpu(), real_array("y", y)
        if truth.dtype.kind == "f":
            return float(r2_score(truth, read[:, 0].numpy()))
        guess = read.argmax(1) if read.shape[1] > 1 else (read[:, 0] > 0).long()
        return float(balanced_accuracy_score(truth, guess.numpy()))

    def tensors(self) -> dict[str, Tensor]:
        """The fields of the probe, which :meth:`save` writes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def save(self, path: Path) -> None:
        """Write a safetensors file, completely or not at all."""
        write_tensors(path, self.tensors(), kind=type(self).__name__)

    @classmethod
    def load(cls, path: Path) -> Any:
        """A probe that :meth:`save` wrote. Raises :class:`DamagedFileError` when the file is damaged."""
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


@dataclass(frozen=True)
class Columns:
    """Describes the Q target columns of some moments.

    A *copy* is the labels of one concept, or one shuffle of them: a single column (0/1 for two classes, or numbers), or
    C adjacent one-hot columns.
    """

    copy: Tensor
    """``[Q]`` number of the copy that a column belongs to, 0.. in order."""
    choose: Tensor
    """``[Q]`` column whose hyperparameters are used: for real labels itself, for a shuffle that of the real labels."""
    classes: Tensor
    """``[Q]`` bool: whether the column is the indicator of a class (and not numbers)."""

    @property
    def alone(self) -> Tensor:
        """Whether a column is the only one of its copy, bool ``[Q]``."""
        return torch.bincount(self.copy)[self.copy] == 1

    def by_size(self) -> Iterator[Tensor]:
        """Column numbers ``[T, C]`` of all T copies that have C columns, for each C that occurs."""
        sizes = torch.bincount(self.copy)
        for size in sizes.unique().tolist():
            yield (sizes[self.copy] == size).nonzero()[:, 0].reshape(-1, size)

    @classmethod
    def single(cls, width: int, *, classes: bool) -> Columns:
        """The columns of one concept: a single one, or ``width`` one-hot columns."""
        return cls(torch.zeros(width, dtype=torch.long), torch.arange(width), torch.full((width,), classes))

    @classmethod
    def joined(cls, concepts: list[Columns]) -> Columns:
        """The columns of several concepts, side by side in this order."""
        copies, start, copy, choose = 0, 0, [], []
        for concept in concepts:
            copy.append(concept.copy + copies)
            choose.append(concept.choose + start)
            copies, start = copies + int(concept.copy.max()) + 1, start + len(concept.copy)
        return cls(torch.cat(copy), torch.cat(choose), torch.cat([concept.classes for concept in concepts]))

    def repeated(self, copies: int) -> Columns:
        """This single concept followed by ``copies - 1`` shuffles of it."""
        copy = torch.arange(copies).repeat_interleave(len(self.copy))
        return Columns(copy, self.choose.repeat(copies), self.classes.repeat(copies))


class Readout(BaseEstimator, ABC):  # type: ignore[misc]
    """Abstract readout; concrete ones also inherit :class:`ReadsClasses` or :class:`ReadsNumbers`."""

    reads_classes: ClassVar[bool]
    reads_numbers: ClassVar[bool]
    linear: ClassVar[bool] = True
    """Whether its probes are linear in the activations."""

    @abstractmethod
    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> Fitted:
        """A frozen probe of one concept on rows ``x``, float ``[n, D]``.

        ``y`` are codes of ``classes`` classes, int64 ``[n]``, or float numbers ``[n]`` (then ``classes`` is 0). Rows of
        one group stay together in inner folds (None: each is its own). Everything random is drawn from ``seed``.
        """

    def _fit(self, X: Any, y: Any, groups: Any) -> None:
        """Validate the arguments of ``fit`` and fit."""
        X, y = readable("X", X), readable("y", y)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=is_regressor(self), ensure_min_samples=2)
        codes, classes = self._codes(y)
        group_of = None if groups is None else compact_groups(groups, len(X))
        x = torch.from_numpy(np.require(X, requirements=["C", "W"]))
        self.fitted_ = self.fit_rows(x, codes, classes, groups=group_of, seed=getattr(self, "seed", 0))

    @abstractmethod
    def _codes(self, y: Any) -> tuple[Tensor, int]:
        """Arguments ``y`` and ``classes`` of :meth:`fit_rows`, from labels ``[n]``."""

    def _read(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self, "fitted_")
        X = validate_data(self, readable("X", X), dtype=np.float64, reset=False)
        return np.asarray(self.fitted_(torch.from_numpy(np.require(X, requirements=["C", "W"]))).double().numpy())

    def __sklearn_tags__(self) -> Any:
        """scikit-learn's tags: sparse rows are taken, and made dense."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def direction(self) -> Tensor:
        """Unit directions ``[D, Q]`` of the fitted probe; raises as :attr:`Fitted.direction` does."""
        check_is_fitted(self, "fitted_")
        fitted: Fitted = self.fitted_
        return fitted.direction


class ReadsClasses(ClassifierMixin, Readout):  # type: ignore[misc]
    """A readout of classes: a scikit-learn classifier."""

    reads_classes: ClassVar[bool] = True
    reads_numbers: ClassVar[bool] = False

    def fit(self, X: Any, y: Any, groups: Any = None) -> ReadsClasses:
        """Fit on rows ``X`` ``[n, D]`` with labels ``y`` ``[n]``; inner folds never split a group."""
        self._fit(X, y, groups)
        return self

    def _codes(self, y: Any) -> tuple[Tensor, int]:
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"only one class ({self.classes_[0]!r}) occurs; expected two or more.")
        return torch.from_numpy(codes.astype(np.int64)), len(self.classes_)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Readings ``[n]`` for two classes (positive for the second), ``[n, C]`` for more."""
        read = self._read(X)
        if read.shape[1] == 1:
            return read[:, 0]
        return read[:, 1] - read[:, 0] if len(self.classes_) == 2 else read

    def predict(self, X: Any) -> NDArray[Any]:
        """Predicted classes ``[n]``."""
        read = self.decision_function(X)
        codes = read.argmax(1) if read.ndim > 1 else (read > 0).astype(np.int64)
        return np.asarray(self.classes_[codes])

    def score(self, X: Any, y: Any) -> float:
        """Balanced accuracy on rows ``X`` ``[n, D]`` with labels ``y`` ``[n]``."""
        return float(balanced_accuracy_score(readable("y", y), self.predict(X)))


class ReadsNumbers(RegressorMixin, Readout):  # type: ignore[misc]
    """A readout of numbers: a scikit-learn regressor."""

    reads_classes: ClassVar[bool] = False
    reads_numbers: ClassVar[bool] = True

    def fit(self, X: Any, y: Any, groups: Any = None) -> ReadsNumbers:
        """Fit on rows ``X`` ``[n, D]`` with numbers ``y`` ``[n]``; inner folds never split a group."""
        self._fit(X, y, groups)
        return self

    def _codes(self, y: Any) -> tuple[Tensor, int]:
        return torch.from_numpy(np.require(y, np.float64, ["C", "W"])), 0

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predicted numbers ``[n]``."""
        return self._read(X)[:, 0]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 on rows ``X`` ``[n, D]`` with numbers ``y`` ``[n]``."""
        return float(super().score(X, readable("y", y), readable("sample_weight", sample_weight)))


class FromMoments(Readout):
    """A readout that is solved from moments, for all folds and all copies of all concepts at once."""

    @property
    def needs_products(self) -> bool:
        """Whether it needs the sums of products of units, and not their squares only."""
        return True

    @abstractmethod
    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per element of ``held``, fitted on all folds but that one (None: on all folds)."""

    def out_of_fold(self, x: Tensor, fold: Tensor, labels: Tensor) -> OutOfFold:
        """Readings of rows ``x`` ``[n, D]`` in their folds ``[n]``, for block after block of targets.

        Hyperparameters are chosen for the columns of ``labels`` ``[n, L]`` alone.
        """

        def solve(moments: Moments, columns: Columns, held: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
            return ((probe.weight, probe.bias) for probe in self.solve(moments, columns, held))

        return MomentsOutOfFold(x, fold, solve, products=self.needs_products)

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> FittedReadout:
        """See :meth:`Readout.fit_rows`; hyperparameters are chosen on inner folds of whole groups."""
        targets = one_hot(y, classes)
        fold = inner_folds(len(x), groups, np.random.default_rng(seed))
        moments = Moments(
            x.shape[1], targets.shape[1], int(fold.max()) + 1, device=x.device, products=self.needs_products
        )
        moments.add(x, targets, fold)
        return self.solve(moments, Columns.single(targets.shape[1], classes=classes > 0), [None])[0]


class Penalised(FromMoments):
    """Least squares with one penalty on the squared length of the weights, chosen for each concept on inner folds."""

    penalties: Sequence[float]
    standardise: bool

    @property
    def engine(self) -> LeastSquares:
        """The solver with this readout's settings."""
        return LeastSquares(self.penalties, self.standardise)

    def solve(self, moments: Moments, columns: Columns, held: Sequence[int | None]) -> list[FittedReadout]:
        """One probe per held-out fold; see :meth:`FromMoments.solve`."""
        origin, _ = moments.centred
        solutions = self.engine.solve(moments, columns.choose, held)
        probes = []
        for train, (weight, bias, _) in zip(moments.training(held, centred=True), solutions, strict=True):
            weight, bias = decided(weight, bias + origin @ weight, columns, train)
            probes.append(FittedReadout(weight, bias - origin @ weight))
        return probes

    def out_of_fold(self, x: Tensor, fold: Tensor, labels: Tensor) -> OutOfFold:
        """See :meth:`FromMoments.out_of_fold`."""
        if wide(len(x), x.shape[1], int(fold.max()) + 1, itemsize=x.element_size()):
            return RowsOutOfFold(x, fold, labels, self.engine, decided_alone)
        return RidgeOutOfFold(x, fold, labels, self.engine, decided)

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: Ints | None, seed: int) -> FittedReadout:
        """See :meth:`Readout.fit_rows`; hyperparameters are chosen on inner folds of whole groups."""
        fold = inner_folds(len(x), groups, np.random.default_rng(seed))
        if not wide(len(x), x.shape[1], int(fold.max()) + 1, itemsize=x.element_size()):
            return super().fit_rows(x, y, classes, groups=groups, seed=seed)
        targets = one_hot(y, classes)
        ridge = RowRidge(self.engine, x, fold, int(fold.max()) + 1)
        (solution,) = ridge.solutions(targets, ridge.chosen(targets, [None]), [None])
        columns = Columns.single(targets.shape[1], classes=classes > 0)
        weight, bias = decided_alone(solution, columns)
        return FittedReadout(weight.double(), bias - ridge.origin.double() @ weight.double())


def decided_alone(solution: Solution, columns: Columns) -> tuple[Tensor, Tensor]:
    """What :func:`decided` gives, for a solution from rows."""
    ones, zeros = solution.y.clamp(min=1e-12), (solution.rows - solution.y).clamp(min=1e-12)
    middle = solution.y / solution.rows
    means = solution.inside / ones + middle, middle - solution.inside / zeros
    return between(solution.weight, solution.bias, columns, means, solution.y)


def decided(weight: Tensor, bias: Tensor, columns: Columns, train: Sums) -> tuple[Tensor, Tensor]:
    """Weights and bias, shifted so that 0 is the decision threshold of every class column.

    The threshold lies halfway between the mean readings inside and outside the class. Columns of three or more classes
    are also divided by the distance between those means, and treated as in :func:`ruled_out`.
    """
    ones, zeros = train.y.clamp(min=1e-12), (train.count - train.y).clamp(min=1e-12)
    high = (train.xy / ones * weight).sum(0) + bias
    low = ((train.x[:, None] - train.xy) / zeros * weight).sum(0) + bias
    return between(weight, bias, columns, (high, low), train.y)


def between(
    weight: Tensor, bias: Tensor, columns: Columns, means: tuple[Tensor, Tensor], inside: Tensor
) -> tuple[Tensor, Tensor]:
    """What :func:`decided` gives, from the mean readings ``[Q]`` inside and outside, and the rows inside ``[Q]``."""
    high, low = means
    alone, classes = columns.alone.to(bias.device), columns.classes.to(bias.device)
    gap = torch.where(alone, 1.0, torch.where(high - low > 1e-12, high - low, torch.inf))
    weight = torch.where(classes, weight / gap, weight)
    bias = torch.where(classes, (bias - (high + low) / 2) / gap, bias)
    return weight, ruled_out(bias, columns, inside)


def ruled_out(bias: Tensor, columns: Columns, inside: Tensor) -> Tensor:
    """The bias, with minus infinity for a class without a training row (of three or more): it is never predicted.

    ``inside`` ``[Q]``: training rows of each class.
    """
    among = (columns.classes & ~columns.alone).to(bias.device)
    return torch.where(among & (inside < 0.5), -torch.inf, bias)


def standard_scale(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``[D]`` of rows ``[n, D]``, and the factor ``[D]`` that standardises columns; 0 for constant columns."""
    mean, variance = x.mean(0), x.var(0, correction=0)
    flat = variance <= FLAT * (variance + mean.square())
    return mean, torch.where(flat, 0.0, variance.clamp(min=torch.finfo(x.dtype).tiny).rsqrt())


def one_hot(y: Tensor, classes: int) -> Tensor:
    """Target columns: one-hot ``[n, C]``; ``[n, 1]`` of two classes (1: the second) and of numbers (0 classes)."""
    if classes <= 2:
        return y[:, None].double()
    return torch.nn.functional.one_hot(y, classes).double()


def inner_folds(n: int, groups: Ints | None, rng: np.random.Generator) -> Tensor:
    """Inner fold of each row: :data:`FOLDS` folds of whole groups, fewer when there are fewer groups."""
    group_of = np.arange(n) if groups is None else groups
    fold_of_group = rng.permutation(int(group_of.max()) + 1) % FOLDS
    return torch.from_numpy(np.unique(fold_of_group[group_of], return_inverse=True)[1].astype(np.int64))
