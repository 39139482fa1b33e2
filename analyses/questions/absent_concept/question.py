"""absent-concept: can a toolkit tell that a concept never formed, and what does a reward latch onto then?

Learners live with the concept, in a world in which it never occurs, or without the sense for it; the same crude
detector teaches all of their assessors. The detector of absent concepts and what is measured of assessors:
:mod:`imprint.analyses.questions.absent_concept.measure`.

What can be foreseen: without the sense, nothing about the concept is in the input, so that its absence is certain, and
what is tested is whether the largest of many selectivities stays low. Not settled beforehand is whether a concept that
a learner never met can be read all the same, from what it learned of others (in pilot lives, seeds 506 to 508, it could
in two of three).

A first run on seeds from 1000, with lives of 28,800 episodes, was stopped after the learners that have the concept
(1000 to 1013): two of seven without a correlate had not come to it well enough for a value to follow it (AUC .59 and
.70; .86 [.72, 1.00] on average, .8 were asked for), so that its control was open and it could decide nothing. Lives are
longer since; nothing else was changed. Judged on seeds from 2000, where that control held on one kind of processor and
was open by .003 on another, and with 16 seeds of each arm in place of 7 on seeds from 3000 (docs/findings.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import Field
from scipy import stats

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Prediction, bought, judged_each
from imprint.analyses.questions.absent_concept.exhibits import LATCHED, RATES, exhibits, rates_of
from imprint.analyses.questions.absent_concept.measure import examine
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.statistics import Estimate, mean_of_all, rate_of
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from imprint.probes.samples.intervals import exact_interval

TELLS, SILENT, FOLLOWS, MOVES, FORMED, RARE = 0.75, 0.05, 0.8, 0.2, 0.8, 0.25
CORRELATED = 0.8
PRESENT, NEVER, BLIND = "present", "never met", "sense missing"
STATES: dict[str, dict[str, float]] = {PRESENT: {}, NEVER: {"even_rate": 0.0}, BLIND: {"ink": 0.0}}
"""State of the concept in a life -> what is special about its world."""
DETECTOR = {"kind": "detector", "name": "praise", "sense": "feedback", "miss": 0.2, "false_alarm": 0.02}
"""What teaches: two in five steps are rewarded in the long run, so that a value that knows nothing stays below 1/2."""


class Settings(QuestionSettings):
    """How many learners live for how long."""

    seeds: int = Field(7, ge=2, le=10_000)
    """Training seeds of every state with and without a correlate; no two arms have one in common."""
    together: int = Field(7, ge=1, le=64)
    """Seeds that train as one batch."""
    experiences: int = Field(51_200, ge=640, le=10_000_000)
    """Episodes of a lifetime."""
    episodes: int = Field(1500, ge=200, le=1_000_000)
    """Held-out episodes on which learners are examined."""


class AbsentConcept(Question[Settings]):
    """A detector of absent concepts with its ROC, and false latches."""

    card: ClassVar[Card] = Card(
        question="Can it be told that a concept never formed in a learner, and what does a reward latch onto then?",
        prediction="The largest selectivity over all sites tells learners that have the concept from those that never "
        "met it and from those without the sense for it. Where it is absent, the value is silent, or follows the "
        "nearest correlate, which can be named.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Area under the ROC of the largest selectivity, learners with the concept against each kind without "
        f"it: at least {TELLS:g} (interval of DeLong et al. 1988 with Student's t, and never closer to 1 than as many "
        "trials without a failure would show). What the value does, mean over seeds with Student's 95 % interval: "
        f"without the sense and without a correlate it flags at most {SILENT:g} of the episodes (above half of the "
        f"signal); with a correlate ({CORRELATED:g}) its AUC for the nearest one is at least {FOLLOWS:g}, and it "
        f"moves with it by at least {MOVES:g} of the signal; of learners that never met the concept it flags at most "
        f"{SILENT:g}. Each is confirmed, refuted or undetermined by itself; all confirmed: confirmed, any refuted: "
        "refuted. Controls, without which nothing is decided: a planted concept "
        f"is told from its absence with an AUC of at least {TELLS:g}; at most {RARE:g} of the learners with shuffled "
        "labels lie above the threshold; where the concept is there and has no correlate the value's AUC for it is at "
        f"least {FORMED:g}. Threshold, reported and not judged: what 95 % of the untrained learners stay below, from "
        "untrained learners in worlds where digits can be seen (upper prediction bound of the normal distribution).",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.7: not everyone has the concept, and early "
        "on nobody has.",
    )
    metrics: ClassVar[Metrics] = {
        "absent_concept": "the verdict",
        "prediction": "a number of the card; `why` says which",
        "threshold": "largest selectivity that untrained learners stay below in 95 % of cases",
        **RATES,
        **{name: f"{title}; control: the state" for name, title in LATCHED.items()},
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        least = exact_interval(float(2 * self.settings.seeds), float(2 * self.settings.seeds))[0]
        expected = [
            Expected(
                "flag rate without a correlate (from 0.01)",
                SILENT - 0.01,
                0.02,
                of="silent without a correlate: flag rate",
            ),
            Expected("AUC for the nearest correlate (from 0.95)", 0.95 - FOLLOWS, 0.05, of="AUC for it"),
        ]
        source = f"Two kinds of learners that do not overlap show an area of at least {least:.2f}. Spreads are wider "
        source += "than those of three pilot seeds of each arm (500 to 514, shorter lives)."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per state, correlation and batch of seeds."""
        s, pieces = self.settings, []
        for number, (state, rho) in enumerate(itertools.product(STATES, (0.0, CORRELATED))):
            for batch in self.batches(s.seed + number * s.seeds, s.seeds, s.together):
                given = {"setup": self.setup(state, rho, batch), "seeds": batch, "state": state}
                pieces.append(Work(f"{state.replace(' ', '-')}-{rho:g}-{batch[0]}", examine, given))
        return pieces

    def setup(self, state: str, rho: float, batch: Sequence[int]) -> dict[str, Any]:
        """The setup of some seeds' life, resolved."""
        s = self.settings
        changes = {
            "world": {"kind": "shortcut", "rho": rho, **STATES[state]},
            "steering": [DETECTOR],
            "schedule": {
                **{"experiences": s.experiences, "ages": [0, s.experiences], "batch": 64, "learning_rate": 0.004},
                **{"seeds": len(batch), "together": len(batch), "first_seed": batch[0], "worlds": "each"},
            },
            "evaluation": {"episodes": s.episodes, "nulls": 5},
        }
        return load_setup("shortcut", changes=changes, expect=Setup).resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed):
            return missing
        table = joined(tables)
        threshold = threshold_of(table)
        predictions, controls = predictions_of(table, threshold)
        conclusion = judged_each(predictions, controls, failed=sorted(failed))
        every = [*(each for part in predictions.values() for each in part), *controls]
        rates = rates_of(table, threshold)
        rows = [{"metric": "prediction", **each.row()} for each in every]
        rows += [{"metric": "threshold", "estimate": threshold}]
        rows += self.rows(
            rates, "rate", lambda row: {"metric": "called_present", "control": f"{row['kind']}, {row['state']}"}
        )
        trained = table[table["kind"] == "trained"].melt(["state", "rho", "seed"], list(LATCHED), "metric", "value")
        means = over_seeds(trained.dropna(subset=["value"]), ["state", "rho", "metric"])
        rows += self.rows(
            means, "value", lambda row: {"metric": row["metric"], "control": f"{row['state']}, {row['rho']:g}"}
        )
        shown = exhibits(table, every, threshold=threshold, means=means)
        return self.answer(conclusion, rows, shown, every_row={"setup": "absent-concept"})


def threshold_of(table: pd.DataFrame) -> float:
    """What 95 % of the untrained learners stay below: upper prediction bound, one sided."""
    found = table[(table["kind"] == "untrained") & table["state"].isin([PRESENT, NEVER])]["statistic"]
    spread = float(found.std(ddof=1)) * np.sqrt(1 + 1 / len(found))
    return float(found.mean() + stats.t.ppf(0.95, len(found) - 1) * spread)


def area(present: ArrayLike, absent: ArrayLike) -> Estimate:
    """Area under the ROC of a statistic that is larger where something is present, with its 95 % interval.

    Variance after DeLong, DeLong & Clarke-Pearson 1988 (Biometrics 44:837); Student's t with one degree of freedom less
    than the smaller group has members. Where groups hardly overlap that variance is too small, so the interval reaches
    at least as far from 1 (from 0) as the exact one of that many trials without a failure (without a success).
    """
    one, other = np.asarray(present, dtype=np.float64), np.asarray(absent, dtype=np.float64)
    few = min(len(one), len(other))
    if few < 2 or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return Estimate(np.nan, np.nan, np.nan, few)
    above = (one[:, None] > other) + 0.5 * (one[:, None] == other)
    value = float(above.mean())
    variance = above.mean(1).var(ddof=1) / len(one) + above.mean(0).var(ddof=1) / len(other)
    half = float(stats.t.ppf(0.975, few - 1) * np.sqrt(variance))
    surely, hardly = exact_interval(float(few), float(few))[0], exact_interval(0.0, float(few))[1]
    low, high = min(value - half, surely), max(value + half, hardly)
    return Estimate(value, max(low, 0.0), min(high, 1.0), len(one) + len(other))


def predictions_of(table: pd.DataFrame, threshold: float) -> tuple[dict[str, list[Prediction]], list[Prediction]]:
    """The numbers of the card by what they are about, and the controls."""

    def of(measure: str, state: str, rho: float | None = None, kind: str = "trained") -> pd.Series:
        rows = table[(table["kind"] == kind) & (table["state"] == state)]
        return rows[measure] if rho is None else rows[rows["rho"] == rho][measure]

    present = of("statistic", PRESENT)
    blind, never = mean_of_all(of("flag_rate", BLIND, 0.0)), mean_of_all(of("flag_rate", NEVER))
    predictions = {
        f"{state}, detected": [Prediction(f"area against {state}", area(present, of("statistic", state)), least=TELLS)]
        for state in (BLIND, NEVER)
    }
    predictions |= {
        "silent without a correlate": [Prediction("flag rate", blind, most=SILENT)],
        "the nearest correlate": [
            Prediction("AUC for it", mean_of_all(of("auc_nearest", BLIND, CORRELATED)), least=FOLLOWS),
            Prediction("change with it", mean_of_all(of("change_nearest", BLIND, CORRELATED)), least=MOVES),
        ],
        "silent where it was never met": [Prediction("flag rate", never, most=SILENT)],
    }
    shuffled = of("statistic", PRESENT, kind="shuffled") > threshold
    planted = area(of("statistic", BLIND, kind="planted"), of("statistic", BLIND))
    controls = [
        Prediction("area for a planted concept", planted, least=TELLS),
        Prediction("shuffled labels above the threshold", rate_of(int(shuffled.sum()), len(shuffled)), most=RARE),
        Prediction("AUC of the value where it is there", mean_of_all(of("auc_even", PRESENT, 0.0)), least=FORMED),
    ]
    return predictions, controls
