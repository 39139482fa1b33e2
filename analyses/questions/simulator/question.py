"""simulator: does a generative hierarchy dream nonsense at birth and its world later, and has it a head start?

A commenter on the source sees cortex as a dynamic generative simulator: patterns from the top down, errors from the
bottom up, and learning that binds experience to intrinsic dynamics which are like it, so that few labels suffice. The
learner ``generative`` is such a hierarchy at a small scale, and starts from random weights; what is measured, with all
controls: :mod:`imprint.analyses.questions.simulator.measure`.

Deviations from the source: it gives no numbers, so that thresholds are proposals that were fixed before the run;
intrinsic dynamics are those of a life on bars that travel, and what is told is which way such bars go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.simulator.exhibits import exhibits
from imprint.analyses.questions.simulator.measure import COUNTS, CRITERION, LEVELS, half_time, measure
from imprint.analyses.statistics import mean_of_all

NONSENSE, MATCH, FEWER = 0.8, 0.2, 2.0
PILOT = {
    "distance at birth": (0.2, 0.011),
    "distance at the end": (0.1, 0.04),
    "half-time, high / low (log2)": (0.5, 0.07),
    "half-time, expected / high (log2)": (0.5, 0.06),
    "labels, random / matched (log2)": (0.5, 0.37),
    "labels, mismatched / matched (log2)": (0.5, 0.28),
}
"""Distance from the bound if it is as predicted, and spread over seeds."""
PILOT_SEEDS = (
    "Spreads are those of four pilot seeds (500 to 503) after 2,048 steps, with dreams that had chance in their first "
    "state alone; in them random dynamics took 1.3 times as many labels as matched ones, mismatched ones .9 times."
)


class Settings(QuestionSettings):
    """How many hierarchies grow up, and for how long."""

    seeds: int = Field(12, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(6, ge=1)
    """Seeds that train as one batch."""
    steps: int = Field(1024, ge=4, le=10**6)
    """Steps of learning, cut to a power of two."""


class Simulator(Question[Settings]):
    """Dreams, errors by level and labels of a generative hierarchy."""

    card: ClassVar[Card] = Card(
        question="Does a generative hierarchy dream nonsense at birth and its world later, and has it a head start?",
        prediction="Dreams are nonsense at birth and match the world later; errors fall level by level from the bottom "
        "up; with intrinsic dynamics like those of the task, half as many labels suffice as with random dynamics.",
        refuted_if="The interval of one of these numbers lies wholly on the wrong side of its bound.",
        decision="Distance of dreams from fresh episodes, 1 for shuffled ones, by seed: at birth at least "
        f"{NONSENSE:g}, at the end at most {MATCH:g}. Half-times of errors on a logarithmic axis, in pairs of levels "
        f"({', '.join(LEVELS)}): log2 of later / earlier at least 0. Labels until {CRITERION:g} of the answers on a "
        f"bar's direction are right: log2 of random dynamics / matched at least {math.log2(FEWER):g}, and of "
        f"mismatched / matched at least {math.log2(FEWER):g}. Controls: matched learners reach the criterion within "
        f"{COUNTS[-1]} labels; the error of the expected frame falls to at most half. Student's 95 % intervals over "
        "seeds wholly inside: held; all held: confirmed. Untrained learners are shown, not judged. Chosen on pilot "
        "seeds: steps, and the criterion, which learners of each arm reach.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, comments.",
    )
    metrics: ClassVar[Metrics] = {
        "simulator": "the verdict",
        "prediction": "a number of the card; `why` says which",
        "dreams": "distance of dreams from fresh episodes; 1: as shuffled ones",
        "labels": "labels that suffice for the criterion; control: the arm",
        **{f"error,_{level}": f"error per pixel of the level {level}" for level in LEVELS},
        **{f"right,_{count}": f"part of the answers that are right after {count} labels" for count in COUNTS},
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [Expected(name, distance, spread) for name, (distance, spread) in PILOT.items()]
        return bought(self.settings.seeds, expected, PILOT_SEEDS)

    def work(self) -> list[Work]:
        """One piece per batch of seeds."""
        s = self.settings
        batches = self.batches(s.seed, s.seeds, s.together)
        return [Work(f"grown-{batch[0]}", measure, {"seeds": batch, "steps": s.steps}) for batch in batches]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        conclusion = decide(table)
        means = over_seeds(table, ["arm", "age", "measure"])
        rows = [{"metric": "prediction", **number.row()} for number in conclusion.predictions]
        about = ("metric", "age", "control")
        rows += self.rows(
            means,
            "value",
            lambda row: dict(zip(about, (row["measure"].replace(" ", "_"), row["age"], row["arm"]), strict=True)),
        )
        return self.answer(conclusion, rows, exhibits(means, table), sentence=in_words(table))


def of(table: pd.DataFrame, measure: str, arm: str = "matched") -> pd.DataFrame:
    """A number of an arm: a row for each seed, a column for each age."""
    rows = table[(table["measure"] == measure) & (table["arm"] == arm)]
    return rows.pivot_table(index="seed", columns="age", values="value")


def fewer(table: pd.DataFrame, arm: str) -> np.ndarray:
    """Log2 of how many times as many labels the arm needs as ``matched``, by seed."""
    many, few = (of(table, "labels", each).iloc[:, 0] for each in (arm, "matched"))
    return np.asarray(np.log2((many / few).to_numpy(dtype=float)))


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    dreams = of(table, "dreams")
    half = [np.log2([half_time(row) for _, row in of(table, f"error, {level}").iterrows()]) for level in LEVELS]
    expected = of(table, "error, expected")
    parts = {
        "dreams": [
            Prediction("distance at birth", mean_of_all(dreams.iloc[:, 0]), least=NONSENSE),
            Prediction("distance at the end", mean_of_all(dreams.iloc[:, -1]), most=MATCH),
        ],
        "levels": [
            Prediction("half-time, high / low (log2)", mean_of_all(half[1] - half[0]), least=0.0),
            Prediction("half-time, expected / high (log2)", mean_of_all(half[2] - half[1]), least=0.0),
        ],
        "head start": [
            Prediction(f"labels, {arm} / matched (log2)", mean_of_all(fewer(table, arm)), least=math.log2(FEWER))
            for arm in ("random", "mismatched")
        ],
    }
    controls = [
        Prediction("labels, matched", mean_of_all(of(table, "labels").iloc[:, 0]), most=COUNTS[-1]),
        Prediction("error, expected, end / birth", mean_of_all(expected.iloc[:, -1] / expected.iloc[:, 0]), most=0.5),
    ]
    return judged_each(parts, controls)


def in_words(table: pd.DataFrame) -> str:
    """The answer for somebody who has not read the card."""
    dreams = of(table, "dreams").mean()
    enough = {arm: float(of(table, "labels", arm).iloc[:, 0].mean()) for arm in ("matched", "mismatched", "random")}
    return (
        f"What the hierarchy dreams is {dreams.iloc[0]:.2f} away from its world at birth and {dreams.iloc[-1]:.2f} "
        f"later (1: shuffled). To tell which way a bar goes it needs {enough['matched']:.0f} labels after a life on "
        f"bars, {enough['mismatched']:.0f} where their frames were shuffled, {enough['random']:.0f} with random "
        "dynamics."
    )
