"""at-birth: what keeps a newborn alive, what keeps an adult alive, and what is lost with the learner or the reflexes?

A chick on a meadow has reflexes, wired to crude senses that reach a few steps, and a learner, which is raised on what
its steering side pays. Both are lesioned in turn at every age (:mod:`imprint.analyses.questions.at_birth.measure`).

What can be foreseen: a newborn learner acts at random, so that its lesion costs nothing at birth is nearly so by
construction; that half checks the measure. Not settled beforehand are how much the learner adds, and whether it learns
to do without the reflexes with which it grew up: they act for it in just those moments that it would have to master.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.at_birth.measure import CONDITIONS, lesions
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.raising.lives import WORTH
from imprint.analyses.statistics import Estimate, mean_of_all
from imprint.analyses.verdicts import Conclusion
from imprint.models.environments.meadow.environment import STAY
from imprint.models.grids import STEPS
from imprint.models.setup.load import load_setup

SAME, COUNTS, ADDS, RISES, LEVEL = 0.05, 0.1, 0.3, 0.9, 0.2
WORLD = {
    "kind": "meadow", "size": 9, "food_at_mother": 0.5, "stranger_look": 0.3, "metabolism": 0.02, "predators": 0.05,
    "dive": 8, "reach": 3, "limit": 100,
}  # fmt: skip
REFLEXES = (
    {"kind": "reflex", "name": "escape", "actions": {**{f"dark_{way}": i for i, way in enumerate(STEPS)}, "dark": STAY},
     "when": {"looming": 0.0}},
    {"kind": "reflex", "name": "feed", "actions": {f"smell_{way}": i for i, way in enumerate(STEPS)}},
)  # fmt: skip
"""Escape into the dark when something looms comes before turning to food that is smelt."""


class Settings(QuestionSettings):
    """How long chicks live and how closely they are looked at."""

    seeds: int = Field(8, ge=3)
    """Chicks that are raised."""
    experiences: int = Field(600_000, ge=16_384)
    """Length of a lifetime in steps."""
    ages: int = Field(7, ge=3)
    """Planned ages, birth first."""
    lives: int = Field(500, ge=20)
    """Lives of every age and condition."""


class AtBirth(Question[Settings]):
    """Lesions of learner and reflexes by age."""

    card: ClassVar[Card] = Card(
        question="What keeps an agent alive at birth and later: its reflexes or its learner?",
        prediction="At birth the reflexes alone do as well as the whole animal and far better than chance, and without "
        "them it lives as long as one that acts at random. The loss of the learner costs nothing at birth and more at "
        "every age; the loss of the reflexes costs as much at every age.",
        refuted_if="The newborn learner helps or harms, the newborn without reflexes lives longer than at random, the "
        "adult learner adds little, the cost of its loss does not rise, or that of the reflexes changes with age.",
        decision="Part of the limit that is lived, 95 % intervals over seeds. At birth: whole minus no learner, and no "
        f"reflexes minus neither, both between -{SAME:g} and {SAME:g}. At the last age: whole minus no learner, in "
        f"parts of no learner, at least {ADDS:g}. Over ages, by seed: rank correlation of age with whole minus no "
        f"learner at least {RISES:g}, with whole minus no reflexes between -{LEVEL:g} and {LEVEL:g}. All held: "
        "confirmed; one interval wholly outside: refuted; otherwise undetermined. Control: at birth whole minus no "
        f"reflexes at least {COUNTS:g}; if that is not shown the reflexes do nothing to speak of, and if a seed failed "
        "likewise: undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, sections 2.3.2 and 2.5.2: newborn competence comes "
        "from the steering side; removing the cortex matters more the older the animal.",
    )

    def work(self) -> list[Work]:
        """One piece per seed."""
        s = self.settings
        arguments = {"setup": self.setup(), "lives": s.lives}
        return [Work(f"seed-{s.seed + i}", lesions, {**arguments, "seed": s.seed + i}) for i in range(s.seeds)]

    def setup(self) -> dict[str, Any]:
        """The setup in which the chicks are raised, resolved."""
        s = self.settings
        base = load_setup("meadow-hunger").resolved()
        changes = {
            "name": "at-birth", "environment": WORLD,
            "steering": [*REFLEXES, WORTH],
            "learning": {**base["learning"], "pay": "worth"},
            "schedule": {"experiences": s.experiences, "ages": s.ages, "seeds": s.seeds, "together": 1},
        }  # fmt: skip
        return load_setup({**base, **changes}).resolved()

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if not tables:
            return Answer("undetermined", f"No seed has a table: {next(iter(failed.values()), '')}.", findings([]), ())
        table = pd.concat(list(tables.values()), ignore_index=True)
        predictions, control = predictions_of(table)
        verdict, why = decide(predictions, control, sorted(failed))
        return Answer(
            verdict, why, _findings(table, [*predictions, control], verdict, why), _exhibits(table, predictions)
        )


def predictions_of(table: pd.DataFrame) -> tuple[list[Prediction], Prediction]:
    """The numbers that decide, and the control."""
    lived = _wide(table, "lived")
    without_learner, without_reflexes = lived["whole"] - lived["no learner"], lived["whole"] - lived["no reflexes"]
    birth, last = lived.xs(table["age"].min(), level="age"), lived.xs(table["age"].max(), level="age")
    idle = mean_of_all(birth["whole"] - birth["no learner"])
    random = mean_of_all(birth["no reflexes"] - birth["neither"])
    adds = mean_of_all((last["whole"] - last["no learner"]) / last["no learner"])
    said = [
        Prediction("at birth, whole minus no learner", idle, least=-SAME, most=SAME),
        Prediction("at birth, no reflexes minus neither", random, least=-SAME, most=SAME),
        Prediction("at the last age, part that the learner adds", adds, least=ADDS),
        Prediction("rank correlation of age and cost of losing the learner", _by_age(without_learner), least=RISES),
        Prediction("rank correlation of age and cost of losing the reflexes", _by_age(without_reflexes),
                   least=-LEVEL, most=LEVEL),
    ]  # fmt: skip
    counts = mean_of_all(birth["whole"] - birth["no reflexes"])
    return said, Prediction("at birth, whole minus no reflexes", counts, least=COUNTS)


def decide(predictions: list[Prediction], control: Prediction, failed: list[str]) -> tuple[Conclusion, str]:
    """The card's rule."""
    verdict, said = judged(predictions)
    said = f"{said}; {control}"
    if failed:
        return "undetermined", f"{', '.join(failed)} failed. {said}."
    if control.outcome != "held":
        return "undetermined", f"The reflexes are not shown to do anything to speak of. {said}."
    return verdict, f"{said}."


def _wide(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Rows seed x age, a column for each condition."""
    rows = table[table["metric"] == metric]
    return rows.pivot_table(index=["seed", "age"], columns="condition", values="value", sort=True)


def _by_age(cost: pd.Series) -> Estimate:
    """Rank correlation of age and cost, over seeds."""
    return mean_of_all(
        [
            float(stats.spearmanr(mine.index.get_level_values("age"), mine.to_numpy()).statistic)
            if mine.nunique() > 1
            else float("nan")
            for _, mine in cost.groupby(level="seed")
        ]
    )


def _findings(table: pd.DataFrame, said: list[Prediction], verdict: str, why: str) -> pd.DataFrame:
    about = {"analysis": "at-birth", "setup": "at-birth"}
    rows: list[dict[str, Any]] = [{**about, "metric": "at-birth", "verdict": verdict, "why": why}]
    for one in said:
        rows.append({**about, "metric": "prediction", **one.measured.row(), "why": str(one)})
    for (metric, condition, age), part in table.groupby(["metric", "condition", "age"]):
        rows.append({**about, "metric": str(metric), "age": age, **mean_of_all(part["value"]).row(),
                     "control": None if condition == "whole" else str(condition)})  # fmt: skip
    return findings(rows)


def _exhibits(table: pd.DataFrame, predictions: list[Prediction]) -> tuple[Exhibit, ...]:
    over = "Mean and 95 % interval over seeds."
    made = []
    titles = {"lived": "part of the limit lived", "survived": "part of lives to the limit", "pay": "pay in a life"}
    for metric, title in titles.items():
        rows = table[table["metric"] == metric]
        parts = [{"condition": condition, "age": age, **mean_of_all(part["value"]).row()}
                 for (condition, age), part in rows.groupby(["condition", "age"])]  # fmt: skip
        frame = pd.DataFrame(parts).rename(columns={"estimate": metric})
        last = frame[frame["age"] == frame["age"].max()].set_index("condition")[metric]
        first = frame[frame["age"] == frame["age"].min()].set_index("condition")[metric]
        reading = "; ".join(
            f"{name} {first[name]:.2f} at birth, {last[name]:.2f} at the last age" for name in CONDITIONS
        )
        chart = Chart("lines", "age", metric, "experience (steps)", title, "low", "high", "condition")
        made.append(
            Exhibit(metric, f"{title[0].upper()}{title[1:]}, by age and lesion", frame, f"{reading}.", over, chart)
        )
    lived = _wide(table, "lived")
    costs = pd.concat(
        [
            pd.DataFrame({"value": lived["whole"] - lived[name]}).reset_index().assign(lost=name.removeprefix("no "))
            for name in ("no learner", "no reflexes")
        ]
    )
    cost = pd.DataFrame([{"lost": lost, "age": age, **mean_of_all(part["value"]).row()}
                         for (lost, age), part in costs.groupby(["lost", "age"])])  # fmt: skip
    made.append(
        Exhibit(
            "cost", "What the loss of the learner and of the reflexes costs", cost.rename(columns={"estimate": "cost"}),
            "; ".join(str(one) for one in predictions if one.what.startswith("rank")) + ".", over,
            Chart("lines", "age", "cost", "experience (steps)", "part of the limit", "low", "high", "lost"),
        )
    )  # fmt: skip
    return tuple(made)
