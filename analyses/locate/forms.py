"""In which form a concept is present: at one unit or distributed, linear or not, used by a value or not.

Each is asked only where a concept was found, and only said when it is shown:

    at unit k      the best single unit, chosen on the training rows, is shown to be read as well as all units are
    distributed    all units together are shown to be read better than the best single one
    not linear     a readout that is not linear finds the concept; ridge does not, and is shown to be read less well
    not used       a value is shown to differ by less than .2 of its standard deviations with the concept

"Read as well" means within a margin. All are one-sided tests over groups. *Not used* says that the value does not go
with the concept on these rows; that it would not follow an edit is for :mod:`imprint.analyses.latch.latch` to say.

Letters: n rows, D width, G groups, M sums per score, R resamples.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import torch

from imprint.analyses import statistics
from imprint.analyses.locate.plan.target import Target
from imprint.analyses.locate.reading import Reading, read
from imprint.analyses.locate.targets import Targets
from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError
from imprint.probes.readouts.k_sparse import KSparse
from imprint.probes.samples.intervals import t_quantile

LEAST_EFFECT = 0.2
"""A value that differs by less than this part of its standard deviation does not use a concept."""
LEVEL = 0.05
RESAMPLES = 400
DISTRIBUTED = "distributed"


def places(
    x: torch.Tensor, targets: Targets, readings: dict[str, Reading], *, margin: float, rng: np.random.Generator
) -> dict[str, str]:
    """Concept -> ``at unit k``, ``distributed``, or an empty string when neither is shown.

    ``readings`` of all units of ``x`` ``[n, D]``, for the concepts that are looked at.
    """
    if x.shape[1] < 2:
        return dict.fromkeys(readings, "at unit 0")
    concepts = [target.real() for target in targets.concepts if target.name in readings]
    single = read(x, concepts, KSparse(k=1), fold=targets.fold, groups=targets.groups, rates=False)
    out: dict[str, str] = {}
    drawn: dict[int, Floats] = {}
    for target, one in zip(concepts, single, strict=True):
        groups = len(one.sums)
        if groups not in drawn:
            drawn[groups] = statistics.group_weights(groups, RESAMPLES, rng)
        low, high = difference(readings[target.name], one, drawn[groups])
        unit = _unit(x, target) if high < margin else None
        out[target.name] = f"at unit {unit}" if unit is not None else DISTRIBUTED if low > margin else ""
    return out


def _unit(x: torch.Tensor, target: Target) -> int:
    """The unit that tells most about a concept."""
    own = x if target.rows is None else x[torch.from_numpy(target.rows)]
    codes = target.truth.double() if target.regression else target.truth
    fitted: Any = KSparse(k=1).fit_rows(own, codes, target.classes, groups=target.groups, seed=0)
    return int(fitted.units[0, 0])


def difference(one: Reading, two: Reading, groups: Floats) -> tuple[float, float]:
    """Lower and upper 95 % bounds, each one-sided, of one score minus another on the same groups.

    ``groups`` ``[R, G]``: how often each is drawn.
    """
    drawn = [statistics.score(groups @ r.sums, regression=r.regression) for r in (one, two)]
    apart = (drawn[0] - drawn[1])[np.isfinite(drawn[0] - drawn[1])]
    freedom = len(one.sums) - 1
    if not len(apart):
        return float("-inf"), float("inf")
    error = float(apart.std()) * np.sqrt(one.used_twice * (freedom + 1) / freedom)
    reach = t_quantile(1 - LEVEL, freedom) * error
    return one.score - two.score - reach, one.score - two.score + reach


def not_linear(
    x: torch.Tensor, targets: Targets, readings: dict[str, Reading], *, rng: np.random.Generator
) -> set[str]:
    """Concepts that ``targets.readout``, which is linear, does not find where another readout has ``readings``."""
    found = targets.read(x)

    def less(reading: Reading, linear: Reading) -> bool:
        groups = statistics.group_weights(len(reading.sums), RESAMPLES, rng)
        return bool(linear.p_null >= LEVEL and difference(reading, linear, groups)[0] > 0)

    return {name for name, reading in readings.items() if name in found and less(reading, found[name])}


def unused(value: Any, targets: Targets, names: Collection[str]) -> dict[str, float]:
    """Those of the concepts that a value is shown not to differ with -> the largest difference, in its deviations.

    ``value``: a number per row ``[n]``. The difference is between a class and all others, or per standard deviation of
    a number. Its error is that of groups drawn anew (Liang & Zeger 1986). Raises :class:`ImprintError` for values that
    are not finite or never vary.
    """
    v = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=np.float64)
    if v.shape != targets.fold.shape or not np.isfinite(v).all():
        raise ImprintError(
            f"value has shape {v.shape}, {int((~np.isfinite(v)).sum())} NaN or infinite; expected a finite number per "
            f"row, {targets.fold.shape}."
        )
    if not v.std() > 0:
        raise ImprintError("value is the same in every row; expected one that varies.")
    out = {}
    for target in targets.concepts:
        if target.name in names:
            own = v if target.rows is None else v[target.rows]
            effect, error, freedom = _effects(own / v.std(), target)
            if (np.abs(effect) + t_quantile(1 - LEVEL, freedom) * error).max() < LEAST_EFFECT:
                out[target.name] = float(np.abs(effect).max())
    return out


def _effects(v: Floats, target: Target) -> tuple[Floats, Floats, int]:
    """Slope of a value ``[n]`` on each column of a concept, its standard error over groups, degrees of freedom."""
    codes = target.truth
    columns = codes[:, None].double() if target.regression else torch.nn.functional.one_hot(codes).double()
    c = columns.numpy() - columns.numpy().mean(0)
    if target.regression:
        c = c / c.std(0)
    size, groups = int(target.groups.max()) + 1, target.groups
    square = (c**2).sum(0)
    effect = c.T @ (v - v.mean()) / square
    rest = c * ((v - v.mean())[:, None] - c * effect)
    sums = np.stack([np.bincount(groups, weights=column, minlength=size) for column in rest.T], axis=1)
    return effect, np.sqrt((sums**2).sum(0) * size / (size - 1)) / square, size - 1


def left_out(table: pd.DataFrame, targets: Targets) -> pd.DataFrame:
    """The table with the rows behind each score, and those without a label, in ``n`` and ``missing``."""
    rows = {t.name: len(t.codes) for t in targets.concepts}
    table["n"] = [rows.get(name, 0) for name in table["concept"]]
    total = len(targets.fold)
    table["missing"] = [total - rows[name] if name in rows else 0 for name in table["concept"]]
    for name, count in ((n, total - c) for n, c in rows.items() if c < total):
        table.loc[table["concept"] == name, "why"] += f"; {count} of {total} rows without a label left out"
    return table
