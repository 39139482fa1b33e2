"""tractable: from scratch, general and tractable, can a learner be all three?

A commenter's trilemma says that one of the three must go. One recipe, always newborn, learns kinds of tasks that have
nothing in common (:mod:`~.measure`): if the examples that it needs grow like a power of the size of a task in each, it
is all three as far as these tasks go, and what cannot be had tractably is another thing, a world in which anything
whatever may be true (the control ``table``, for which the curve must be exponential whoever learns).

This is suggestive at best. Sizes span a factor of sixteen; the tasks were chosen by somebody; a curve says what a
recipe needed, not what is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.tractable.exhibits import exhibits
from imprint.analyses.questions.tractable.measure import ENOUGH, LEARNERS, TASKS, growth, measure_counts
from imprint.analyses.statistics import mean_of_all

EVIDENCE, CONTROL = 2.0, "table"
KINDS = tuple(kind for kind in TASKS if kind != CONTROL)


class Settings(QuestionSettings):
    """How many networks learn, and for how long at most."""

    seeds: int = Field(10, ge=2)
    """Training seeds, numbered from ``seed``, each with tasks of its own."""
    most: int = Field(8192, ge=4, le=10**7)
    """Steps of 32 examples after which a network gives up."""


class Tractable(Question[Settings]):
    """How examples grow with the size of a task."""

    card: ClassVar[Card] = Card(
        question="Can a learner be from scratch, general and tractable at once?",
        prediction="One recipe learns each of three kinds of tasks with examples that grow like a power of their size; "
        "where anything whatever may be true they grow exponentially.",
        refuted_if="A number lies with its whole interval on the wrong side of its bound.",
        decision=f"Examples until {ENOUGH:g} of new ones are answered rightly, by bits of a task. By seed, by how "
        "much a power fits better than an exponential (Bayesian information criterion), for each of "
        f"{', '.join(KINDS)} and each of {' and '.join(LEARNERS)}: at least {EVIDENCE:g}; a task that is not learned "
        f"leaves it open. Control: for {CONTROL} at most -{EVIDENCE:g}. Student's 95 % intervals over seeds wholly "
        "inside: held; all held: confirmed.",
        source="Comments on Byrnes, Intro to brain-like-AGI safety, post 2 (2022).",
    )
    metrics: ClassVar[Metrics] = {
        "tractable": "the verdict",
        "examples": "examples until enough were answered rightly; age: bits of a task",
        "criterion": "by how much a power of the number of bits fits better than an exponential (BIC)",
        "exponent": "of the power that fits best",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected: list[Expected] = []
        return bought(self.settings.seeds, expected, "")

    def work(self) -> list[Work]:
        """One piece for each kind of task and learner."""
        s = self.settings
        seeds = tuple(range(s.seed, s.seed + s.seeds))
        return [
            Work(
                f"{kind}-{learner}", measure_counts, {"kind": kind, "learner": learner, "seeds": seeds, "most": s.most}
            )
            for kind in TASKS
            for learner in LEARNERS
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        grown = grown_of(table)
        counts = over_seeds(table, ["kind", "learner", "bits"])
        means = over_seeds(grown, ["kind", "learner", "measure"])
        rows = self.rows(
            counts, "value", lambda row: {"metric": "examples", "control": _named(row), "age": row["bits"]}
        ) + self.rows(means, "value", lambda row: {"metric": row["measure"], "control": _named(row)})
        return self.answer(decide(grown), rows, exhibits(counts, means), sentence=sentence(means))


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['kind']}, {row['learner']}"


def grown_of(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of kind, learner, seed, measure and value: exponent and criterion of every curve."""
    rows: list[dict[str, Any]] = []
    for (kind, learner, seed), part in table.groupby(["kind", "learner", "seed"], sort=False):
        found = growth(part["bits"].to_numpy(float), part["value"].to_numpy(float))
        about = {"kind": kind, "learner": learner, "seed": seed}
        rows += [
            {**about, "measure": name, "value": v} for name, v in zip(("exponent", "criterion"), found, strict=True)
        ]
    return pd.DataFrame(rows)


def decide(grown: pd.DataFrame) -> Judgement:
    """The card's rule."""
    rows = grown[grown["measure"] == "criterion"]

    def criterion(kind: str, learner: str) -> Any:
        return mean_of_all(rows[(rows["kind"] == kind) & (rows["learner"] == learner)]["value"])

    parts = {
        kind: [
            Prediction(f"{learner}, power less exponential", criterion(kind, learner), EVIDENCE) for learner in LEARNERS
        ]
        for kind in KINDS
    }
    controls = [
        Prediction(f"{CONTROL}, {learner}", criterion(CONTROL, learner), most=-EVIDENCE) for learner in LEARNERS
    ]
    return judged_each(parts, controls)


def sentence(means: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    exponent = means[means["measure"] == "exponent"].groupby("kind", sort=False)["value"].mean()
    listed = ", ".join(f"{exponent[kind]:.1f} ({kind})" for kind in KINDS)
    return (
        f"The examples that one recipe needs from birth grow with the size of a task to the power of {listed}; where "
        "anything may be true of it, see the control."
    )
