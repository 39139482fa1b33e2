"""Quality of a probe: do the activations hold the concept or did the probe learn it, and is the answer stable?

Three numbers about one concept at one site, with any readout:

    control task        score on the concept minus score on random labels, one per input type: what a probe can score
                        by remembering types. Hewitt & Liang 2019 (arXiv 1909.03368) test on types that were trained
                        on; with *held-out* types remembering cannot help, so both designs are given side by side.
    label efficiency    score against the number of labelled groups: what is easy to read needs few labels
                        (Whitney et al. 2020, arXiv 2009.07368, argue for whole curves)
    seed stability      probes fitted on disjoint halves of the groups: cosine between their directions, correlation of
                        their readings, and the spread of their scores; beside it, what the probe's own seed changes
                        when the rows stay

Scores are balanced accuracy for classes and R2 for numbers, always on rows on which the probe was not fitted.

Letters: n rows, D width, Q target columns, V types, G groups, K folds, J draws, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses import statistics
from imprint.analyses.locate.plan.target import Target, target_of
from imprint.analyses.locate.reading import read
from imprint.analyses.statistics import NAN, Estimate, Floats
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import FOLDS, Columns, Fitted, FromMoments, Readout, one_hot
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import Ints, compact_groups, control_labels, folds_of, type_ids


@dataclass(frozen=True)
class Selectivity:
    """Score on the concept, mean score on control tasks, and their difference; ``n`` counts rows."""

    task: Estimate
    control: Estimate
    selectivity: Estimate


@dataclass(frozen=True)
class ControlTask:
    """The control task with types shared between training and test rows, and with types held out."""

    shared: Selectivity
    held_out: Selectivity
    types: int
    rows_per_type: float


@dataclass(frozen=True)
class Efficiency:
    """Score of probes trained on a number of groups."""

    groups: int
    rows: float
    """Mean number of training rows."""
    score: Estimate
    """Mean over draws, and between what 95 % of them lie: how bad one such set of labels can be; ``n`` counts draws."""


@dataclass(frozen=True)
class Stability:
    """How alike probes of the same concept are; ``n`` of its estimates counts halvings of the groups."""

    cosine: Estimate
    """Between directions fitted on disjoint halves (the sign counts); NaN when the probe is not linear. With two
    classes, one direction; with more, the mean over classes."""
    agreement: Estimate
    """Correlation, over all rows, of the readings of probes fitted on disjoint halves."""
    score: Estimate
    """Of a probe from one half on the other."""
    seed_cosine: float
    """Lowest cosine between probes fitted on the same half with different seeds of their own."""
    seed_score_spread: float
    """Standard deviation of the score over those seeds."""


def control_task(
    x: Any,
    labels: Any,
    types: Any,
    *,
    groups: Any = None,
    readout: Readout | None = None,
    draws: int = 5,
    folds: int = 5,
    resamples: int = 1000,
    rng: np.random.Generator,
) -> ControlTask:
    """Selectivity of a probe of ``labels`` ``[n]`` on activations ``x`` ``[n, D]``.

    Float labels are numbers, all others classes. ``types``: tokens ``[n]`` or raw inputs ``[n, ...]``; equal ones are
    of one type. ``groups`` ``[n]``: rows that must not be split when types are shared; None: every row by itself.
    ``readout``: default ridge; its hyperparameters are chosen anew for every control task. ``draws``: number of control
    tasks. ``resamples``: of types and control tasks, for the intervals.

    Raises :class:`NotMeasurableError` when it cannot be measured with these labels or types, as when a class has one
    type only.
    """
    of_type = type_ids(types)
    if len(of_type) != len(x):
        raise ImprintError(f"{len(of_type)} types for {len(x)} rows of activations; expected as many.")
    if draws < 2:
        raise ImprintError(f"draws is {draws}; expected at least 2 control tasks, so that their spread is known.")
    probed = _probed(x, labels, of_type, readout, rng)
    target = probed.target
    control = torch.from_numpy(control_labels(target.truth.numpy(), of_type, draws, rng))
    targets = [target, *(replace(target.real(), name="control", codes=c[:, None]) for c in control.T)]
    shared, held_out = (
        _selectivity(probed, targets, folds_of(whole, folds, rng), whole, resamples=resamples, rng=rng)
        for whole in (compact_groups(groups, len(x)), of_type)
    )
    count = int(of_type.max()) + 1
    return ControlTask(shared, held_out, count, len(x) / count)


@dataclass(frozen=True)
class _Probed:
    """A concept at a site and the readout that probes it."""

    x: Tensor
    """``[n, D]``"""
    target: Target
    groups: Ints
    """``[n]``"""
    readout: Readout

    def fit(self, train: Tensor, seed: int) -> Fitted:
        """A probe fitted on the rows ``train`` (bool ``[n]``); ``seed``: the readout's own."""
        y = self.target.truth[train]
        y = y.double() if self.target.regression else y
        groups = self.groups[train.numpy()]
        return self.readout.fit_rows(self.x[train].double(), y, self.target.classes, groups=groups, seed=seed)

    def complete(self, rows: Tensor) -> bool:
        """Whether every class occurs among ``rows`` (bool ``[n]``), or the number varies."""
        inside = self.target.truth[rows]
        return len(inside.unique()) >= (2 if self.target.regression else self.target.classes)


def _probed(x: Any, labels: Any, groups: Ints, readout: Readout | None, rng: np.random.Generator) -> _Probed:
    """Raises for activations and labels that cannot be probed."""
    values = x.detach().cpu() if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x))
    if values.ndim != 2 or 0 in values.shape:
        raise ImprintError(f"activations have shape {list(values.shape)}; expected rows by units [n, D].")
    rows = values.float()
    if not bool(torch.isfinite(rows).all()):
        raise NotMeasurableError("activations hold NaN or infinite values")
    column = pd.Series(labels).reset_index(drop=True)
    if len(column) != len(rows):
        raise ImprintError(f"{len(column)} labels for {len(rows)} rows of activations; expected as many.")
    if column.isna().any():
        raise NotMeasurableError(f"{int(column.isna().sum())} of {len(column)} labels are missing")
    target = target_of("label", column, groups, nulls=0, rng=rng, sequences=False)
    return _Probed(rows, target, groups, readout or Ridge())


def _selectivity(
    probed: _Probed, targets: list[Target], fold: Ints, whole: Ints, *, resamples: int, rng: np.random.Generator
) -> Selectivity:
    """Scores with ``whole`` kept together by all folds; intervals from drawing types, and control tasks, again."""
    regression, n = targets[0].regression, len(probed.x)
    readings = read(probed.x, targets, probed.readout, fold=fold, groups=probed.groups, inner=whole)
    sums = np.stack([reading.sums for reading in readings], axis=1)
    scores = statistics.score(sums.sum(0), regression=regression)
    merged = statistics.merged(sums, rng)
    weights = statistics.group_weights(len(merged), resamples, rng)
    each = statistics.score(np.einsum("rg,gtm->rtm", weights, merged), regression=regression)
    drawn = statistics.seed_draws(len(targets) - 1, resamples, rng)
    task, control = each[:, 0], np.take_along_axis(each[:, 1:], drawn, axis=1).mean(1)
    score, of_control = float(scores[0]), float(scores[1:].mean())
    return Selectivity(
        Estimate(score, *statistics.interval(task), n),
        Estimate(of_control, *statistics.interval(control), n),
        Estimate(score - of_control, *statistics.interval(task - control), n),
    )


def label_efficiency(
    x: Any,
    labels: Any,
    groups: Any,
    sizes: Sequence[int],
    *,
    readout: Readout | None = None,
    draws: int = 20,
    test_part: float = 0.2,
    rng: np.random.Generator,
) -> tuple[Efficiency, ...]:
    """Score by number of labelled groups, smallest first.

    Every draw sets aside ``test_part`` of the groups, and trains on the first ``sizes`` of the others, in random order.
    ``groups`` None counts rows. A draw in whose training or test rows not every class occurs is no number; sizes with
    more than a tenth of such draws are NaN. Raises :class:`ImprintError` for a size that the groups cannot fill.
    """
    probed = _probed(x, labels, compact_groups(groups, len(x)), readout, rng)
    count = int(probed.groups.max()) + 1
    held = max(1, round(test_part * count))
    if not sizes or min(sizes) < 1 or max(sizes) > count - held:
        raise ImprintError(
            f"sizes are {list(sizes)}; expected 1 to {count - held} groups ({held} of {count} are for testing)."
        )
    ordered = sorted(set(sizes))
    scores, trained = np.full((draws, len(ordered)), np.nan), np.zeros((draws, len(ordered)))
    for j in range(draws):
        place = rng.permutation(count)[probed.groups]
        test = torch.from_numpy(place >= count - held)
        for i, size in enumerate(ordered):
            train = torch.from_numpy(place < size)
            trained[j, i] = int(train.sum())
            if probed.complete(train) and probed.complete(test):
                scores[j, i] = probed.fit(train, 0).score(probed.x[test], probed.target.truth[test])
    rows = trained.mean(0)
    return tuple(Efficiency(size, float(rows[i]), _over_draws(scores[:, i])) for i, size in enumerate(ordered))


def seed_stability(
    x: Any, labels: Any, groups: Any, seeds: Sequence[int], *, readout: Readout | None = None
) -> Stability:
    """How alike probes are when fitted on disjoint halves of the groups, one halving per seed.

    A readout that follows from moments needs one pass over the rows for all halvings, since moments of groups add; at
    most :data:`~imprint.analyses.statistics.LARGEST` groups are told apart. Intervals are over halvings, which share
    rows: they say how one more halving would come out. Raises :class:`NotMeasurableError` for fewer than four groups.
    """
    if len(seeds) < 2:
        raise ImprintError(f"{len(seeds)} seeds were given; expected at least two.")
    rng, of = np.random.default_rng(seeds[0]), compact_groups(groups, len(x))
    probed = _probed(x, labels, of, readout, rng)
    if of.max() + 1 > statistics.LARGEST:
        of = (rng.permutation(int(of.max()) + 1) % statistics.LARGEST)[of]
        probed = replace(probed, groups=of)
    count = int(of.max()) + 1
    if count < 4:
        raise NotMeasurableError(f"{count} groups cannot be halved and still be held out; expected at least 4")
    engine, moments = probed.readout, None
    if isinstance(engine, FromMoments):
        wide = one_hot(probed.target.truth, probed.target.classes)
        moments = Moments(probed.x.shape[1], wide.shape[1], count)
        moments.add(probed.x, wide, torch.from_numpy(of))
    compared = []
    for seed in seeds:
        place = np.random.default_rng(seed).permutation(count)
        first = torch.from_numpy(place[of] < count // 2)
        if not (probed.complete(first) and probed.complete(~first)):
            continue
        if moments is not None and isinstance(engine, FromMoments):
            probes = [_fit_half(engine, moments, probed.target, place, half=half) for half in (0, 1)]
        else:
            probes = [probed.fit(half, seed) for half in (first, ~first)]
        compared.append(_compared(probes, probed, first))
    if len(compared) < 0.9 * len(seeds):
        raise NotMeasurableError("a class is missing from half of the groups in too many halvings; give more groups")
    cosine, agreement, score = (_over_draws(column) for column in np.array(compared).T)
    return Stability(cosine, agreement, score, *_own_seeds(probed, seeds))


def _compared(probes: Sequence[Fitted], probed: _Probed, first: Tensor) -> tuple[float, float, float]:
    """Cosine, agreement and mean score of two probes, the first of which was fitted on rows ``first``."""
    truth, rows, rest = probed.target.truth, probed.x, ~first
    readings = [probe(rows).double() for probe in probes]
    a, b = (r - r.mean(0) for r in readings)
    agreement = float(torch.nn.functional.cosine_similarity(a, b, dim=0).mean())
    scores = [probes[0].score(rows[rest], truth[rest]), probes[1].score(rows[first], truth[first])]
    return _cosine(*probes), agreement, float(np.mean(scores))


def _cosine(one: Fitted, other: Fitted) -> float:
    try:
        return float((one.direction * other.direction).sum(0).mean())
    except NotMeasurableError:
        return NAN


def _own_seeds(probed: _Probed, seeds: Sequence[int]) -> tuple[float, float]:
    """Lowest cosine and spread of score when the training rows stay and only the probe's own seed changes."""
    count = int(probed.groups.max()) + 1
    place = np.random.default_rng(seeds[0]).permutation(count)
    train = torch.from_numpy(place[probed.groups] < count // 2)
    probes = [probed.fit(train, seed) for seed in seeds]
    scores = [probe.score(probed.x[~train], probed.target.truth[~train]) for probe in probes]
    return min(_cosine(probes[0], probe) for probe in probes[1:]), float(np.std(scores, ddof=1))


def _fit_half(engine: FromMoments, moments: Moments, target: Target, place: Ints, *, half: int) -> Fitted:
    """Fit on the groups of one half, dealt to inner folds, with the other half as the fold that is held out."""
    inside = (place >= len(place) // 2) == bool(half)
    assignment = torch.from_numpy(np.where(inside, place % FOLDS, FOLDS))
    columns = Columns.single(target.width, classes=not target.regression)
    return engine.solve(moments.regrouped(assignment), columns, [FOLDS])[0]


def _over_draws(values: Floats) -> Estimate:
    """Mean of the draws that are numbers and between what 95 % of them lie; NaN when over a tenth is missing."""
    finite = values[np.isfinite(values)]
    mean = float(finite.mean()) if len(finite) >= 0.9 * len(values) else NAN
    return Estimate(mean, *statistics.interval(values), len(values))
