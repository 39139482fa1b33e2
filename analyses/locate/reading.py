"""Readings: how well a concept is read from activations out of fold, kept as sums that can be resampled.

A concept becomes *target* columns: its labels first, then shuffles of them. A readout is fitted on K-1 folds and read
on the K-th (groups never split). Classes are scored by balanced accuracy, numbers by R2, both from sums per group
(:mod:`imprint.analyses.statistics`), so that groups can be drawn again without touching a row.

Letters: n rows, D width, Q target columns, K folds, J shuffles, G groups, M sums per score, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from torch import Tensor

from imprint.analyses import statistics
from imprint.analyses.statistics import Floats
from imprint.models.errors import NotMeasurableError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, Readout
from imprint.probes.samples.concept_columns import concept_values
from imprint.probes.samples.controls import Ints, shuffled

ENOUGH = 4000
"""Rows from which the noise of readings is estimated."""


@dataclass(frozen=True)
class Target:
    """One concept as target columns: the real labels first, then its shuffles."""

    name: str
    regression: bool
    codes: Tensor
    """``[n, 1 + J]`` class codes (int64) or numbers (float32)."""
    classes: int
    """C; 0 for numbers."""
    labels: tuple[str, ...] = ()
    """Names of the classes."""

    @property
    def width(self) -> int:
        """Columns per copy: one for numbers and two classes, else one per class."""
        return 1 if self.classes <= 2 else self.classes

    def columns(self, rows: slice = slice(None)) -> Tensor:
        """Target columns ``[n, (1 + J) * width]`` of some rows."""
        codes = self.codes[rows]
        if self.width == 1:
            return codes.to(torch.float32)
        return torch.nn.functional.one_hot(codes, self.classes).flatten(1).to(torch.float32)

    def layout(self) -> Columns:
        """What the columns are: the labels and their shuffles, which share the labels' hyperparameters."""
        return Columns.single(self.width, classes=not self.regression).repeated(self.codes.shape[1])

    def real(self) -> Target:
        """The same concept without its shuffles."""
        return replace(self, codes=self.codes[:, :1])


def target_of(name: str, labels: pd.Series, groups: Ints, *, nulls: int, rng: np.random.Generator) -> Target:
    """A concept's target columns with ``nulls`` label shuffles, or :class:`NotMeasurableError` with the reason."""
    values, classes = concept_values(labels)
    if not classes:
        values = ((values - values.mean()) / values.std()).astype(np.float32)  # R2 is the same, and no digit is lost
    in_groups = [len(np.unique(groups[values == c])) for c in range(len(classes))]
    if in_groups and min(in_groups) < 2:
        rare = classes[int(np.argmin(in_groups))]
        raise NotMeasurableError(f"class {rare} occurs in one group only, so it cannot be held out")
    copies = np.hstack([values[:, None], shuffled(values, groups, nulls, rng)])
    return Target(name, not classes, torch.from_numpy(copies), len(classes), classes)


@dataclass(frozen=True)
class Reading:
    """How well one concept is read from one set of activations."""

    sums: Floats
    """``[G, M]`` of the real labels, out of fold."""
    nulls: Floats
    """``[J]`` scores of the shuffles."""
    regression: bool
    null_scale: float = 1.0
    """What the shuffles' spread is multiplied by: above 1 for part of the rows they were scored on."""
    rates: Floats | None = None
    """``[C, 3]`` area under the curve, true and false positive rate of each class against the rest, all rows."""
    labels: tuple[str, ...] = ()
    """Names of the classes."""
    noise: float = 1.0
    """Part of a reading's variance within classes that is due to the rows its probe was trained on, 0..1."""

    @property
    def chance(self) -> float:
        """Score of knowing nothing: 1 / C for C classes, 0 for numbers."""
        return 0.0 if self.regression else 2.0 / self.sums.shape[1]

    @property
    def score(self) -> float:
        """Balanced accuracy or R2 over all groups; NaN where it is not defined."""
        return float(statistics.score(self.sums.sum(0), regression=self.regression))

    @property
    def rows(self) -> float:
        """Rows behind the score."""
        return float(self.sums[:, 1].sum() if self.regression else self.sums[:, self.sums.shape[1] // 2 :].sum())

    @property
    def used_twice(self) -> float:
        """How much more an out-of-fold score varies than drawing its groups again shows.

        Every row is tested once and helps to train the probes of all other folds. Drawing groups of fixed readings
        shows the first part only; the second is ``noise`` times ``phi(z)^2 / (a (1 - a))`` of it for an accuracy
        ``a = Phi(z)``, and ``noise`` times all of it for R2.
        """
        if self.regression or not np.isfinite(self.score):
            return 1.0 + self.noise
        a = min(max(self.score, 1e-6), 1 - 1e-6)
        return 1.0 + self.noise * float(norm.pdf(norm.ppf(a)) ** 2 / (a * (1 - a)))

    def of_groups(self, groups: Ints) -> Reading:
        """Restricted to some groups; fewer rows make the shuffles' scores spread more."""
        part = replace(self, sums=self.sums[groups], rates=None)
        return replace(part, null_scale=self.null_scale * float(np.sqrt(self.rows / max(part.rows, 1.0))))


def read(
    x: Tensor, targets: Sequence[Target], readout: Readout, *, fold: Ints, groups: Ints, inner: Ints | None = None
) -> list[Reading]:
    """Out-of-fold readings of all targets from activations ``x`` ``[n, D]``.

    A readout that follows from moments needs one pass for them and one for reading. Any other is fitted once per fold,
    concept and shuffle, and keeps ``inner`` groups (default: ``groups``) together when it chooses hyperparameters.
    """
    if not len(targets):
        return []
    fold_t = torch.from_numpy(fold)
    if isinstance(readout, FromMoments):
        columns = torch.cat([t.columns() for t in targets], dim=1)
        moments = Moments(x.shape[1], columns.shape[1], int(fold.max()) + 1)
        moments.add(x, columns, fold_t)
        probes = readout.solve(moments, Columns.joined([t.layout() for t in targets]), range(moments.folds))
        every = readings_of(x, targets, fold_t, probes)
    else:
        whole = groups if inner is None else inner
        every = [_read_rows(x, t, readout, fold=fold_t, groups=whole) for t in targets]
    return [_score(readings, t, groups) for readings, t in zip(every, targets, strict=True)]


def readings_of(x: Tensor, targets: Sequence[Target], fold: Tensor, probes: Sequence[FittedReadout]) -> list[Tensor]:
    """Readings ``[b, 1 + J, width]`` of each target in rows ``x`` ``[b, D]``, each row by the probe of its fold."""
    readings = torch.empty(len(x), len(probes[0].bias), dtype=torch.float32)
    for k, probe in enumerate(probes):
        rows = (fold == k).nonzero()[:, 0]
        if len(rows):
            readings[rows] = torch.addmm(probe.bias.float(), x[rows].float(), probe.weight.float())
    parts = readings.split([t.codes.shape[1] * t.width for t in targets], dim=1)
    return [p.unflatten(1, (t.codes.shape[1], t.width)) for p, t in zip(parts, targets, strict=True)]


def _read_rows(x: Tensor, target: Target, readout: Readout, *, fold: Tensor, groups: Ints) -> Tensor:
    """Readings ``[n, 1 + J, width]`` of one target, fitted anew for every fold and shuffle."""
    copies = target.codes.shape[1]
    readings = torch.empty(len(x), copies, target.width, dtype=torch.float32)
    for k in fold.unique().tolist():
        train, held = fold != k, fold == k
        for j in range(copies):
            y = target.codes[train, j]
            y = y.double() if target.regression else y
            probe = readout.fit_rows(x[train].double(), y, target.classes, groups=groups[train], seed=0)
            read = probe(x[held])
            if read.shape[1] == 2 and target.width == 1:
                read = read[:, 1:] - read[:, :1]
            readings[held, j] = read.detach().float()
    return readings


def _score(readings: Tensor, target: Target, groups: Ints) -> Reading:
    """Scores from readings ``[n, 1 + J, width]``."""
    real, nulls = sums_of(readings, target, slice(None), groups, size=int(groups.max()) + 1)
    rates = None if target.regression else _rates(readings[:, 0], target)
    return reading_of(target, real, nulls, noise=noise_of(readings, target, slice(None)), rates=rates)


def sums_of(readings: Tensor, target: Target, rows: slice, groups: Ints, *, size: int) -> tuple[Tensor, Tensor]:
    """Sums of some rows from their readings ``[b, 1 + J, width]``, additive over rows.

    Those of the labels per group ``[G, M]``, and those of the shuffles ``[J, M]``. ``groups``: of all rows ``[n]``;
    ``size``: G.
    """
    codes = target.codes[rows]
    if target.regression:
        y = codes.to(torch.float64)
        error = (y - readings[..., 0].to(torch.float64)).square()
        parts = [error, torch.ones_like(y), y, y.square()]
    else:
        guess = readings.argmax(-1) if target.width > 1 else (readings[..., 0] > 0).long()
        right = guess == codes
        member = [codes == c for c in range(target.classes)]
        parts = [right & m for m in member] + member
    real = torch.zeros(size, len(parts), dtype=torch.float64)
    real.index_add_(0, torch.from_numpy(groups[rows]), torch.stack([p[:, 0] for p in parts], dim=1).to(torch.float64))
    return real, torch.stack([p[:, 1:].sum(0, dtype=torch.float64) for p in parts], dim=1)


def reading_of(target: Target, real: Tensor, nulls: Tensor, *, noise: float, rates: Floats | None = None) -> Reading:
    """A reading from its sums; see :func:`sums_of` and :class:`Reading`."""
    scores = statistics.score(nulls.numpy(), regression=target.regression)
    return Reading(real.numpy(), np.asarray(scores), target.regression, rates=rates, labels=target.labels, noise=noise)


def noise_of(readings: Tensor, target: Target, rows: slice) -> float:
    """Variance of the shuffles' readings, which are noise alone, over that of the labels' readings within classes.

    Readings ``[b, 1 + J, width]`` of some rows, of which :data:`ENOUGH` are looked at. Without shuffles all of it is
    taken for noise.
    """
    if readings.shape[1] < 2:
        return 1.0
    readings, rows = readings[:ENOUGH], slice(rows.start, (rows.start or 0) + min(ENOUGH, len(readings)))
    nulls = float(readings[:, 1:].double().var(0).mean())
    real, codes = readings[:, 0].double(), target.codes[rows, 0]
    parts = [real] if target.regression else [real[codes == c] for c in codes.unique()]
    within = [float(part.var(0).mean()) for part in parts if len(part) > 1]
    spread = float(np.mean(within)) if within else 0.0
    return min(nulls / spread, 1.0) if spread > 0 and np.isfinite(nulls / spread) else 1.0


def _rates(readings: Tensor, target: Target) -> Floats:
    """Area under the curve, true and false positive rate ``[C, 3]`` of each class against the rest."""
    codes, read = target.codes[:, 0].numpy(), readings.numpy()
    guess = read.argmax(1) if target.width > 1 else (read[:, 0] > 0).astype(np.int64)
    member, guessed = (of[:, None] == np.arange(target.classes) for of in (codes, guess))
    inside, outside = member.sum(0), (~member).sum(0)
    # of two classes the first is read as the second one's opposite, which ranks as well
    area = statistics.areas(read, member[:, -target.width :]).repeat(target.classes // target.width)
    return np.stack([area, (guessed & member).sum(0) / inside, (guessed & ~member).sum(0) / outside], axis=1)
