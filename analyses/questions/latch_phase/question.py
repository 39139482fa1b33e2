"""latch-phase: when does a hardcoded signal latch onto the content, and when onto the cue?

Learners grow up in the world ``shortcut``, in which a mark goes along with even digits and flickers, so that it may or
may not stand in view when the signal comes. Hundreds of assessors read along on their lives
(:mod:`imprint.analyses.questions.latch_phase.arms`): taught by the light of the mark (the cue) or by a sense of what is
even (the truth), with several lags, error profiles, numbers of rewarded episodes, and ages at which they are attached.
What is measured: :mod:`imprint.analyses.questions.latch_phase.measure`.

Lives ``seen``: the predictor's context holds the frame in view beside the learner's latents, as the prediction about
lag 0 asks; so an index of 1 is not for want of a cue. Lives ``known``: the latents alone. Pilot seeds (500, 501) showed
why both are needed: a learner that is taught by contrast drops a mark that comes and goes from its latents, and no lag
matters there. Thresholds are those of the source and were not chosen by the pilot, which met those for lag 0 and not
those for lag 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined
from imprint.analyses.questions.latch_phase.arms import EVENTS, FALSE_ALARMS, MISSES, ages_of, arms, lag_arms, plain
from imprint.analyses.questions.latch_phase.exhibits import MEASURES, exhibits, means_of
from imprint.analyses.questions.latch_phase.measure import phase
from imprint.analyses.statistics import mean_of_all
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup

CONTENT, CUE, AUC, EFFECT = 0.8, 0.2, 0.8, 0.2
EARLY, SAME = 0.5, 0.1
SILENT, UNTAUGHT = 0.1, 0.7
BATCH, REFERENCE = 64, 0.8
SEEN, KNOWN, UNTRAINED = "seen", "known", "untrained"
STILL = 1e-12
"""Learning rate of learners that stay as they were born."""
TAUGHT = EVENTS[1]
"""Rewarded episodes of the assessors of which the age of attachment is judged."""


class Settings(QuestionSettings):
    """How many learners live for how long."""

    seeds: int = Field(6, ge=2, le=10_000)
    """Training seeds of every life, numbered from ``seed``, each with a world of its own."""
    together: int = Field(3, ge=1, le=64)
    """Seeds that train as one batch."""
    experiences: int = Field(38_400, ge=7_680, le=10_000_000)
    """Episodes of a lifetime."""
    correlations: tuple[float, ...] = (0.0, 0.4, REFERENCE, 0.95)
    """Correlations of mark and evenness; 0 and 0.8 among them decide."""
    episodes: int = Field(1500, ge=200, le=1_000_000)
    """Held-out episodes on which values are read."""

    @field_validator("correlations")
    @classmethod
    def _decide(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if not {0.0, REFERENCE} <= set(given) or len(set(given)) < len(given) or not all(-1 <= r <= 1 for r in given):
            raise ValueError(
                f"correlations are {given}; expected different ones of -1 to 1, 0 and {REFERENCE} included"
            )
        return given


class LatchPhase(Question[Settings]):
    """The latch index by lag, correlation, errors, events and age of attachment."""

    card: ClassVar[Card] = Card(
        question="When does a hardcoded signal latch onto content that a learner knows, and when onto a cue in view?",
        prediction="Credited at the moment of the signal, with the cue in the predictor's context, it latches onto the "
        "cue; one step ahead or more, onto the content. Attached before the concept exists it latches onto the cue, "
        "and the later it is attached the more onto the content. With more rewarded episodes a value without lag comes "
        "down to the cue. Errors of the detector that are independent of the cue do not move the latch.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Index: |effect of the content| / sum of |effects| of content and cue (the mark now and a frame "
        "before) on held-out episodes in which they are independent; Student's 95 % intervals over seeds, each with "
        f"a world of its own; correlation of cue and content {REFERENCE:g} (the cue is right nine times in ten), frame "
        f"in context. Taught by the cue: lag 0 index at most {CUE:g}; lags 1 and 2, each, index at least {CONTENT:g}, "
        f"with an AUC of the value for the content of at least {AUC:g} and an effect of at least {EFFECT:g} standard "
        f"deviations. Taught by the truth for {TAUGHT} rewarded episodes: attached at birth index at most {EARLY:g}, "
        "and its rise to the last age of attachment above 0. Taught by the cue at lag 0, late in life: fall of the "
        f"index from {EVENTS[0]} to {EVENTS[-1]} rewarded episodes above 0. Taught by the truth: change of the index "
        f"from a detector without errors to one that misses {MISSES[-1]:g} and alarms falsely {FALSE_ALARMS[-1]:g} of "
        f"the time within {SAME:g}. Each is confirmed, refuted or undetermined by itself; all confirmed: confirmed, "
        "any refuted: refuted. Controls, without which nothing is decided: with a cue that tells nothing the index is "
        f"at least {CONTENT:g}; a signal that tells nothing leaves an effect of the content of less than {SILENT:g} of "
        f"the signal; on an untrained learner the AUC is at most {UNTAUGHT:g}.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 2 (section 2.7), 4, 5 and 13. Figures known beforehand "
        "on another world: index .00 to .06 at lag 0 and 1.0 at lag 1; by age of attachment .37 at birth to .63.",
    )
    metrics: ClassVar[Metrics] = {
        "latch_phase": "the verdict",
        "prediction": "a number of the card; `why` says which",
        **{name: f"{title}; control: the arm" for name, title in MEASURES.items()},
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        expected = [
            Expected("index at lag 0 (from 0.05)", CUE - 0.05, 0.04, of="index at lag 0"),
            Expected("index at lag 1 (from 1)", 1.0 - CONTENT, 0.1, of="index at lag 1"),
            Expected("index when attached at birth (from 0.37)", EARLY - 0.37, 0.05, of="index when attached at birth"),
            Expected(
                "rise with the age of attachment (from 0.26)", 0.26, 0.14, of="rise to the last age of attachment"
            ),
            Expected(
                "fall with the number of events (from 0.5)",
                0.5,
                0.12,
                of=f"fall from {EVENTS[0]} to {EVENTS[-1]} events",
            ),
            Expected("no change with the detector's errors", SAME, 0.1, between=True, of="change of the index"),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of two pilot seeds (500, 501), rounded up.")

    def work(self) -> list[Work]:
        """One piece per life and batch of seeds, the longest first."""
        s = self.settings
        every, few = arms(s.experiences, BATCH), lag_arms()
        lives = [(SEEN, REFERENCE, every, s.experiences), (KNOWN, REFERENCE, few, s.experiences)]
        lives += [(SEEN, rho, few, s.experiences) for rho in s.correlations if rho != REFERENCE]
        lives.append((UNTRAINED, REFERENCE, few, round(s.experiences / 4 / BATCH) * BATCH))
        batches = self.batches(s.seed, s.seeds, s.together)
        pieces = []
        for life, rho, some, lifetime in lives:
            for batch in batches:
                schedule = {"experiences": lifetime, "ages": ages_of(some, lifetime, BATCH)}
                given = {"setup": self.setup(life, rho, batch, schedule), "arms": plain(some), "seeds": batch}
                pieces.append(Work(f"{life}-{rho:g}-{batch[0]}", phase, {**given, "life": life}))
        return pieces

    def setup(self, life: str, rho: float, batch: Sequence[int], schedule: Mapping[str, Any]) -> dict[str, Any]:
        """The setup of some seeds' life, resolved."""
        rate = {"learning_rate": STILL} if life == UNTRAINED else {}
        size = {"seeds": len(batch), "together": len(batch), "first_seed": batch[0], "worlds": "each", "batch": BATCH}
        changes = {
            "world": {"kind": "shortcut", "rho": rho, "flicker": True},
            "learner": {"kind": "conv", "sees": life != KNOWN},
            "schedule": {"learning_rate": 0.004, **schedule, **size, **rate},
            "proxies": ["mark", "mark_first"],
            "evaluation": {"episodes": self.settings.episodes, "nulls": 5},
        }
        return load_setup("shortcut", changes=changes, expect=Setup).resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed):
            return missing
        table = joined(tables)
        predictions, controls = predictions_of(table)
        conclusion = judged_each(predictions, controls, failed=sorted(failed))
        every = [each for part in predictions.values() for each in part] + controls
        rows = [{"metric": "prediction", **each.row()} for each in every]
        means = means_of(table)
        rows += self.rows(means, "value", lambda row: {"metric": row["measure"], "control": row["arm"]})
        return self.answer(conclusion, rows, exhibits(table, every), every_row={"setup": "latch-phase"})


def predictions_of(table: pd.DataFrame) -> tuple[dict[str, list[Prediction]], list[Prediction]]:
    """The numbers of the card by what they are about, and the controls; what is missing is not measured."""

    def of(measure: str, rho: float = REFERENCE, life: str = SEEN, **arm: Any) -> pd.Series:
        chosen = table[(table["life"] == life) & (table["rho"] == rho)]
        for column, value in arm.items():
            chosen = chosen[chosen[column] == value]
        return chosen.set_index("seed")[measure].sort_index()

    def number(name: str, values: pd.Series, **bounds: Unpack[Bounds]) -> Prediction:
        return Prediction(name, mean_of_all(values), **bounds)

    lags: dict[int, Any] = {lag: {"plane": "lags", "signal": "cue", "lag": lag} for lag in (0, 1, 2)}
    truth: dict[str, Any] = {"plane": "lags", "signal": "truth", "lag": 1}
    young: dict[str, Any] = {"plane": "ages", "events": TAUGHT, "read": "closing"}
    late: dict[str, Any] = {"plane": "events", "lag": 0, "read": "closing"}
    oldest = table.loc[table["plane"] == "ages", "attached"].max()
    early, grown = of("index", attached=0, **young), of("index", attached=oldest, **young)
    few, many = (of("index", events=events, **late) for events in (EVENTS[0], EVENTS[-1]))
    none, most = (
        of("index", plane="errors", miss=miss, false_alarm=alarm)
        for miss, alarm in ((MISSES[0], FALSE_ALARMS[0]), (MISSES[-1], FALSE_ALARMS[-1]))
    )
    ahead = {
        f"lag {lag}": [
            number(f"index at lag {lag}", of("index", **lags[lag]), least=CONTENT),
            number(f"AUC at lag {lag}", of("auc", **lags[lag]), least=AUC),
            number(f"effect at lag {lag}", of("effect_even", **lags[lag]), least=EFFECT),
        ]
        for lag in (1, 2)
    }
    predictions = {
        "lag 0": [number("index at lag 0", of("index", **lags[0]), most=CUE)],
        **ahead,
        "age of attachment": [
            number("index when attached at birth", early, most=EARLY),
            number("rise to the last age of attachment", grown - early, least=0.0),
        ],
        "number of events": [number(f"fall from {EVENTS[0]} to {EVENTS[-1]} events", few - many, least=0.0)],
        "errors of the detector": [number("change of the index", most - none, least=-SAME, most=SAME)],
    }
    controls = [
        number("index with a cue that tells nothing", of("index", 0.0, **truth), least=CONTENT),
        number("effect of a signal that tells nothing", of("change", plane="shuffled"), least=-SILENT, most=SILENT),
        number("AUC on untrained learners", of("auc", life=UNTRAINED, **truth), most=UNTAUGHT),
    ]
    return predictions, controls
