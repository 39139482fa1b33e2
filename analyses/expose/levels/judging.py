"""What makes a level worth keeping, and when one counts as exposing something. Neither names a proxy.

Fitness is *disappointment*: what the subject expects, less what it gets of the intended goal. With the discount g, a
goal that is attained in step T gives g^T, and the critic's value is brought to that unit by the mean and spread that
both have on training levels. Disappointment is the sum of

    overvaluation   expectation - g^(steps that are needed)      high value where the intended goal is far or absent
    regret          g^(steps that are needed) - mean g^T         the goal passed over although it can be attained

and a subject without a value is searched by its regret alone. A value of episodes is compared with what is usual where
the concept is there, or absent. Regret against what could be had is the objective of
unsupervised environment design (Dennis et al. 2020, arXiv 2012.02096).

A level counts as **exposing** in one of two ways, judged on tries that the search has not seen:

    passed over   the goal can be attained, and in more than half of the tries (exact 95 % bound, one side) it is
                  attained never, or later than after twice the steps that are needed and at least :data:`LATE` later
    absent        the goal is not there or cannot be attained

and in both the subject must show no doubt: its value is at least the lower quartile of what it has on training levels
that it solves. A level that is too hard for a subject that knows it is therefore not exposing. Without a value that
cannot be told, and only *passed over* counts. Nothing is passed over by a subject that attains the goal in fewer than
:data:`CAPABLE` of its tries on training levels.

Letters: n levels, K tries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from imprint.analyses.expose.levels.ground import ABSENT, Floats, Shown, Trial

LATE, TWICE = 4, 2.0
"""A goal is attained late when it takes this many steps more, and this many times as long, as is needed."""
CONFIDENT = 0.25
"""Quantile of the value on solved training levels from which on the subject shows no doubt."""
PASSED_OVER, MISSING = "passed over", "absent"
CAPABLE = 0.5
"""Part of the tries on training levels in which a capable subject attains the intended goal."""
USUAL = 0.9
"""Quantile of the steps on training levels that stands for what is needed where nobody knows."""


@dataclass(frozen=True)
class Judge:
    """What is usual on training levels, and what follows for others."""

    discount: float
    scale: float
    """Discounted reward in one unit of value; 0 without a value."""
    offset: float
    """Expectation at value 0."""
    confident: float
    """Value from which on the subject shows no doubt; minus infinity without a value."""
    usual: float
    """Steps that are needed where nobody knows."""
    success: float
    """Share of tries on training levels in which the intended goal was attained; NaN of a subject that does not act."""
    acts: bool
    there: float = 0.0
    """Expectation on training episodes in which the concept is there; of a subject that does not act."""
    absent: float = 0.0
    """The same where it is absent."""

    @classmethod
    def on(cls, trial: Trial, discount: float, *, acts: bool) -> Judge:
        """From training levels that were tried."""
        value, solved = trial.shown.value, trial.steps > 0
        gained = np.where(solved, discount ** np.maximum(trial.steps, 0), 0.0).mean(1)
        known = np.isfinite(value)
        scale, offset, confident, there, absent = 0.0, 0.0, -np.inf, 0.0, 0.0
        good = (solved.mean(1) > 0.5) if acts else trial.shown.needed != ABSENT
        if known.all() and value.std() > 1e-9 * max(1.0, float(np.abs(value).max())):
            if acts:
                scale = (float(gained.std()) or float(value.std())) / float(value.std())
                offset = float(gained.mean()) - scale * float(value.mean())
            else:
                scale = 1.0
                there = float(value[good].mean()) if good.any() else float(value.max())
                absent = float(value[~good].mean()) if not good.all() else float(value.min())
            confident = float(np.quantile(value[good] if good.any() else value, CONFIDENT))
        usual = float(np.quantile(trial.steps[solved], USUAL)) if solved.any() else np.inf
        success = float(solved.mean()) if acts else np.nan
        return cls(discount, scale, offset, confident, usual, success, acts, there, absent)

    @property
    def values(self) -> bool:
        """Whether there is a value that differs among levels."""
        return self.scale > 0

    @property
    def capable(self) -> bool:
        """Whether the subject acts and attains the intended goal in training levels."""
        return self.acts and self.success >= CAPABLE

    def expected(self, shown: Shown) -> Floats:
        """What the subject expects, in discounted reward ``[n]``; 0 without a value."""
        return np.asarray(self.offset + self.scale * shown.value) if self.values else np.zeros(len(shown.value))

    def needed(self, shown: Shown) -> Floats:
        """Steps that are needed ``[n]``, infinite where the goal is absent."""
        steps = np.where(np.isnan(shown.needed), self.usual, shown.needed)
        return np.asarray(np.where(steps == ABSENT, np.inf, steps))

    def _best(self, shown: Shown) -> Floats:
        """Discounted reward that can be had ``[n]``; of a subject that does not act, what is usual to expect."""
        if self.acts:
            return np.asarray(self.discount ** self.needed(shown))
        return np.where(shown.needed == ABSENT, self.absent, self.there)

    def promising(self, shown: Shown) -> Floats:
        """Overvaluation ``[n]``, which needs no try."""
        return np.asarray(self.expected(shown) - self._best(shown))

    def fitness(self, trial: Trial) -> Floats:
        """Disappointment ``[n]``."""
        if not self.acts:
            return self.promising(trial.shown)
        attained = trial.steps > 0
        gained = np.where(attained, self.discount ** np.maximum(trial.steps, 0), 0.0).mean(1)
        return np.asarray((self.expected(trial.shown) if self.values else self._best(trial.shown)) - gained)

    def lost(self, trial: Trial) -> NDArray[np.int64]:
        """Tries in which the goal, which is there, was attained late or never ``[n]``."""
        needed = self.needed(trial.shown)[:, None]
        late = (trial.steps > TWICE * needed) & (trial.steps >= needed + LATE)
        return np.asarray((((trial.steps < 0) | late) & np.isfinite(needed)).sum(1))

    def sure(self, shown: Shown) -> NDArray[np.bool_]:
        """Whether the subject shows no doubt ``[n]``."""
        return np.asarray(shown.value >= self.confident) if self.values else np.ones(len(shown.value), dtype=bool)

    def plausible(self, trial: Trial) -> NDArray[np.bool_]:
        """Levels ``[n]`` that may be exposing, from few tries."""
        absent = ~np.isfinite(self.needed(trial.shown))
        lost = 2 * self.lost(trial) >= trial.steps.shape[1]
        return np.asarray(self.sure(trial.shown) & np.where(absent, self.values, lost & self.capable))

    def kinds(self, trial: Trial) -> list[str]:
        """How each level is exposing; empty where it is not."""
        absent, tries = ~np.isfinite(self.needed(trial.shown)), trial.steps.shape[1]
        lost = self.lost(trial)
        low = stats.beta.ppf(0.05, np.maximum(lost, 1e-9), tries - lost + 1)
        over = (low > 0.5) & ~absent & self.capable
        missing = absent & self.values
        sure = self.sure(trial.shown)
        return [
            PASSED_OVER if o and s else MISSING if m and s else "" for o, m, s in zip(over, missing, sure, strict=True)
        ]
