"""Readings: how well a concept is read from activations out of fold, kept as sums that can be resampled.

A concept becomes target columns (:mod:`imprint.analyses.locate.plan.target`): its labels, then shuffles of them. A
readout is fitted on K-1 folds and read on the K-th (groups never split). Classes are scored by balanced accuracy,
numbers by R2, both from sums per group (:mod:`imprint.analyses.statistics`), so that groups can be drawn again without
touching a row.

Letters: n rows, D width, Q target columns, K folds, J shuffles, P permuted sequences, G groups, M sums per score, C
classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from imprint.analyses import statistics
from imprint.analyses.locate.nulls import FEWEST, STAGES, is_among, p_among, undecided
from imprint.analyses.locate.plan.cost import BLOCK_BYTES, FOLLOWING, PER_READING, blocks_of
from imprint.analyses.locate.plan.target import Target
from imprint.analyses.statistics import NAN, Floats
from imprint.models.progress import worked
from imprint.probes.fitting.moments import multiplied_in
from imprint.probes.readouts.base import Columns, FittedReadout, FromMoments, Readout
from imprint.probes.samples.controls import Ints

ENOUGH = 4000
"""Rows from which the noise of readings is estimated."""


@dataclass(frozen=True)
class Reading:
    """How well one concept is read from one set of activations."""

    sums: Floats
    """``[G, M]`` of the real labels, out of fold."""
    nulls: Floats
    """``[J]`` scores of the shuffles."""
    regression: bool
    sequences: Floats | None = None
    """``[P]`` scores of the permuted sequences; None where the label has none."""
    null_scale: float = 1.0
    """What the shuffles' spread is multiplied by: above 1 for part of the rows they were scored on."""
    rates: Floats | None = None
    """``[C, 3]`` area under the curve, true and false positive rate of each class against the rest, all rows."""
    labels: tuple[str, ...] = ()
    """Names of the classes."""
    noise: float = 1.0
    """Part of a reading's variance within classes that is due to the rows its probe was trained on, 0..1."""
    strata: int = 1
    """Over how many strata the classes are counted apart; see :mod:`imprint.analyses.locate.strata`."""

    @property
    def chance(self) -> float:
        """Score of knowing nothing: 1 / C for C classes, 0 for numbers."""
        return 0.0 if self.regression else 2.0 * self.strata / self.sums.shape[1]

    @property
    def rarest(self) -> float:
        """Rows of the rarest class; of numbers, all rows."""
        return self.rows if self.regression else float(self.sums[:, self.sums.shape[1] // 2 :].sum(0).min())

    @property
    def null_sets(self) -> list[Floats]:
        """Scores of the shuffles and, where there are any, of the permuted sequences, for as many rows as the sums."""
        sets = [self.nulls] if self.sequences is None else [self.nulls, self.sequences]
        return [nulls.mean() + (nulls - nulls.mean()) * self.null_scale for nulls in sets]

    @property
    def p_null(self) -> float:
        """The larger p of the score among its shuffles and among its permuted sequences."""
        p = [p_among(self.score, nulls, rarest=self.rarest) for nulls in self.null_sets]
        return float(max(p)) if np.isfinite(p).all() else NAN

    @property
    def slowness(self) -> float:
        """How much more widely permuted sequences score than shuffled rows; above 1 when rows follow one another."""
        if self.sequences is None or not self.nulls.std() > 0:
            return 1.0
        return float(self.sequences.std() / self.nulls.std())

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
        return 1.0 + self.noise * float(np.exp(-(ndtri(a) ** 2)) / (2 * np.pi * a * (1 - a)))

    def of_groups(self, groups: Ints) -> Reading:
        """Restricted to some groups; fewer rows make the shuffles' scores spread more."""
        part = replace(self, sums=self.sums[groups], rates=None)
        return replace(part, null_scale=self.null_scale * float(np.sqrt(self.rows / max(part.rows, 1.0))))


def read(
    x: Tensor,
    targets: Sequence[Target],
    readout: Readout,
    *,
    fold: Ints,
    groups: Ints,
    inner: Ints | None = None,
    enough: float | None = None,
    rates: bool = True,
) -> list[Reading]:
    """Out-of-fold readings of all targets from activations ``x`` ``[n, D]``.

    A readout that follows from moments needs one pass for them and one for reading. Any other is fitted once per fold,
    concept and shuffle, and keeps ``inner`` groups (default: ``groups``) together when it chooses hyperparameters.
    ``enough``: the p-value that a reading is compared with; those that are near it get more shuffles, if the readout
    follows from moments. ``rates``: whether classes get their areas and rates.
    """
    readings: dict[int, Reading] = {}
    size = int(groups.max()) + 1
    for some in same_rows(targets):
        parts, first = [targets[i] for i in some], targets[some[0]]
        own = x if first.rows is None else x[torch.from_numpy(first.rows).to(x.device)]
        groups_of, folds = first.of(groups), torch.from_numpy(first.fold_of(fold))
        if isinstance(readout, FromMoments):
            together = _Together(own, parts, readout, folds)

            def scored(parts: Sequence[Target], of: _Together = together, groups: Ints = groups_of) -> list[Reading]:
                return [_score(r, t, groups, size, rates=rates) for t, r in of.readings(parts)]

            found = scored(parts)
            if enough is not None:
                found = decided_by_more(found, parts, scored, enough=enough)
        else:
            whole = first.of(groups if inner is None else inner)
            every = (_read_rows(own, t, readout, fold=folds, groups=whole) for t in parts)
            found = [_score(r, t, groups_of, size, rates=rates) for t, r in zip(parts, every, strict=True)]
        readings |= dict(zip(some, found, strict=True))
    return [readings[i] for i in range(len(targets))]


def same_rows(targets: Sequence[Target]) -> list[list[int]]:
    """Numbers of the targets that have their labels in the same rows, together."""
    keys = [b"" if target.rows is None else target.rows.tobytes() for target in targets]
    return [[i for i, key in enumerate(keys) if key == one] for one in dict.fromkeys(keys)]


def decided_by_more(
    readings: list[Reading], targets: Sequence[Target], again: Callable[[list[Target]], list[Reading]], *, enough: float
) -> list[Reading]:
    """Readings with more shuffles where theirs decide nothing (:mod:`imprint.analyses.locate.nulls`)."""
    for stage in STAGES:
        open_ = [i for i, r in enumerate(readings) if needs_more(r, stage=stage, enough=enough)]
        more = again([targets[i].shuffled_anew(stage - len(readings[i].nulls)) for i in open_]) if open_ else []
        for i, new in zip(open_, more, strict=True):
            readings[i] = with_nulls_of(readings[i], new)
    return readings


def needs_more(reading: Reading, *, stage: int, enough: float) -> bool:
    """Whether a reading needs the shuffles of a stage: it is not among any set of its shuffles, and is near one."""
    if reading.rarest < FEWEST or any(is_among(reading.score, nulls) for nulls in reading.null_sets):
        return False
    return any(
        undecided(reading.score, nulls, rarest=reading.rarest, stage=stage, enough=enough)
        for nulls in reading.null_sets
    )


def with_nulls_of(reading: Reading, more: Reading) -> Reading:
    """A reading with the shuffles of another reading of the same labels as well."""
    sequences = None
    if reading.sequences is not None and more.sequences is not None:
        sequences = np.concatenate([reading.sequences, more.sequences])
    return replace(reading, nulls=np.concatenate([reading.nulls, more.nulls]), sequences=sequences)


class _Together:
    """Rows ``x`` ``[n, D]`` of targets that have their labels there, with what depends on rows and labels alone."""

    def __init__(self, x: Tensor, targets: Sequence[Target], readout: FromMoments, fold: Tensor) -> None:
        self.engine = readout.out_of_fold(x, fold, torch.cat([t.real().columns() for t in targets], dim=1))
        self.most = max(BLOCK_BYTES, x.numel() * x.element_size()) // (PER_READING * len(x))
        starts = np.cumsum([0, *(t.width for t in targets)])[:-1].tolist()
        self.first = {(t.name, t.seed): start for t, start in zip(targets, starts, strict=True)}

    def readings(self, targets: Sequence[Target]) -> Iterator[tuple[Target, Tensor]]:
        """Some of the targets, with any shuffles, each with its readings ``[n, copies, width]``.

        They follow in blocks, whose size is that of the activations.
        """
        for block in blocks_of([t.copies * t.width for t in targets], self.most):
            some = [targets[i] for i in block]
            y = torch.cat([t.columns() for t in some], dim=1)
            starts = [(self.first[t.name, t.seed], t) for t in some]
            label = torch.cat([torch.arange(first, first + t.width).repeat(t.copies) for first, t in starts])
            readings = self.engine.readings(y, Columns.joined([t.layout() for t in some]), label)
            del y
            worked(FOLLOWING * readings.numel())
            parts = readings.split([t.copies * t.width for t in some], dim=1)
            yield from ((t, p.unflatten(1, (t.copies, t.width))) for t, p in zip(some, parts, strict=True))


def readings_of(
    x: Tensor, targets: Sequence[Target], fold: Tensor, origin: Tensor, probes: Sequence[FittedReadout]
) -> list[Tensor]:
    """Readings ``[b, copies, width]`` of each target in rows ``x`` ``[b, D]``, each row by the probe of its fold.

    Rows are read less ``origin`` ``[D]``, so that a large mean costs no digits.
    """
    readings = torch.empty(len(x), len(probes[0].bias), dtype=torch.float32, device=x.device)
    for k, probe in enumerate(probes):
        rows = (fold == k).nonzero()[:, 0].to(x.device)
        if len(rows):
            bias = (probe.bias + origin @ probe.weight.double()).float()
            own = (x[rows].to(multiplied_in(x)) - origin.to(multiplied_in(x))).float()
            readings[rows] = torch.addmm(bias, own, probe.weight.float())
    worked((2.0 * x.shape[1] + FOLLOWING) * readings.numel())
    parts = readings.split([t.copies * t.width for t in targets], dim=1)
    return [p.unflatten(1, (t.copies, t.width)) for p, t in zip(parts, targets, strict=True)]


def _read_rows(x: Tensor, target: Target, readout: Readout, *, fold: Tensor, groups: Ints) -> Tensor:
    """Readings ``[n, copies, width]`` of one target, fitted anew for every fold and shuffle."""
    copies = target.copies
    readings = torch.empty(len(x), copies, target.width, dtype=torch.float32)
    for k in fold.unique().tolist():
        train, held = fold != k, fold == k
        for j in range(copies):
            y = target.codes[train, j]
            y = y.double() if target.regression else y.long()
            probe = readout.fit_rows(x[train].double(), y, target.classes, groups=groups[train], seed=0)
            read = probe(x[held])
            if read.shape[1] == 2 and target.width == 1:
                read = read[:, 1:] - read[:, :1]
            readings[held, j] = read.detach().float()
    return readings


def _score(readings: Tensor, target: Target, groups: Ints, size: int, *, rates: bool) -> Reading:
    """Scores from readings ``[n, copies, width]`` of its rows, whose groups are among ``size``."""
    real, nulls = sums_of(readings, target, slice(None), groups, size=size)
    of_classes = _rates(readings[:, 0], target) if rates and not target.regression else None
    return reading_of(target, real, nulls, noise=noise_of(readings, target, slice(None)), rates=of_classes)


def sums_of(readings: Tensor, target: Target, rows: slice, groups: Ints, *, size: int) -> tuple[Tensor, Tensor]:
    """Sums of some rows from their readings ``[b, copies, width]``, additive over rows.

    Those of the labels per group ``[G, M]``, and those of all other copies ``[J + P, M]``, where the readings are, so
    that nothing waits for a device batch by batch. ``groups``: of all rows of the target ``[n]``; ``size``: G.
    """
    codes, of_row = target.codes[rows].to(readings.device), torch.from_numpy(groups[rows]).to(readings.device)
    if target.regression:
        y = codes.to(torch.float64)
        error = (y - readings[..., 0].to(torch.float64)).square()
        parts = [error, torch.ones_like(y), y, y.square()]
    elif target.width == 1:
        guess, truth = _positive(readings[..., 0]), codes.bool()
        both, either = guess & truth, guess | truth
        parts = [~either, both, ~truth, truth]
    else:
        right = readings.argmax(-1) == codes
        member = [codes == c for c in range(target.classes)]
        parts = [right & m for m in member] + member
    own = torch.stack([p[:, 0] for p in parts], dim=1).to(torch.float64)
    real = torch.zeros(size, len(parts), dtype=torch.float64, device=readings.device).index_add_(0, of_row, own)
    return real, torch.stack([_counted(p[:, 1:]) for p in parts], dim=1)


def _positive(readings: Tensor) -> Tensor:
    """Whether readings ``[b, copies]`` are above zero; NumPy is faster at slices of wider rows."""
    return torch.from_numpy(readings.numpy() > 0) if readings.device.type == "cpu" else readings > 0


def _counted(part: Tensor) -> Tensor:
    """Sums ``[copies]`` over rows ``[b, copies]``; NumPy is faster at adding bytes."""
    if part.dtype == torch.bool and part.device.type == "cpu":
        return torch.from_numpy(part.view(torch.uint8).numpy().sum(0).astype(np.float64))
    return part.sum(0, dtype=torch.float64)


def reading_of(target: Target, real: Tensor, nulls: Tensor, *, noise: float, rates: Floats | None = None) -> Reading:
    """A reading from its sums; see :func:`sums_of` and :class:`Reading`."""
    scores = statistics.score(nulls.cpu().numpy(), regression=target.regression)
    own, sequences = np.split(np.asarray(scores), [target.shuffles])
    return Reading(
        real.cpu().numpy(),
        own,
        target.regression,
        sequences=sequences if len(sequences) else None,
        rates=rates,
        labels=target.labels,
        noise=noise,
    )


def noise_of(readings: Tensor, target: Target, rows: slice) -> float:
    """Variance of the shuffles' readings, which are noise alone, over that of the labels' readings within classes.

    Readings ``[b, copies, width]`` of some rows, of which :data:`ENOUGH` are looked at. Without shuffles all of it is
    taken for noise.
    """
    if readings.shape[1] < 2:
        return 1.0
    readings, rows = readings[:ENOUGH], slice(rows.start, (rows.start or 0) + min(ENOUGH, len(readings)))
    nulls = float(readings[:, 1 : 1 + target.shuffles].double().var(0).mean())
    real, codes = readings[:, 0].double(), target.codes[rows, 0].to(readings.device)
    parts = [real] if target.regression else [real[codes == c] for c in codes.unique()]
    within = [float(part.var(0).mean()) for part in parts if len(part) > 1]
    spread = float(np.mean(within)) if within else 0.0
    return min(nulls / spread, 1.0) if spread > 0 and np.isfinite(nulls / spread) else 1.0


def _rates(readings: Tensor, target: Target) -> Floats:
    """Area under the curve, true and false positive rate, and recall ``[C, 4]`` of each class against the rest."""
    codes, read = target.codes[:, 0].numpy(), readings.cpu().numpy()
    guess = read.argmax(1) if target.width > 1 else (read[:, 0] > 0).astype(np.int64)
    member, guessed = (of[:, None] == np.arange(target.classes) for of in (codes, guess))
    inside, outside = member.sum(0), (~member).sum(0)
    ranked, area = read, statistics.areas(read, member[:, -read.shape[1] :])
    if target.width == 1:  # of two classes, one is the opposite of the other, and their areas are the same
        ranked, area = np.concatenate([-read, read], axis=1), np.repeat(area, 2)
    ranks = (area, statistics.recalls(ranked, member))
    rates = ((guessed & member).sum(0) / inside, (guessed & ~member).sum(0) / outside)
    return np.stack([ranks[0], *rates, ranks[1]], axis=1)
