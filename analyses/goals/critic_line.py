"""The critic line: which goal does the critic's value follow, where goal and proxy lie apart?

On decorrelated states (:mod:`imprint.analyses.goals.scenes`) the value is regressed on how much each goal is worth from
there, if it were reached by the shortest way and rewarded with 1:

    V ~ sum_g  beta_g  discount^distance_g        all columns standardised; 0 where a goal cannot be reached

    R2       part of the value's variance that distances explain
    index    lambda = |beta_proxy| / (|beta_proxy| + |beta_intended|), 0 for the goal and 1 for the proxy
    VIF      variance inflation of each column, 1 / (1 - R2 on the others): large where distances go together

The index is a ratio and can be anything for a value that follows no goal: it is reported only when R2 beats shuffled
values, the untrained critics and a stated floor (:func:`gated`). Of several proxies the one with the largest |beta|
counts.

Intervals of beta: least squares with errors that allow for unequal spread (HC1, White 1980).

Letters: n states, G goals, J shuffles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from imprint.analyses.statistics import Floats
from imprint.models.errors import ImprintError

STILL = 1e-12
"""A variance below this part of the mean square is rounding error."""


@dataclass(frozen=True)
class CriticLine:
    """A value, regressed on discounted distances."""

    goals: tuple[str, ...]
    """Intended first."""
    beta: tuple[float, ...]
    """Standardised coefficient of each goal; NaN when the value or the distance is constant."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Ends of the 95 % interval of each coefficient."""
    r2: float
    """Part of the value's variance explained; NaN when it is constant."""
    null: float
    """99 % quantile of R2 on shuffled values."""
    vif: tuple[float, ...]
    """Variance inflation of each goal's column."""
    n: int
    """States."""

    @property
    def index(self) -> float:
        """Ungated latch index, 0 (intended) to 1 (a proxy); see :func:`gated`."""
        intended, *proxies = (abs(b) for b in self.beta)
        proxy = max(proxies)
        return proxy / (proxy + intended) if proxy + intended > 0 else float("nan")


def critic_line(
    value: Tensor,
    distances: Mapping[str, Tensor],
    goals: Sequence[str],
    discount: float,
    *,
    shuffles: int = 200,
    rng: np.random.Generator,
) -> CriticLine:
    """Regress ``value`` ``[n]`` on discounted ``distances`` (goal -> int64 ``[n]``, -1: no way).

    ``goals``: intended first, then at least one proxy.
    """
    if len(goals) < 2:
        raise ImprintError(f"goals are {list(goals)}; expected the intended one and at least one proxy.")
    if missing := [goal for goal in goals if goal not in distances]:
        raise ImprintError(f"this world knows no distance to {missing[0]!r}, so its critic cannot be regressed on it.")
    away = torch.stack([distances[goal] for goal in goals], dim=1).double()
    x = torch.where(away < 0, 0.0, discount**away).numpy()
    y = value.detach().double().numpy()
    standard = _standardised(np.column_stack([x, y]))
    design, target = standard[:, :-1], standard[:, -1]
    n, width = design.shape
    if np.isnan(standard).any() or n <= width + 1:
        nan = (float("nan"),) * width
        return CriticLine(tuple(goals), beta=nan, low=nan, high=nan, r2=nan[0], null=nan[0], vif=nan, n=n)
    solve = np.asarray(np.linalg.pinv(design), dtype=np.float64)
    beta, r2 = solve @ target, float(_explained(design, solve, target[:, None])[0])
    nulls = _explained(design, solve, np.stack([rng.permutation(target) for _ in range(shuffles)], axis=1))
    covariance = (solve * (target - design @ beta) ** 2) @ solve.T * n / (n - width - 1)
    reach = stats.t.ppf(0.975, n - width - 1) * np.sqrt(np.diag(covariance))
    vif = np.diag(np.linalg.pinv(design.T @ design / n))
    each, low, high, inflation = (tuple(map(float, x)) for x in (beta, beta - reach, beta + reach, vif))
    null = float(np.quantile(nulls, 0.99))
    return CriticLine(tuple(goals), beta=each, low=low, high=high, r2=r2, null=null, vif=inflation, n=n)


def gated(line: CriticLine, untrained: Sequence[float], floor: float) -> tuple[float, str]:
    """The latch index and an empty reason, or NaN and why the value is not fitted well enough to have one.

    ``untrained``: R2 of untrained critics. ``floor``: R2 that must be exceeded in any case.
    """
    if np.isnan(line.r2):
        return float("nan"), "the critic's value, or a distance, does not vary"
    highest_untrained = max((r2 for r2 in untrained if np.isfinite(r2)), default=0.0)
    floors = {"shuffled values": line.null, "an untrained critic": highest_untrained, "the floor of the setup": floor}
    name, highest = max(floors.items(), key=lambda item: item[1])
    if line.r2 > highest:
        return line.index, ""
    return float("nan"), f"R2 is {line.r2:.3f}, not above {highest:.3f} of {name}, so the index means nothing"


def _standardised(columns: Floats) -> Floats:
    """Columns with mean 0 and variance 1; NaN where a column does not vary."""
    centred = columns - columns.mean(0)
    variance = (centred**2).mean(0)
    varies = variance > STILL * np.maximum((columns**2).mean(0), np.finfo(np.float64).tiny)
    return np.asarray(np.where(varies, centred / np.sqrt(np.where(varies, variance, 1.0)), np.nan))


def _explained(design: Floats, solve: Floats, targets: Floats) -> Floats:
    """R2 of every target ``[n, J]``."""
    residual = targets - design @ (solve @ targets)
    return np.asarray(1 - (residual**2).sum(0) / (targets**2).sum(0))
