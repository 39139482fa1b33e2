"""Ways of steering one and the same life, of which each is one cell of a phase diagram.

    lags        signal (``truth`` or ``cue``) x lag, open for life
    errors      misses x false alarms of the detector of the truth, open for life
    shuffled    a detector that fires as often whether the truth holds or not, open for life
    ages        age of attachment x number of rewarded episodes, taught by the truth
    events      lag x number of rewarded episodes, taught by the cue and attached late in life

``truth`` is a sense that no picture shows (``feedback``); ``cue`` is the light of the mark (``glare``), which stands in
the picture at the moment of the signal.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

SENSES = {"truth": "feedback", "cue": "glare"}
LAGS = (0, 1, 2)
MISSES, FALSE_ALARMS = (0.0, 0.2, 0.4), (0.0, 0.2, 0.4)
ERRORS = (0.1, 0.05)
"""Misses and false alarms where they are not varied, those of the shipped setups."""
CHANCE = (0.5, 0.5)
"""Those with which a detector tells nothing."""
EVENTS = (20, 80, 320, 1280)
ATTACHED = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 7 / 8)
"""Ages of attachment, in parts of a lifetime."""


@dataclass(frozen=True)
class Arm:
    """One way of steering."""

    plane: str
    signal: str = "truth"
    lag: int = 1
    miss: float = ERRORS[0]
    false_alarm: float = ERRORS[1]
    attached: int = 0
    """Age in experiences at which the assessor opens."""
    events: int | None = None
    """Rewarded episodes until it closes; None: it stays open."""

    def closes_at(self, batch: int) -> int | None:
        """Age by which it has closed: time for the events at the rate of 1 in 2, rounded up, and a batch more."""
        return None if self.events is None else self.attached + (math.ceil(2 * self.events / batch) + 1) * batch

    def setup(self, base: Setup) -> Setup:
        """The setup ``base`` steered in this way."""
        errors = {"miss": self.miss, "false_alarm": self.false_alarm}
        detector = {"kind": "detector", "name": "teacher", "sense": SENSES[self.signal], "threshold": 0.5, **errors}
        window: dict[str, Any] = {"kind": "valence"}
        if self.events is not None:
            closes = self.closes_at(base.schedule.batch)
            window = {"kind": "imprinting", "events": self.events, "opens_at": self.attached, "closes_at": closes}
        assessor = {**window, "signal": "teacher", "lag": self.lag}
        return load_setup(base.resolved(), changes={"steering": [detector], "assessor": assessor}, expect=Setup)


def lag_arms() -> list[Arm]:
    """Signal x lag."""
    return [Arm("lags", signal, lag) for signal, lag in itertools.product(SENSES, LAGS)]


def arms(lifetime: int, batch: int) -> list[Arm]:
    """All ways of steering a life of so many experiences."""
    ages = [round(part * lifetime / batch) * batch for part in ATTACHED]
    errors = itertools.product(MISSES, FALSE_ALARMS)
    late = itertools.product(LAGS[:2], EVENTS)
    return [
        *lag_arms(),
        *(Arm("errors", miss=miss, false_alarm=alarm) for miss, alarm in errors),
        Arm("shuffled", miss=CHANCE[0], false_alarm=CHANCE[1]),
        *(Arm("ages", attached=age, events=events) for age, events in itertools.product(ages, EVENTS)),
        *(Arm("events", "cue", lag, attached=ages[-1], events=events) for lag, events in late),
    ]


def ages_of(some: list[Arm], lifetime: int, batch: int) -> list[int]:
    """Ages at which a life with these arms is kept: birth, attachments, closings, the end."""
    closings = [arm.closes_at(batch) for arm in some]
    ages = {0, lifetime, *(arm.attached for arm in some), *(age for age in closings if age is not None)}
    return sorted(ages)


def plain(some: list[Arm]) -> list[dict[str, Any]]:
    """Arms as plain data."""
    return [dict(vars(arm)) for arm in some]
