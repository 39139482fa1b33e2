"""at-birth: what keeps an agent alive at birth and later, its reflexes or its learner?

An agent on a meadow has reflexes, wired to crude senses that reach a few steps, and a learner that is trained on the
reward of its steering side. Both are lesioned in turn at every age
(:mod:`imprint.analyses.questions.at_birth.measure`).

What can be foreseen: an untrained learner acts at random, so that its lesion costs nothing at birth is nearly so by
construction; that half checks the measure. Not settled beforehand are how much the learner adds, and whether it learns
to do without the reflexes with which it was trained: they act for it in just those moments that it would have to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.at_birth.exhibits import TITLES, by_condition, exhibits
from imprint.analyses.questions.at_birth.measure import lesions
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.raising.lives import meadow_setup
from imprint.analyses.statistics import NAN, Estimate, mean_of_all
from imprint.models.environments.meadow.environment import STAY
from imprint.models.grids import STEPS

SAME, COUNTS, ADDS, RISES, LEVEL = 0.05, 0.1, 0.3, 0.9, 0.2
WORLD = {"metabolism": 0.02, "predators": 0.05, "reach": 3, "limit": 100}
ESCAPES = {**{f"dark_{way}": i for i, way in enumerate(STEPS)}, "dark": STAY}
FEEDS = {f"smell_{way}": i for i, way in enumerate(STEPS)}
REFLEXES = (
    {"kind": "reflex", "name": "escape", "actions": ESCAPES, "when": {"looming": 0.0}},
    {"kind": "reflex", "name": "feed", "actions": FEEDS},
)
"""Escape into the dark when something looms has precedence over turning to food that is smelt."""


class Settings(QuestionSettings):
    """How long agents are trained and how closely they are examined."""

    seeds: int = Field(8, ge=3, le=10_000)
    """Agents that are trained."""
    experiences: int = Field(600_000, ge=16_384, le=10**12)
    """Length of a lifetime in steps."""
    ages: int = Field(7, ge=3, le=10_000_000)
    """Number of planned ages, birth first."""
    lives: int = Field(500, ge=20, le=10_000_000)
    """Episodes at every age under every condition."""


class AtBirth(Question[Settings]):
    """Lesions of learner and reflexes by age."""

    card: ClassVar[Card] = Card(
        question="What keeps an agent alive at birth and later: its reflexes or its learner?",
        prediction="At birth the reflexes alone do as well as the whole agent and far better than chance, and without "
        "them it survives as long as one that acts at random. The loss of the learner costs nothing at birth and more "
        "at every age; the loss of the reflexes costs as much at every age.",
        refuted_if="The untrained learner helps or harms, the untrained agent without reflexes survives longer than at "
        "random, the trained learner adds little, the cost of its loss does not rise, or that of the reflexes changes "
        "with age.",
        decision="Part of the step limit survived, 95 % intervals over seeds. At birth: whole minus no learner, and "
        f"no reflexes minus neither, both between -{SAME:g} and {SAME:g}. At the last age: whole minus no learner, "
        f"in parts of no learner, at least {ADDS:g}. Over ages, by seed: rank correlation of age with whole minus no "
        f"learner at least {RISES:g}, with whole minus no reflexes between -{LEVEL:g} and {LEVEL:g}. All held: "
        "confirmed; one interval wholly outside: refuted; otherwise undetermined. Control: at birth whole minus no "
        f"reflexes at least {COUNTS:g}; if that is not shown the reflexes have no effect to speak of, and if a seed "
        "failed likewise: undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, sections 2.3.2 and 2.5.2: newborn competence comes "
        "from the steering side; removing the cortex matters more the older the animal.",
    )
    metrics: ClassVar[Metrics] = {
        "at-birth": "the verdict",
        "prediction": "a number of the card; `why` says which",
        **{metric: f"{title}; control: the lesion, none for the whole agent" for metric, title in TITLES.items()},
    }

    def work(self) -> list[Work]:
        """One piece per seed."""
        s = self.settings
        arguments = {"setup": self.setup(), "lives": s.lives}
        return [Work(f"seed-{s.seed + i}", lesions, {**arguments, "seed": s.seed + i}) for i in range(s.seeds)]

    def setup(self) -> dict[str, Any]:
        """The setup in which the agents are trained, resolved."""
        s = self.settings
        return meadow_setup("at-birth", WORLD, REFLEXES, experiences=s.experiences, ages=s.ages, seeds=s.seeds)

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed):
            return missing
        table = joined(tables)
        predictions, control = predictions_of(table)
        blind = "The reflexes are not shown to have any effect to speak of."
        conclusion = judged(predictions, controls=[control], blind=blind, failed=sorted(failed))
        rows = [{"metric": "prediction", **prediction.row()} for prediction in (*predictions, control)]
        keys = ["metric", "condition", "age"]
        rows += self.rows(over_seeds(table.sort_values(keys, kind="stable"), keys), "value", _about)
        return self.answer(conclusion, rows, exhibits(table, predictions), every_row={"setup": "at-birth"})


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = None if row["condition"] == "whole" else row["condition"]
    return {"metric": row["metric"], "age": row["age"], "control": control}


def predictions_of(table: pd.DataFrame) -> tuple[list[Prediction], Prediction]:
    """The numbers that decide, and the control."""
    lived = by_condition(table, "lived")
    cost_of_learner, cost_of_reflexes = lived["whole"] - lived["no learner"], lived["whole"] - lived["no reflexes"]
    birth, last = (lived.xs(age, level="age") for age in (table["age"].min(), table["age"].max()))
    idle = mean_of_all(birth["whole"] - birth["no learner"])
    random = mean_of_all(birth["no reflexes"] - birth["neither"])
    adds = mean_of_all((last["whole"] - last["no learner"]) / last["no learner"])
    by_age = "rank correlation of age and cost of losing the"
    predictions = [
        Prediction("at birth, whole minus no learner", idle, least=-SAME, most=SAME),
        Prediction("at birth, no reflexes minus neither", random, least=-SAME, most=SAME),
        Prediction("at the last age, part that the learner adds", adds, least=ADDS),
        Prediction(f"{by_age} learner", _correlation_with_age(cost_of_learner), least=RISES),
        Prediction(f"{by_age} reflexes", _correlation_with_age(cost_of_reflexes), least=-LEVEL, most=LEVEL),
    ]
    counts = mean_of_all(birth["whole"] - birth["no reflexes"])
    return predictions, Prediction("at birth, whole minus no reflexes", counts, least=COUNTS)


def _correlation_with_age(cost: pd.Series) -> Estimate:
    """Rank correlation of age and cost, mean over seeds; missing where the cost of a seed never changes."""
    correlations = []
    for _, mine in cost.groupby(level="seed"):
        varies = mine.nunique() > 1
        ages = mine.index.get_level_values("age")
        correlations.append(float(stats.spearmanr(ages, mine.to_numpy()).statistic) if varies else NAN)
    return mean_of_all(correlations)
