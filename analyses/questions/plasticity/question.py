"""plasticity: when is something plastic a learner, and when is it a variable of an innate rule?

One update of a synapse serves as a learner with N parameters and as a tally of fights. What it is used for is told by
two tests that know nothing of the inside: is the device better for being larger, and of how many numbers of its
history does its state depend? What is measured, with all roles: :mod:`imprint.analyses.questions.plasticity.measure`.

    category    learning    score rises with N (its slope is above ``RISES``), dimension at least ``MANY``
                variable    the slope is within ``FLAT`` of 0, dimension at most ``ONE``
                neither     all else

Deviations from the source: the seed asks whether scaling up would help, which for a tally has no sense; here a tally is
scaled by dividing it among N equal synapses, so that its slope is 0 by arithmetic; the number guards the instrument.
Scores are taken after a fixed number of events, and slopes are per factor of ten in N.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.plasticity.exhibits import exhibits
from imprint.analyses.questions.plasticity.measure import MOST, ROLES, measure
from imprint.analyses.statistics import mean_of_all

RISES, MANY, FLAT, ONE, NONE = 0.05, 50.0, 0.02, 1.0, 0.05
PLANNED = {"learner": "learning", "commanded": "learning", "alike": "variable"}
PLANNED |= {"fight tally": "variable", "saccade gain": "variable"}
"""Role -> the category that it is predicted to be given."""


class Settings(QuestionSettings):
    """How many seeds, how large devices, and how long lives."""

    seeds: int = Field(12, ge=2)
    """Training seeds, numbered from ``seed``: each has a task, features and animals of its own."""
    sizes: tuple[Annotated[int, Field(ge=1, le=MOST)], ...] = Field((4, 16, 64, 256), min_length=2)
    """Numbers of synapses of which devices are made."""
    events: int = Field(3000, ge=10, le=10**7)
    """Events of a life."""


class Plasticity(Question[Settings]):
    """The same synapse as a learner and as a tally."""

    card: ClassVar[Card] = Card(
        question="When is something plastic a learner, and when is it a variable of an innate rule?",
        prediction="The same update of a synapse is told apart by its use: as a learner it gets better with more "
        "synapses and keeps fifty numbers of its history or more; as a tally it gets no better, and keeps one.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"By seed. Learner: slope of the score on log10 of the synapses at least {RISES:g}, dimension (rank "
        f"of the derivative of the state by the history, 128 synapses and events) at least {MANY:g}. Tally: slope "
        f"within {FLAT:g} of 0, dimension at most {ONE:g}. Category of five roles by these bounds: right in 0.9 of "
        "them. Controls: as many synapses with one and the same input are a variable by both numbers (so it is not "
        f"their count); with a command of 0 the learner's score is at most {NONE:g}; with shuffled targets too. "
        "Student's 95 % intervals over seeds wholly inside: held; all held: confirmed. The gain of saccades and a rate "
        "commanded by surprise are shown.",
        source='Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.3 (2026 version).',
    )
    metrics: ClassVar[Metrics] = {
        "plasticity": "the verdict",
        "score": "part of the error of who never adjusts that is taken away; by number of synapses",
        "dimension": "rank of the derivative of the state by the history",
        "slope": "change of the score for ten times as many synapses",
        "as_predicted": "part of the seeds in which the category of a role is as predicted",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("slope, learner (from .4)", 0.35, 0.15, of="slope, learner"),
            Expected("dimension, learner (from 128)", 78.0, 5.0, of="dimension, learner"),
            Expected("slope, fight tally (from 0)", FLAT, 0.002, between=True, of="slope, fight tally"),
            Expected("categories right (from 1)", 0.1, 0.05, of="categories right"),
        ]
        return bought(
            self.settings.seeds,
            expected,
            "Spreads are those of six pilot seeds (500 to 505), the slope at twice the rate and in shorter lives.",
        )

    def work(self) -> list[Work]:
        """One piece per role."""
        s = self.settings
        common = {"seeds": tuple(range(s.seed, s.seed + s.seeds)), "sizes": s.sizes, "events": s.events}
        return [Work(f"role-{place}", measure, {"role": role, **common}) for place, role in enumerate(ROLES)]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        numbers, means = summary(table), over_seeds(table, ["role", "measure", "synapses"])
        verdict = decide(numbers, of_role(table, "score", "silenced"), of_role(table, "score", "shuffled"))
        rows = self.rows(means, "value", _about)
        rows += [
            {"metric": str(name).replace(" ", "_"), "control": role, **mean_of_all(part["value"]).row()}
            for (role, name), part in numbers.groupby(["role", "measure"], sort=False)
        ]
        return self.answer(verdict, rows, exhibits(means, numbers, table), sentence=in_words(verdict))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": row["measure"], "control": f"{row['role']}, {row['synapses']} synapses"}


def of_role(table: pd.DataFrame, measure: str, role: str) -> pd.Series:
    """A number of a role by seed, of its largest device."""
    rows = table[(table["role"] == role) & (table["measure"] == measure)]
    largest: pd.DataFrame = rows.loc[rows["synapses"].eq(rows["synapses"].max())]
    return largest.set_index("seed")["value"].sort_index()


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Slope, dimension and whether the category is as predicted: rows of role, measure, seed and value."""
    rows: list[dict[str, Any]] = []
    for role in ROLES:
        scores = table[(table["role"] == role) & (table["measure"] == "score")]
        wide = scores.pivot_table(index="seed", columns="synapses", values="value")
        slopes = np.polyfit(np.log10(wide.columns.to_numpy(float)), wide.to_numpy().T, 1)[0]
        dimensions = of_role(table, "dimension", role)
        for seed, slope in zip(wide.index, slopes, strict=True):
            about = {"role": role, "seed": int(seed)}
            rows.append({**about, "measure": "slope", "value": float(slope)})
            rows.append({**about, "measure": "dimension", "value": float(dimensions[seed])})
            if role in PLANNED:
                right = category(float(slope), float(dimensions[seed])) == PLANNED[role]
                rows.append({**about, "measure": "as predicted", "value": float(right)})
    return pd.DataFrame(rows)


def category(slope: float, dimension: float) -> str:
    """What a device is by the two tests."""
    if slope > RISES and dimension >= MANY:
        return "learning"
    return "variable" if abs(slope) <= FLAT and dimension <= ONE else "neither"


def decide(numbers: pd.DataFrame, silenced: pd.Series, shuffled: pd.Series) -> Judgement:
    """The card's rule; ``numbers``: of :func:`summary`, and the scores of two controls by seed."""

    def of(measure: str, role: str) -> pd.Series:
        rows = numbers[(numbers["role"] == role) & (numbers["measure"] == measure)]
        return rows.set_index("seed")["value"].sort_index()

    right = numbers[numbers["measure"] == "as predicted"].groupby("seed")["value"].mean()
    predictions = [
        Prediction("slope, learner", mean_of_all(of("slope", "learner")), least=RISES),
        Prediction("dimension, learner", mean_of_all(of("dimension", "learner")), least=MANY),
        Prediction("slope, fight tally", mean_of_all(of("slope", "fight tally")), -FLAT, FLAT),
        Prediction("dimension, fight tally", mean_of_all(of("dimension", "fight tally")), most=ONE),
        Prediction("categories right", mean_of_all(right), least=0.9),
    ]
    controls = [
        Prediction("slope, inputs alike", mean_of_all(of("slope", "alike")), -FLAT, FLAT),
        Prediction("dimension, inputs alike", mean_of_all(of("dimension", "alike")), most=ONE),
        Prediction("score, silenced", mean_of_all(silenced), most=NONE),
        Prediction("score, targets shuffled", mean_of_all(shuffled), most=NONE),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")


def in_words(verdict: Judgement) -> str:
    """The answer for somebody who has not read the card."""
    known = {each.name: each.measured.value for each in verdict.predictions}
    said = "One and the same synapse, used a hundred times over with inputs of its own each, gets better by "
    said += f"{known['slope, learner']:.2f} for ten times as many and keeps {known['dimension, learner']:.0f} numbers "
    said += (
        f"of its history; used as a tally of fights it gets better by {abs(known['slope, fight tally']):.2f} and keeps "
    )
    return said + f"{known['dimension, fight tally']:.0f}. Plastic is not the same as learning."
