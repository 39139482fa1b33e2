"""at-birth: what keeps an agent alive at birth and later, its reflexes or its learner?

An agent on a meadow has reflexes, wired to crude senses that reach a few steps, and a learner that is trained on the
reward of its steering side. Both are lesioned in turn at every age
(:mod:`imprint.analyses.questions.at_birth.measure`).

Costs are ratios of expected lengths of life, with and without a part, and their change over a lifetime is the slope of
their logarithm over age. In an earlier edition they were differences, of which a rank correlation with age was taken;
that refuted a constant cost of the reflexes, because whoever lives longer has more to lose in steps.

What can be foreseen: an untrained learner acts at random, so that its lesion costs nothing at birth is nearly so by
construction; that half checks the measure. Not settled beforehand are how much the learner adds, and whether it learns
to do without the reflexes with which it was trained: they act for it in just those moments that it would have to learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Prediction, bought, judged
from imprint.analyses.questions.at_birth.exhibits import TITLES, exhibits, log_costs, ratio_of
from imprint.analyses.questions.at_birth.measure import lesions
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.raising.lives import meadow_setup
from imprint.models.environments.meadow.environment import STAY
from imprint.models.grids import STEPS

SAME = 1.25
"""Ratios from 1 / 1.25 to 1.25 count as the same, which is the margin of bioequivalence trials."""
ADDS, COUNTS = 1.3, 1.25
WORLD = {"metabolism": 0.02, "predators": 0.05, "reach": 3, "limit": 100}
ESCAPES = {**{f"dark_{way}": i for i, way in enumerate(STEPS)}, "dark": STAY}
FEEDS = {f"smell_{way}": i for i, way in enumerate(STEPS)}
REFLEXES = (
    {"kind": "reflex", "name": "escape", "actions": ESCAPES, "when": {"looming": 0.0}},
    {"kind": "reflex", "name": "feed", "actions": FEEDS},
)
"""Escape into the dark when something looms has precedence over turning to food that is smelt."""
EQUAL = ("at birth, whole / no learner", "at birth, no reflexes / neither")
"""Predictions on newborns, who know nothing that a learner could add."""


class Settings(QuestionSettings):
    """How long agents are trained and how closely they are examined."""

    seeds: int = Field(8, ge=3, le=10_000)
    """Agents that are trained, numbered from ``seed``."""
    experiences: int = Field(600_000, ge=16_384, le=10_000_000)
    """Length of a lifetime in steps."""
    ages: int = Field(7, ge=3, le=10_000_000)
    """Number of planned ages, evenly spaced, birth first."""
    lives: int = Field(500, ge=20, le=10_000_000)
    """Episodes at every age under every condition."""


class AtBirth(Question[Settings]):
    """Lesions of learner and reflexes by age."""

    card: ClassVar[Card] = Card(
        question="What keeps an agent alive at birth and later: its reflexes or its learner?",
        prediction="At birth the reflexes alone do as well as the whole agent and far better than chance, and without "
        "them it survives as long as one that acts at random. The loss of the learner costs nothing at birth and more "
        "as it grows; the loss of the reflexes divides the length of life by as much at every age.",
        refuted_if="The untrained learner helps or harms, the untrained agent without reflexes survives longer than at "
        "random, the trained learner adds little, the cost of its loss does not rise, or that of the reflexes changes "
        "with age.",
        decision="Expected length of life: steps lived for each death. Geometric means of ratios and Student's 95 % "
        f"intervals over seeds. At birth whole / no learner, and no reflexes / neither, both between {1 / SAME:g} and "
        f"{SAME:g}. At the last age whole / no learner at least {ADDS:g}. Change of a cost over the lifetime: slope of "
        "the log ratio over evenly spaced ages, by least squares in each seed; of whole / no learner a factor of at "
        f"least {SAME:g}, of whole / no reflexes between {1 / SAME:g} and {SAME:g}. All held: confirmed; one interval "
        "wholly outside: refuted; otherwise undetermined. Control: at birth whole / no reflexes at least "
        f"{COUNTS:g}; if that is not shown the reflexes have no effect to speak of, and if a seed failed likewise: "
        "undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, sections 2.3.2 and 2.5.2: newborn competence comes "
        "from the steering side; removing the cortex matters more the older the animal.",
    )
    metrics: ClassVar[Metrics] = {
        "at-birth": "the verdict",
        "prediction": "a number of the card; `why` says which",
        **{metric: f"{title}; control: the lesion, none for the whole agent" for metric, title in TITLES.items()},
    }

    def power(self) -> Bought:
        """From two pilot seeds, 500 and 501, which the published runs do not have among theirs."""
        same, spread = math.log(SAME), 0.1
        expected = [
            Expected("equal at birth", same, spread, between=True, of=EQUAL),
            Expected(
                "learner adds at the last age (from 1.7)",
                math.log(1.7 / ADDS),
                spread,
                of="at the last age, whole / no learner",
            ),
            Expected(
                "growing cost of the learner's loss (from 1.6)",
                math.log(1.6 / SAME),
                spread,
                of="change over the lifetime, whole / no learner",
            ),
            Expected(
                "constant cost of the reflexes' loss",
                same,
                spread,
                between=True,
                of="change over the lifetime, whole / no reflexes",
            ),
        ]
        source = "In units of log ratios; two pilot seeds (500, 501) differed by less than half of this spread."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per seed."""
        s = self.settings
        arguments = {"setup": self.setup(), "lives": s.lives}
        return [Work(f"seed-{s.seed + i}", lesions, {**arguments, "seed": s.seed + i}) for i in range(s.seeds)]

    def setup(self) -> dict[str, Any]:
        """The setup in which the agents are trained, resolved."""
        s = self.settings
        ages = [round(s.experiences * i / (s.ages - 1)) for i in range(s.ages)]
        return meadow_setup("at-birth", WORLD, REFLEXES, experiences=s.experiences, ages=ages, seeds=s.seeds)

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
    costs = log_costs(table)
    ages = costs.index.get_level_values("age")
    birth, last = costs.xs(ages.min(), level="age"), costs.xs(ages.max(), level="age")
    change = costs.groupby(level="seed").agg(_slope)
    same: Bounds = {"least": 1 / SAME, "most": SAME}
    predictions = [
        Prediction(EQUAL[0], ratio_of(birth["learner"]), **same),
        Prediction(EQUAL[1], ratio_of(birth["learner alone"]), **same),
        Prediction("at the last age, whole / no learner", ratio_of(last["learner"]), least=ADDS),
        Prediction("change over the lifetime, whole / no learner", ratio_of(change["learner"]), least=SAME),
        Prediction("change over the lifetime, whole / no reflexes", ratio_of(change["reflexes"]), **same),
    ]
    return predictions, Prediction("at birth, whole / no reflexes", ratio_of(birth["reflexes"]), least=COUNTS)


def _slope(costs: pd.Series) -> float:
    """Change of one seed's log cost from the first to the last age, along its line of least squares over age."""
    ages = costs.index.get_level_values("age").to_numpy(dtype=float)
    return float(stats.linregress(ages, costs.to_numpy()).slope * (ages[-1] - ages[0]))
