"""Moments: sums over activations, from one streaming pass, that determine the linear probes of every fold and null.

For rows x of width D and Q targets y (all concepts, classes and label shuffles side by side), each fold k keeps

    count_k,  sum x,  sum y,  sum x x',  sum x y',  sum y^2          (float64)

Ridge regression, linear discriminants, mean differences, LEACE and principal components follow exactly from these sums,
for every target and every held-out fold, without another pass over the rows; a label shuffle costs one more column.
Folds may be groups: :meth:`Moments.regrouped` joins groups to folds afterwards. The sums of shards add up, so shards
may lie on many machines. Memory is K (D^2 + D Q), whatever the number of rows. Sums lie on the device that they were
asked for, and rows are multiplied there.

Accuracy: rows are multiplied in blocks of b = :data:`BLOCK` rows, about the mean of the first block to avoid
cancellation, in the type they come in (half precision as float32), and blocks are summed in float64. With unit roundoff
u (2^-24 for float32 rows, 2^-53 for float64 rows) the error of every sum of n products about that mean is at most

    (b u + (n / b) 2^-53)  sum |x_i x_j|

For float32 rows this is 6e-5 of the sum of magnitudes in the worst case, near 1e-7 in practice; for ten million float64
rows it is 1e-12. :attr:`Sums.rounding` is the expected error; smaller quantities cannot be distinguished from zero. Use
float64 rows where directions of very small variance matter.

Letters: n rows, D width, Q targets, K folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.models.progress import worked
from imprint.models.store import read_tensors, write_tensors
from imprint.probes.door.sums import column_means
from imprint.probes.fitting.damped import gram_of

BLOCK = 4096
"""Rows multiplied at once."""
PARTS = ("count", "x", "y", "xx", "xy", "yy")
"""Names of the sums, in order."""
ROUNDOFF = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}
"""Unit roundoff of the types in which rows are multiplied."""


def multiplied_in(x: Tensor) -> torch.dtype:
    """The type in which rows are multiplied: float64 for float64 and whole numbers, float32 for all others."""
    return torch.float64 if x.dtype == torch.float64 or not x.is_floating_point() else torch.float32


def rounding_of(roundoff: float, rows: float) -> float:
    """Expected error of a sum over rows, relative to the magnitudes; see :attr:`Sums.rounding`."""
    return float(BLOCK**0.5 * roundoff + (max(rows, 1.0) / BLOCK) ** 0.5 * ROUNDOFF[torch.float64])


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of a set of rows, or of K sets along a leading axis."""

    count: Tensor
    """``[...]``"""
    x: Tensor
    """``[..., D]``"""
    y: Tensor
    """``[..., Q]``"""
    xx: Tensor
    """``[..., D, D]``"""
    xy: Tensor
    """``[..., D, Q]``"""
    yy: Tensor
    """``[..., Q]``"""
    roundoff: float
    """Unit roundoff of the type in which rows were multiplied."""

    @classmethod
    def of(cls, parts: Iterable[Tensor], roundoff: float) -> Sums:
        """Sums from their tensors, in the order of :data:`PARTS`."""
        return cls(**dict(zip(PARTS, parts, strict=True)), roundoff=roundoff)

    def __add__(self, other: Sums) -> Sums:
        return Sums.of(map(torch.add, self.parts(), other.parts()), max(self.roundoff, other.roundoff))

    def __sub__(self, other: Sums) -> Sums:
        return Sums.of(map(torch.sub, self.parts(), other.parts()), max(self.roundoff, other.roundoff))

    def parts(self) -> tuple[Tensor, ...]:
        """All tensors, in the order of :data:`PARTS`."""
        return (self.count, self.x, self.y, self.xx, self.xy, self.yy)

    def at(self, index: int | Tensor) -> Sums:
        """One or several of the K sets."""
        return Sums.of((part[index] for part in self.parts()), self.roundoff)

    def total(self) -> Sums:
        """All K sets together."""
        return Sums.of((part.sum(0) for part in self.parts()), self.roundoff)

    @property
    def rounding(self) -> float:
        """Expected error of a sum of products about the mean, relative to the sum of their magnitudes.

        Rounding errors within a block are independent, so they grow with the square root of its length (Higham & Mary
        2019, SIAM J. Sci. Comput. 41).
        """
        return rounding_of(self.roundoff, float(self.count.sum()))

    @property
    def mean(self) -> Tensor:
        """``[..., D]`` mean row."""
        return self.x / self.count[..., None]

    @property
    def scatter(self) -> Tensor:
        """``[..., D, D]`` sum of centred outer products."""
        return self.xx - self.count[..., None, None] * self.mean[..., :, None] * self.mean[..., None, :]

    @property
    def variance(self) -> Tensor:
        """``[..., D]`` sum of centred squares, from products of units or from squares alone."""
        square = self.xx.diagonal(dim1=-2, dim2=-1) if self.xx.dim() > self.x.dim() else self.xx
        return square - self.count[..., None] * self.mean.square()

    @property
    def cross(self) -> Tensor:
        """``[..., D, Q]`` sum of centred products of x and y."""
        return self.xy - self.mean[..., :, None] * self.y[..., None, :]


class Moments:
    """Accumulates the :class:`Sums` of each fold, batch by batch."""

    def __init__(
        self,
        width: int,
        targets: int,
        folds: int = 1,
        *,
        device: torch.device | str | None = None,
        products: bool = True,
    ) -> None:
        """``products``: whether sums of x x' are kept; without them ``xx`` is ``[K, D]``, the sums of squares."""
        products_shape = (width, width) if products else (width,)
        shapes = ((), (width,), (targets,), products_shape, (width, targets), (targets,))
        zeros = (torch.zeros(folds, *shape, dtype=torch.float64, device=device) for shape in shapes)
        self._centred = Sums.of(zeros, ROUNDOFF[torch.float64])
        self._origin: Tensor | None = None
        self.width, self.targets, self.folds, self.products = width, targets, folds, products

    @classmethod
    def of(cls, batches: Iterable[tuple[Tensor, Tensor, Tensor]], folds: int = 1) -> Moments:
        """Moments of a stream of ``(x [b, D], y [b, Q], fold [b])``, on its device; batches are not kept."""
        moments: Moments | None = None
        for x, y, fold in batches:
            moments = moments or cls(x.shape[1], y.shape[1], folds, device=x.device)
            moments.add(x, y, fold)
        if moments is None:
            raise ImprintError("the stream of activations held no batch; expected at least one.")
        return moments

    @property
    def sums(self) -> Sums:
        """The sums ``[K, ...]`` of all rows added so far, about zero."""
        self._require_finite()
        if self._origin is None:
            return self._centred
        s, c = self._centred, self._origin.double()
        if self.products:
            shift = s.x[:, :, None] * c
            xx = s.xx + shift + shift.mT + s.count[:, None, None] * torch.outer(c, c)
        else:
            xx = s.xx + 2 * s.x * c + s.count[:, None] * c.square()
        return Sums(s.count, s.x + s.count[:, None] * c, s.y, xx, s.xy + c[:, None] * s.y[:, None, :], s.yy, s.roundoff)

    @property
    def centred(self) -> tuple[Tensor, Sums]:
        """A point ``[D]`` near the mean of the first rows, and the sums about it.

        Means far from zero cost :attr:`Sums.scatter` and :attr:`Sums.cross` no digits there.
        """
        self._require_finite()
        origin = torch.zeros_like(self._centred.x[0]) if self._origin is None else self._origin.double()
        return origin, self._centred

    def training(self, held: Iterable[int | None], *, centred: bool = False) -> Iterator[Sums]:
        """For each held-out fold, the sums of all other folds; for None, of all folds. ``centred``: see that."""
        sums = self.centred[1] if centred else self.sums
        total = sums.total()
        return (total if k is None else total - sums.at(k) for k in held)

    def add(self, x: Tensor, y: Tensor, fold: Tensor | None = None) -> None:
        """Add rows ``x`` ``[n, D]`` with targets ``y`` ``[n, Q]`` and folds ``[n]``, 0..K-1 (default: all 0).

        Raises :class:`ImprintError` for shapes that do not fit and :class:`NotMeasurableError` for numbers that are not
        finite; the moments are then as they were. On an accelerator, which is not waited for, reading the sums raises.
        """
        fold = torch.zeros(len(x), dtype=torch.long) if fold is None else fold
        if len(x) != len(y) or len(x) != len(fold):
            raise ImprintError(
                f"moments got {len(x)} rows of activations, {len(y)} of targets and {len(fold)} folds; "
                "expected as many of each."
            )
        if x.shape[1:] != (self.width,) or y.shape[1:] != (self.targets,):
            raise ImprintError(
                f"moments got activations {list(x.shape)} and targets {list(y.shape)}; "
                f"expected [n, {self.width}] and [n, {self.targets}]."
            )
        if len(fold) and not 0 <= int(fold.min()) <= int(fold.max()) < self.folds:
            raise ImprintError(f"folds are {int(fold.min())} to {int(fold.max())}; expected 0..{self.folds - 1}.")
        x, y, fold, device = x.detach(), y.detach(), fold.cpu(), self._centred.x.device
        kind = multiplied_in(x)
        _require_finite_rows(x, y, kind)
        self._centred = replace(self._centred, roundoff=max(self._centred.roundoff, ROUNDOFF[kind]))
        block = torch.empty(min(BLOCK, len(x)), self.width, dtype=kind, device=device)
        product = torch.empty_like(self._centred.xx[0], dtype=kind)
        by_fold = torch.argsort(fold, stable=True).split(torch.bincount(fold, minlength=self.folds).tolist())
        for k, rows in enumerate(by_fold):
            for part in rows.split(BLOCK):
                if len(part):
                    own = block[: len(part)]
                    if x.dtype == kind and x.device == device:
                        torch.index_select(x, 0, part.to(device), out=own)
                    else:
                        own.copy_(x[part.to(x.device)])
                    self._add_block(k, own, y[part.to(y.device)].to(device, kind), product)
        worked(float(len(x)) * self.width * (self.width * self.products + 2 * self.targets))

    def add_fold(self, k: int, x: Tensor, y: Tensor) -> None:
        """Add rows ``x`` ``[n, D]`` of fold ``k`` that come less a point near their mean; they are used as they are.

        Moments to which such rows are added take no others. Raises as :meth:`add` does.
        """
        _require_finite_rows(x, y, x.dtype)
        self._origin = torch.zeros(self.width, device=x.device)
        self._centred = replace(self._centred, roundoff=max(self._centred.roundoff, ROUNDOFF[x.dtype]))
        product = torch.empty_like(self._centred.xx[0], dtype=x.dtype)
        for part, targets in zip(x.split(BLOCK), y.split(BLOCK), strict=True):
            self._add_rows(k, part, targets.to(x.device, x.dtype), product)
        worked(float(len(x)) * self.width * (self.width * self.products + 2 * self.targets))

    def _add_block(self, k: int, x: Tensor, y: Tensor, product: Tensor) -> None:
        """Add rows ``x`` of fold ``k``; ``x`` and ``product`` ``[D, D]`` are overwritten."""
        if self._origin is None:
            self._origin = column_means(x).float()
        x -= self._origin
        self._add_rows(k, x, y, product)

    def _add_rows(self, k: int, x: Tensor, y: Tensor, product: Tensor) -> None:
        into = self._centred.at(k)
        into.count.add_(len(x))
        into.x.add_(x.sum(0))
        into.xx.add_(gram_of(x.T, out=product) if self.products else x.square().sum(0))
        self._add_targets(into, x, y)

    @staticmethod
    def _add_targets(into: Sums, x: Tensor, y: Tensor) -> None:
        into.y.add_(y.sum(0))
        into.xy.add_(x.T @ y)
        into.yy.add_(y.square().sum(0))

    def _require_finite(self) -> None:
        """Raise for rows that were NaN or infinite; on an accelerator this waits for all that was added."""
        for name, sums in (("activations", self._centred.x), ("targets", self._centred.y)):
            if not bool(torch.isfinite(sums).all()):
                raise NotMeasurableError(f"{name} hold NaN or infinite values")

    def with_targets(self, folds: Iterable[tuple[Tensor, Tensor]], targets: int) -> Moments:
        """Moments of the rows that :meth:`add_fold` added with other targets; sums of the rows alone are shared.

        ``folds``: rows and targets ``[n, Q]`` of each fold in order.
        """
        own, shape = self._centred, (self.folds, targets)
        y, yy, xy = (own.y.new_zeros(size) for size in (shape, shape, (self.folds, self.width, targets)))
        sums = replace(own, y=y, yy=yy, xy=xy)
        for k, (x, of_fold) in enumerate(folds):
            for part, columns in zip(x.split(BLOCK), of_fold.split(BLOCK), strict=True):
                self._add_targets(sums.at(k), part, columns.to(x.device, x.dtype))
            worked(2.0 * len(x) * self.width * targets)
        return self._with(sums, self._origin)

    def merge(self, other: Moments) -> Moments:
        """The moments of the rows of both; neither is changed."""
        if [p.shape for p in self.sums.parts()] != [p.shape for p in other.sums.parts()]:
            raise ImprintError("moments of different shapes cannot be merged; width, targets and folds must agree.")
        return self._with(self.sums + other.sums)

    def regrouped(self, assignment: Tensor) -> Moments:
        """Moments whose folds are unions of these: fold k becomes part of fold ``assignment[k]`` (0..)."""
        if assignment.shape != (self.folds,):
            raise ImprintError(f"assignment is {list(assignment.shape)}; expected one number per fold, [{self.folds}].")
        size = int(assignment.max()) + 1
        parts = (torch.zeros(size, *p.shape[1:], dtype=p.dtype).index_add_(0, assignment, p) for p in self.sums.parts())
        return self._with(Sums.of(parts, self.sums.roundoff))

    def save(self, path: Path) -> None:
        """Write a safetensors file, completely or not at all."""
        tensors = dict(zip(PARTS, self.sums.parts(), strict=True))
        write_tensors(path, tensors, kind="moments", roundoff=repr(self.sums.roundoff))

    @classmethod
    def load(cls, path: Path) -> Moments:
        """Moments that :meth:`save` wrote. Raises :class:`DamagedFileError` when the file is damaged."""
        tensors, header = read_tensors(path)
        if header.get("kind") != "moments":
            raise ImprintError(f"{path} holds {header.get('kind', 'something else')}; expected moments.")
        sums = Sums.of((tensors[name] for name in PARTS), float(header["roundoff"]))
        return cls(sums.x.shape[1], sums.y.shape[1], 1)._with(sums)  # noqa: SLF001, its own class

    def _with(self, sums: Sums, origin: Tensor | None = None) -> Moments:
        new = Moments(0, 0)
        new._centred, new._origin = sums, origin
        new.width, new.targets, new.folds = self.width, sums.y.shape[1], len(sums.count)
        new.products = sums.xx.dim() > sums.x.dim()
        return new


def _require_finite_rows(x: Tensor, y: Tensor, kind: torch.dtype) -> None:
    """Raise for numbers on the CPU that are not finite in ``kind``, in which they are multiplied."""
    for name, numbers in (("activations", x), ("targets", y)):
        if numbers.device.type == "cpu" and numbers.is_floating_point() and numbers.numel():
            low, high = numbers.aminmax()  # NaN if any is
            if not -torch.finfo(kind).max <= float(low) <= float(high) <= torch.finfo(kind).max:
                raise NotMeasurableError(f"{name} hold NaN or infinite values")
