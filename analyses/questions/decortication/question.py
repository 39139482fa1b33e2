"""decortication: what does it cost to lose the learner, or the steering side, at every age?

Mammals without cortex from birth do much of what newborns do; an adult that loses it is helpless, and no animal at any
age does without its brainstem. If the learner starts from scratch, its loss has to cost nothing at birth and more and
more later, and the loss of the steering side has to be fatal always. A small animal with both is lesioned at every age:
:mod:`imprint.analyses.questions.decortication.measure`.

The question at-birth asks the same of agents on a meadow, of the reflexes alone. Here the rule of the source is kept
beside one of sizes: rank correlations say nothing about sizes, and so slopes are judged, too, with a margin within
which a cost counts as constant. What can be foreseen: an untrained learner acts at random, so that its loss at birth
costs nothing nearly by construction. Not settled is whether the learner comes to do what the reflexes do.

Deviations from the source: it names animals and no model. All that reflexes do in this animal can be learned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.decortication.exhibits import exhibits
from imprint.analyses.questions.decortication.measure import CONDITIONS, GROWING, measure
from imprint.analyses.statistics import mean_of_all

RISING, FLAT, NOTHING, FATAL, SAME = 0.9, 0.2, 0.05, 0.1, math.log(1.25)
"""Bounds of rank correlations, of a deficit at birth, of survival that counts as fatal, and of log costs."""
PILOT = {
    "no learner, deficit at birth": (NOTHING, 0.004),
    "no learner, rank correlation of deficit with age": (0.06, 0.05),
    "no learner, slope of log cost": (3.7 - SAME, 0.6),
    "no steering, largest survival": (FATAL, 0.16),
    "no steering, rank correlation of survival with age": (FLAT, 0.1),
    "no steering, slope of log cost": (SAME, 0.1),
}
"""Distance from the bound if it is as predicted (of a number between two bounds: from the middle), and spread."""
PILOT_SEEDS = (
    "Spreads are those of six pilot seeds (500 to 505), on which the length of a life was chosen so that survival "
    "still rises at the last age; in them the adult without steering side survived in .48 of the cases."
)


class Settings(QuestionSettings):
    """How many animals grow up, and how closely they are examined."""

    seeds: int = Field(12, ge=2, le=10_000)
    """Animals that grow up, numbered from ``seed``, each in a world of its own."""
    moments: int = Field(900, ge=8, le=10**7)
    """Moments of a life, in each of its bodies."""
    ages: int = Field(7, ge=3, le=1000)
    """Number of ages, evenly spaced, birth first."""
    copies: int = Field(2000, ge=10, le=10**6)
    """Copies that live at every age under every condition."""


class Decortication(Question[Settings]):
    """Lesions of the learner and of the steering side by age."""

    card: ClassVar[Card] = Card(
        question="What does it cost to lose the learner, or the steering side, at every age?",
        prediction="The loss of the learner costs nothing at birth and more with every age; the loss of the steering "
        "side is fatal at all ages alike, whether or not the learner learned from what the reflexes did.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="By seed, apart for learners that watch the reflexes and that learn from their own acts alone. "
        "Deficit: survival of the whole animal less that of one without the part. Learner: deficit at birth within "
        f"{NOTHING:g} of 0; its rank correlation with age at least {RISING:g}; slope over a lifetime of the log ratio "
        f"of expected lengths of life, whole / no learner, at least log 1.25. Steering: largest survival at any age "
        f"without it at most {FATAL:g}; rank correlation of that survival with age within {FLAT:g} of 0; slope of the "
        "log ratio whole / no steering within log 1.25 of 0. Controls: sham lesions have a slope within log 1.25 of 0; "
        "at birth, the loss of the steering side shortens life by a factor of at least 1.25. Student's 95 % intervals "
        "over seeds wholly inside: held; all held: confirmed.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, sections 2.5.2 and 2.5.5.",
    )
    metrics: ClassVar[Metrics] = {
        "decortication": "the verdict",
        "prediction": "a number of the card; `why` says which",
        "survival": "part of the copies that reached the limit; control: how it grew up, and the lesion",
        "expectancy": "moments lived for each death",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected(name, distance, spread, between=name in BETWEEN, of=tuple(f"{g}: {name}" for g in GROWING))
            for name, (distance, spread) in PILOT.items()
        ]
        return bought(self.settings.seeds, expected, PILOT_SEEDS)

    def work(self) -> list[Work]:
        """All seeds as one piece, as they take little."""
        s = self.settings
        seeds = tuple(range(s.seed, s.seed + s.seeds))
        return [Work("lives", measure, {"seeds": seeds, "moments": s.moments, "planned": s.ages, "copies": s.copies})]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        conclusion = decide(table)
        means = over_seeds(table, ["growing", "age", "condition", "measure"])
        rows = [{"metric": "prediction", **number.row()} for number in conclusion.predictions]
        rows += self.rows(means, "value", _about)
        return self.answer(conclusion, rows, exhibits(means, table), sentence=in_words(means))


BETWEEN = (
    "no learner, deficit at birth",
    "no steering, rank correlation of survival with age",
    "no steering, slope of log cost",
)


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": row["measure"], "age": row["age"], "control": f"{row['growing']}, {row['condition']}"}


def by_age(table: pd.DataFrame, growing: str, condition: str, measure: str) -> pd.DataFrame:
    """A number of a condition: a row for each seed, a column for each age."""
    rows = table[(table["growing"] == growing) & (table["condition"] == condition) & (table["measure"] == measure)]
    return rows.pivot_table(index="seed", columns="age", values="value")


def rank(values: pd.DataFrame) -> np.ndarray:
    """Spearman's correlation with age, by seed; 0 where a number is the same at all ages."""
    found = [
        0.0 if row.nunique() == 1 else stats.spearmanr(values.columns, row).statistic for _, row in values.iterrows()
    ]
    return np.asarray(found, dtype=float)


def slope(log_cost: pd.DataFrame) -> np.ndarray:
    """Change of a log cost from the first to the last age, along its line of least squares, by seed."""
    ages = log_cost.columns.to_numpy(dtype=float)
    return np.asarray(np.polyfit(ages, log_cost.to_numpy().T, 1)[0] * (ages[-1] - ages[0]))


def numbers(table: pd.DataFrame, growing: str) -> tuple[list[Prediction], list[Prediction]]:
    """What is predicted of one way to grow up, and its controls."""
    alive, lived = ({c: by_age(table, growing, c, m) for c in CONDITIONS} for m in ("survival", "expectancy"))
    deficit = alive["whole"] - alive["no learner"]
    cost = {c: (lived["whole"] / lived[c]).map(math.log) for c in ("sham", "no learner", "no steering")}
    without = alive["no steering"]
    predictions = [
        Prediction(BETWEEN[0], mean_of_all(deficit.iloc[:, 0]), least=-NOTHING, most=NOTHING),
        Prediction("no learner, rank correlation of deficit with age", mean_of_all(rank(deficit)), least=RISING),
        Prediction("no learner, slope of log cost", mean_of_all(slope(cost["no learner"])), least=SAME),
        Prediction("no steering, largest survival", mean_of_all(without.max(axis=1)), most=FATAL),
        Prediction(BETWEEN[1], mean_of_all(rank(without)), least=-FLAT, most=FLAT),
        Prediction(BETWEEN[2], mean_of_all(slope(cost["no steering"])), least=-SAME, most=SAME),
    ]
    controls = [
        Prediction(f"{growing}: sham, slope of log cost", mean_of_all(slope(cost["sham"])), least=-SAME, most=SAME),
        Prediction(
            f"{growing}: at birth, log cost of no steering", mean_of_all(cost["no steering"].iloc[:, 0]), least=SAME
        ),
    ]
    return predictions, controls


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    found = {growing: numbers(table, growing) for growing in GROWING}
    controls = [control for _, each in found.values() for control in each]
    return judged_each({growing: predictions for growing, (predictions, _) in found.items()}, controls)


def in_words(means: pd.DataFrame) -> str:
    """The answer for somebody who has not read the card."""
    lived = means[means["measure"] == "expectancy"].set_index(["growing", "condition", "age"])["value"]
    first, last = means["age"].min(), means["age"].max()
    parts = []
    for growing, how in zip(GROWING, ("that watches its reflexes", "that learns from its own acts alone"), strict=True):
        cost = {
            condition: [lived[growing, "whole", age] / lived[growing, condition, age] for age in (first, last)]
            for condition in ("no learner", "no steering")
        }
        parts.append(
            f"in an animal {how}, losing the learner divides life by {cost['no learner'][0]:.1f} at birth and "
            f"{cost['no learner'][1]:.1f} in the adult, losing the steering side by {cost['no steering'][0]:.1f} and "
            f"{cost['no steering'][1]:.1f}"
        )
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}."
