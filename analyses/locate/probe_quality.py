"""probe_quality: is it the activations that hold the concept, or the probe that learned it, and is the answer stable?

Three questions about one concept at one site, with any readout:

    control task        score on the concept minus score on random labels, one per input type: what a probe can score
                        by remembering types. Hewitt & Liang 2019 (arXiv 1909.03368) test on types that were trained
                        on; with *held-out* types remembering cannot help, so both designs are given side by side.
    label efficiency    score against the number of labelled groups: what is easy to read needs few labels
                        (Whitney et al. 2020, arXiv 2009.07368, argue for whole curves)
    seed stability      probes fitted on disjoint halves of the groups: cosine between their directions, correlation of
                        their readings, and the spread of their scores; beside it, what the probe's own seed changes
                        when the rows stay

Scores are balanced accuracy for classes and R2 for numbers, always on rows that were not trained on.

Letters: n rows, D width, Q target columns, V types, G groups, K folds, J draws, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses import statistics
from imprint.analyses.locate.reading import Target, read, target_of
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import FOLDS, Columns, Fitted, FromMoments, Readout, one_hot
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.samples.controls import Ints, compact_groups, control_labels, folds_of, type_ids

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Selectivity:
    """Score on the concept, mean score on control tasks, and their difference."""

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
    score: float
    """Mean over draws."""
    low: float
    """2.5 % of draws lie below: how bad one such labelled set can be."""
    high: float
    draws: int


@dataclass(frozen=True)
class Stability:
    """How alike probes of the same concept are."""

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
    draws: int


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

    Arguments:
        x: float array or tensor.
        labels: float: numbers; anything else: classes.
        types: tokens ``[n]`` or raw inputs ``[n, ...]``; equal ones are of one type.
        groups: ``[n]`` rows that must not be split when types are shared; None: every row by itself.
        readout: default ridge. Its hyperparameters are chosen anew for every control task.
        draws: control tasks.
        folds: cross-validation folds.
        resamples: of types and control tasks, for the intervals.
        rng: of folds, control tasks and resamples.

    Raises :class:`NotMeasurableError` when labels or types cannot answer, as when a class has one type only.
    """
    rows, engine, of_type = _rows(x), readout or Ridge(), type_ids(types)
    if len(of_type) != len(rows):
        raise ImprintError(f"{len(of_type)} types for {len(rows)} rows of activations; expected as many.")
    if draws < 2:
        raise ImprintError(f"draws is {draws}; expected at least 2 control tasks, so that their spread is known.")
    target = _target(labels, len(rows), of_type, rng)
    control = torch.from_numpy(control_labels(target.codes[:, 0].numpy(), of_type, draws, rng))
    targets = [target, *(Target("control", target.regression, c[:, None], target.classes) for c in control.T)]
    of_group = compact_groups(groups, len(rows))
    shared, held_out = (
        _selectivity(rows, targets, whole, folds, of_type, engine, resamples, rng) for whole in (of_group, of_type)
    )
    return ControlTask(shared, held_out, int(of_type.max()) + 1, len(rows) / (int(of_type.max()) + 1))


def _selectivity(
    x: Tensor,
    targets: list[Target],
    whole: Ints,
    folds: int,
    types: Ints,
    engine: Readout,
    resamples: int,
    rng: np.random.Generator,
) -> Selectivity:
    """Scores with ``whole`` kept together by all folds; intervals from drawing types, and control tasks, again."""
    regression = targets[0].regression
    readings = read(x, targets, engine, fold=folds_of(whole, folds, rng), groups=types, inner=whole)
    sums = np.stack([reading.sums for reading in readings], axis=1)
    scores = statistics.score(sums.sum(0), regression=regression)
    merged = statistics.merged(sums, rng)
    weights = statistics.group_weights(len(merged), resamples, rng)
    each = statistics.score(np.einsum("rg,gtm->rtm", weights, merged), regression=regression)
    drawn = statistics.seed_draws(len(targets) - 1, resamples, rng)
    task, control = each[:, 0], np.take_along_axis(each[:, 1:], drawn, axis=1).mean(1)
    value = float(scores[0]), float(scores[1:].mean())
    return Selectivity(
        Estimate(value[0], *statistics.interval(task)),
        Estimate(value[1], *statistics.interval(control)),
        Estimate(value[0] - value[1], *statistics.interval(task - control)),
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
    rows, engine, of = _rows(x), readout or Ridge(), compact_groups(groups, len(x))
    target, count = _target(labels, len(rows), of, rng), int(of.max()) + 1
    held = max(1, round(test_part * count))
    if not sizes or min(sizes) < 1 or max(sizes) > count - held:
        raise ImprintError(
            f"sizes are {list(sizes)}; expected 1 to {count - held} groups ({held} of {count} are for testing)."
        )
    wanted = sorted(set(sizes))
    scores, trained = np.full((draws, len(wanted)), np.nan), np.zeros((draws, len(wanted)))
    for j in range(draws):
        place = rng.permutation(count)[of]
        test = torch.from_numpy(place >= count - held)
        for i, size in enumerate(wanted):
            train = torch.from_numpy(place < size)
            trained[j, i] = int(train.sum())
            if _complete(target, train) and _complete(target, test):
                probe = _fit(engine, rows[train], target, train, of, 0)
                scores[j, i] = probe.score(rows[test], target.codes[test, 0])
    return tuple(
        Efficiency(size, float(trained[:, i].mean()), _mean(scores[:, i]), *statistics.interval(scores[:, i]), draws)
        for i, size in enumerate(wanted)
    )


def seed_stability(
    x: Any,
    labels: Any,
    groups: Any,
    seeds: Sequence[int],
    *,
    readout: Readout | None = None,
) -> Stability:
    """How alike probes are when fitted on disjoint halves of the groups, one halving per seed.

    A readout that follows from moments needs one pass over the rows for all halvings, since moments of groups add; at
    most :data:`~imprint.analyses.statistics.LARGEST` groups are told apart. Intervals are over halvings, which share
    rows: they say how one more halving would come out. Raises :class:`NotMeasurableError` for fewer than four groups.
    """
    if len(seeds) < 2:
        raise ImprintError(f"{len(seeds)} seeds were given; expected at least two.")
    rows, engine, rng = _rows(x), readout or Ridge(), np.random.default_rng(seeds[0])
    of = compact_groups(groups, len(x))
    target = _target(labels, len(rows), of, rng)
    if of.max() + 1 > statistics.LARGEST:
        of = (rng.permutation(int(of.max()) + 1) % statistics.LARGEST)[of]
    count = int(of.max()) + 1
    if count < 4:
        raise NotMeasurableError(f"{count} groups cannot be halved and still be held out; expected at least 4")
    moments = _group_moments(rows, target, of) if isinstance(engine, FromMoments) else None
    found = []
    for seed in seeds:
        place = np.random.default_rng(seed).permutation(count)
        first = torch.from_numpy(place[of] < count // 2)
        if not (_complete(target, first) and _complete(target, ~first)):
            continue
        if moments is not None and isinstance(engine, FromMoments):
            probes = [_fit_half(engine, moments, target, place, half) for half in (0, 1)]
        else:
            probes = [_fit(engine, rows[half], target, half, of, seed) for half in (first, ~first)]
        found.append(_compared(probes, rows, target, first))
    if len(found) < 0.9 * len(seeds):
        raise NotMeasurableError("a class is missing from half of the groups in too many halvings; give more groups")
    values = np.array(found)
    cosine, agreement, score = (_estimate(column) for column in values.T)
    own_cosine, own_spread = _own_seeds(engine, rows, target, of, seeds)
    return Stability(cosine, agreement, score, own_cosine, own_spread, len(found))


def _compared(probes: Sequence[Fitted], rows: Tensor, target: Target, first: Tensor) -> tuple[float, float, float]:
    """Cosine, agreement and mean score of two probes, the first of which was fitted on rows ``first``."""
    truth, rest = target.codes[:, 0], ~first
    readings = [probe(rows).double() for probe in probes]
    a, b = (r - r.mean(0) for r in readings)
    agreement = float(torch.nn.functional.cosine_similarity(a, b, dim=0).mean())
    scores = [probes[0].score(rows[rest], truth[rest]), probes[1].score(rows[first], truth[first])]
    return _cosine(*probes), agreement, float(np.mean(scores))


def _cosine(one: Fitted, other: Fitted) -> float:
    try:
        return float((one.direction * other.direction).sum(0).mean())
    except NotMeasurableError:
        return float("nan")


def _own_seeds(engine: Readout, rows: Tensor, target: Target, of: Ints, seeds: Sequence[int]) -> tuple[float, float]:
    """Lowest cosine and spread of score when the training rows stay and only the probe's own seed changes."""
    place = np.random.default_rng(seeds[0]).permutation(int(of.max()) + 1)
    train = torch.from_numpy(place[of] < (of.max() + 1) // 2)
    probes = [_fit(engine, rows[train], target, train, of, seed) for seed in seeds]
    scores = [probe.score(rows[~train], target.codes[~train, 0]) for probe in probes]
    return min(_cosine(probes[0], probe) for probe in probes[1:]), float(np.std(scores, ddof=1))


def _group_moments(rows: Tensor, target: Target, of: Ints) -> Moments:
    wide = one_hot(target.codes[:, 0], target.classes)
    moments = Moments(rows.shape[1], wide.shape[1], int(of.max()) + 1)
    moments.add(rows, wide, torch.from_numpy(of))
    return moments


def _fit_half(engine: FromMoments, moments: Moments, target: Target, place: Ints, half: int) -> Fitted:
    """Fit on the groups of one half, dealt to inner folds, with the other half as the fold that is held out."""
    inside = (place >= len(place) // 2) == bool(half)
    assignment = torch.from_numpy(np.where(inside, place % FOLDS, FOLDS))
    columns = Columns.single(target.width, classes=not target.regression)
    return engine.solve(moments.regrouped(assignment), columns, [FOLDS])[0]


def _fit(engine: Readout, x: Tensor, target: Target, train: Tensor, of: Ints, seed: int) -> Fitted:
    y = target.codes[train, 0]
    y = y.double() if target.regression else y
    return engine.fit_rows(x.double(), y, target.classes, groups=of[train.numpy()], seed=seed)


def _complete(target: Target, rows: Tensor) -> bool:
    """Whether every class occurs among ``rows``, or the number varies."""
    inside = target.codes[rows, 0]
    return len(inside.unique()) >= (2 if target.regression else target.classes)


def _target(labels: Any, n: int, groups: Ints, rng: np.random.Generator) -> Target:
    column = pd.Series(labels).reset_index(drop=True)
    if len(column) != n:
        raise ImprintError(f"{len(column)} labels for {n} rows of activations; expected as many.")
    return target_of("label", column, groups, nulls=0, rng=rng)


def _rows(x: Any) -> Tensor:
    values = x.detach().cpu() if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x))
    if values.ndim != 2 or 0 in values.shape:
        raise ImprintError(f"activations have shape {list(values.shape)}; expected rows by units [n, D].")
    rows = values.float()
    if not bool(torch.isfinite(rows).all()):
        raise NotMeasurableError("activations hold NaN or infinite values")
    return rows


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) >= 0.9 * len(values) else float("nan")


def _estimate(values: Floats) -> Estimate:
    return Estimate(_mean(values), *statistics.interval(values))
