"""newborn: can the cause of what newborns do be told by controls, and how wrong is the short way?

Whatever newborns do at once and well is readily put down to innate knowledge in the cortex. The source asks first
whether it was seen rightly, then whether it was learned already, then whether the steering subsystem does it. Here
causes are planted, the experiments are simulated, and rules name causes from numbers of acts: what is planted, what
makes it hard, and all rules are in :mod:`imprint.analyses.questions.newborn.measure`.

The tree has the right experiments by construction, so what is asked is what they buy with so many newborns, and what
each of them is worth. That the naive rule errs follows from how often acts are wired, here a quarter of the claims:
its error is what it would be where all four causes are as frequent. Both are said on the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.newborn.exhibits import exhibits
from imprint.analyses.questions.newborn.measure import CAUSES, RULES, measure
from imprint.analyses.statistics import mean_of_all

RIGHT, WRONG, WORST, COST, AMPLE = 0.9, 0.3, 0.8, 0.1, 0.97
LESS = {
    "not blind": "gain by blind scoring",
    "silent womb": "gain by rearing instead of a silent womb",
    "no rearing": "gain by asking what was experienced",
    "no lesions": "gain by lesions",
}
"""Rule that leaves one control out of the tree, or takes a poorer one -> name of what the tree is better by."""

PILOT = {
    "tree, right": (0.069, 0.021),
    "tree, right on its worst cause": (0.075, 0.083),
    "naive rule, wrong": (0.43, 0.024),
    "gain by blind scoring": (0.13, 0.054),
    "gain by rearing instead of a silent womb": (0.22, 0.052),
    "gain by asking what was experienced": (0.12, 0.021),
    "ample data: tree, right": (0.0, 0.021),
}
"""How far from its bound, and spread over sets."""
PILOT_SETS = "Both from four pilot sets (500 to 503), of the same size; no spread was seen where all is named rightly."


class Settings(QuestionSettings):
    """How many claims are examined, and on how many newborns."""

    seeds: int = Field(12, ge=2)
    """Sets of claims, numbered from ``seed``; each has patterns, newborns and effects of its own."""
    claims: int = Field(24, ge=4 * len(CAUSES), le=10_000)
    """Claims in a set, as many of each cause."""
    newborns: int = Field(12, ge=3, le=1000)
    """Newborns in each experiment."""
    trials: int = Field(20, ge=2, le=10_000)
    """Trials of each newborn with each pattern."""


class Newborn(Question[Settings]):
    """Causes of acts of newborns, named by lesion and rearing controls."""

    card: ClassVar[Card] = Card(
        question="Can lesion and rearing controls tell why a newborn does what it does?",
        prediction="Yes: asked in the right order they name nine of ten planted causes, while taking what is seen at "
        "birth for innate knowledge errs in three of ten or more; no control can be spared.",
        refuted_if="A number lies with its whole interval beyond its bound.",
        decision="Over sets of claims, a quarter of them of each cause. Share of claims whose cause the tree names: at "
        f"least {RIGHT:g}, and of its worst cause at least {WORST:g}; share that the naive rule gets wrong: at least "
        f"{WRONG:g} (by construction it errs wherever a reported act is not wired). What the tree is better by than "
        "the rule that takes the report for real, that uses a silent womb in place of exchanged rearing, that never "
        f"asks what was experienced, and that has no lesions: at least {COST:g} each. Controls: where there is no act "
        f"at all, the tree calls at least {RIGHT:g} of the claims artefacts; with twice the newborns and three times "
        f"the trials it names at least {AMPLE:g} (pilots gave 0.97). "
        "Student's 95 % intervals wholly inside: held; all held: confirmed.",
        source="Byrnes, Learning from scratch in the brain, section 2.5.2 (what to ask of an adaptive newborn act).",
    )
    metrics: ClassVar[Metrics] = {
        "newborn": "the verdict",
        "right": "share of claims whose planted cause a rule names; control: arm and rule; concept: one cause alone",
    }

    def power(self) -> Bought:
        """From pilot sets."""
        return bought(self.settings.seeds, [Expected(name, *known) for name, known in PILOT.items()], PILOT_SETS)

    def work(self) -> list[Work]:
        """One piece per set of claims."""
        s = self.settings
        common = {"claims": s.claims, "newborns": s.newborns, "trials": s.trials}
        return [Work(f"claims-{seed}", measure, {"seed": seed, **common}) for seed in range(s.seed, s.seed + s.seeds)]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        by_rule, by_cause = right(table, ["arm", "rule"]), right(table[table["arm"] == "main"], ["rule", "cause"])
        rows = self.rows(over_seeds(by_rule, ["arm", "rule"], "right"), "right", _about_rule)
        rows += self.rows(over_seeds(by_cause, ["rule", "cause"], "right"), "right", _about_cause)
        found = decide(by_rule, by_cause)
        return self.answer(found, rows, exhibits(table, by_rule), sentence=in_words(found))


def _about_rule(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": "right", "control": f"{row['arm']}, {row['rule']}"}


def _about_cause(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": "right", "control": f"main, {row['rule']}", "concept": row["cause"]}


def right(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Share of claims whose cause each rule names, ``right``, for each combination of ``by`` and seed."""
    kept = table.melt(["arm", "seed", "claim", "cause", "strength"], list(RULES), "rule", "named")
    kept = kept.assign(right=(kept["named"] == kept["cause"]).astype(float))
    return kept.groupby([*by, "seed"], sort=False)["right"].mean().reset_index()


def decide(by_rule: pd.DataFrame, by_cause: pd.DataFrame) -> Judgement:
    """The card's rule."""
    wide = by_rule.pivot_table(index="seed", columns=["arm", "rule"], values="right")
    causes = by_cause[by_cause["rule"] == "tree"].pivot_table(index="seed", columns="cause", values="right")
    worst = causes.mean().idxmin()
    tree = wide["main", "tree"]
    predictions = [
        Prediction("tree, right", mean_of_all(tree), least=RIGHT),
        Prediction("tree, right on its worst cause", mean_of_all(causes[worst]), least=WORST),
        Prediction("naive rule, wrong", mean_of_all(1 - wide["main", "naive"]), least=WRONG),
        *(Prediction(name, mean_of_all(tree - wide["main", rule]), least=COST) for rule, name in LESS.items()),
    ]
    controls = [
        Prediction("no act at all: tree, right", mean_of_all(wide["no act", "tree"]), least=RIGHT),
        Prediction("ample data: tree, right", mean_of_all(wide["ample", "tree"]), least=AMPLE),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")


def in_words(found: Judgement) -> str:
    """What was found, for somebody who has not read the card."""
    number = {each.name: each.measured for each in found.predictions}
    blind, silent, rearing, lesions = (f"{100 * number[name].value:.0f}" for name in LESS.values())
    tree, naive = number["tree, right"].value, number["naive rule, wrong"].value
    return (
        "Asking whether an act is real, then whether it follows experience, then which lesion takes it names "
        f"{tree:.0%} of the planted causes; taking what newborns do for wired knowledge is wrong in {naive:.0%}. Of a "
        f"hundred causes, {blind} are named thanks to blind scoring, {lesions} thanks to lesions, {rearing} by asking "
        f"what was experienced, and {silent} by exchanged rearing in place of a silent womb."
    )
