"""Moments: one streaming pass over activations, from which every linear probe of every fold and null follows.

For rows x (D wide) and targets y (Q of them: all concepts, all classes, all label shuffles side by side) it keeps, per
fold k,

    count_k,  sum x,  sum y,  sum x x',  sum x y',  sum y^2          (float64)

These are sufficient for least squares, so ridge for every target and every held-out fold is exact without looking at a
row again, and the cost of a null is one more column. Sums of shards add: merging two :class:`Moments` equals one pass,
up to the rounding of float64 addition. Memory is K (D^2 + D Q), whatever the number of rows.

Letters: n rows, D width, Q targets, K folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError


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

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def __sub__(self, other: Sums) -> Sums:
        return Sums(*(a - b for a, b in zip(self.parts(), other.parts(), strict=True)))

    def parts(self) -> tuple[Tensor, ...]:
        """All tensors in order."""
        return (self.count, self.x, self.y, self.xx, self.xy, self.yy)

    def at(self, index: int | Tensor) -> Sums:
        """One or several of the K sets."""
        return Sums(*(part[index] for part in self.parts()))

    def total(self) -> Sums:
        """All K sets together."""
        return Sums(*(part.sum(0) for part in self.parts()))


class Moments:
    """Accumulates :class:`Sums` per fold, batch by batch."""

    def __init__(self, width: int, targets: int, folds: int) -> None:
        shape = {
            "count": (),
            "x": (width,),
            "y": (targets,),
            "xx": (width, width),
            "xy": (width, targets),
            "yy": (targets,),
        }
        self.sums = Sums(*(torch.zeros(folds, *tail, dtype=torch.float64) for tail in shape.values()))
        self.folds = folds

    def add(self, x: Tensor, y: Tensor, fold: Tensor) -> None:
        """Add rows ``x`` ``[n, D]`` with targets ``y`` ``[n, Q]`` lying in folds ``fold`` ``[n]`` (0..K-1)."""
        if len(x) != len(y) or len(x) != len(fold):
            raise ImprintError(
                f"moments got {len(x)} rows of activations, {len(y)} of targets and {len(fold)} folds; "
                "expected as many of each."
            )
        if not bool(torch.isfinite(x).all()):
            raise NotMeasurableError("activations hold NaN or infinite values")
        for k in range(self.folds):
            rows = fold == k
            if bool(rows.any()):
                xs, ys = x[rows].to(torch.float64), y[rows].to(torch.float64)
                for part, more in zip(self.sums.at(k).parts(), _sums(xs, ys), strict=True):
                    part += more

    def merge(self, other: Moments) -> Moments:
        """The moments of both; neither is changed."""
        if [p.shape for p in self.sums.parts()] != [p.shape for p in other.sums.parts()]:
            raise ImprintError("moments of different shapes cannot be merged; width, targets and folds must agree.")
        merged = Moments(self.sums.x.shape[1], self.sums.y.shape[1], self.folds)
        merged.sums = self.sums + other.sums
        return merged


def _sums(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    count = torch.tensor(float(len(x)), dtype=torch.float64)
    return (count, x.sum(0), y.sum(0), x.T @ x, x.T @ y, y.square().sum(0))
