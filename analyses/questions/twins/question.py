"""twins: are copies to one specification the same learner, and is the specification less than what it makes?

Two remarks that belong together. A learning algorithm is far simpler than what it learns: one who watches a single unit
for a few moments knows the rule by which all learn, and does not know the function (:mod:`~.recipe`). And who writes
the same algorithm anew, from its specification, gets a learner that learns as fast and makes the same mistakes
(:mod:`~.copies`), if mistakes come of the specification, and not of the world that both lived in.

That the specification takes few bits beside the weights is asked in the question ``birth``.

Deviations: both pieces of code were written by people who knew the same textbooks; learners are small, and their
mistakes are on 8 x 8 digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.twins.copies import OTHERS, measure_copies
from imprint.analyses.questions.twins.exhibits import exhibits
from imprint.analyses.questions.twins.recipe import KINDS, KNOWN, SAME, costs, measure_function, measure_rule
from imprint.analyses.statistics import mean_of_all

APART, ALIKE, AS_FAST, NONE, START, TENFOLD = 0.2, 0.05, 0.01, 0.05, 0.95, 1.0
CHANCE = 1 / len(KINDS)


class Settings(QuestionSettings):
    """How many networks learn, and for how long a student does."""

    seeds: int = Field(40, ge=2)
    """Training seeds, numbered from ``seed``, each with images of its own."""
    steps: int = Field(400, ge=1, le=10**6)
    """Steps of a student that learns a network's answers."""


class Twins(Question[Settings]):
    """Copies of a learner, and what one must read to make one."""

    card: ClassVar[Card] = Card(
        question="Does code to the same specification learn as fast and make the same mistakes, and is the rule that "
        "is specified known from less than the function that comes of it?",
        prediction="A library's code is as like ours as ours is to itself, born again; other algorithms make other "
        "mistakes, and so does the same one in another world. The rule is named from a tenth of the numbers, or fewer, "
        "that the function takes.",
        refuted_if="A number lies with its whole interval on the wrong side of its bound.",
        decision="By seed, all against one network. Mistakes: error consistency of the other code less that of the "
        f"same code within {ALIKE:g} of 0; of the other code less the mean of four other algorithms "
        f"({', '.join(OTHERS)}), at least {APART:g}. World: same code, same world less other world, at least "
        f"{APART:g}. Speed: distance of learning curves, other code less same code, within {AS_FAST:g} of 0. Recipe: "
        f"log10 of the numbers from which a network's answers are known ({SAME:g}) less that of those from which its "
        f"rule is named ({KNOWN:g}), at least {TENFOLD:g}. Controls: error consistency with shuffled images within "
        f"{NONE:g} of 0; from the same first weights, codes agree by at least {START:g}; shuffled rules are named "
        f"within {NONE:g} of {CHANCE:g}. Student's 95 % intervals over seeds wholly inside: held; all held: confirmed.",
        source="Byrnes, Intro to brain-like-AGI safety, post 2 (2022), 2.8, and the discussion below it; Geirhos, "
        "Meding & Wichmann (2020).",
    )
    metrics: ClassVar[Metrics] = {
        "twins": "the verdict",
        "accuracy": "part of the test images that are named right; age: passes over the training images",
        "kappa": "error consistency with the reference network",
        "distance": "mean difference in accuracy from the reference network over the checkpoints",
        "named": "part of the records of one unit whose rule is named; age: numbers that were read",
        "same": "part of the answers to test images that are the network's own; age: numbers that were read",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("mistakes: other code less same code (from 0)", ALIKE, 0.038, between=True),
            Expected("mistakes: other code less other algorithms (from .25)", 0.05, 0.043),
            Expected("world: same code, same world less other (from .45)", 0.25, 0.059),
            Expected("speed: distance of other code less of same code (from 0)", AS_FAST, 0.022, between=True),
            Expected("recipe: powers of ten, function less rule (from 1.8)", 0.8, 0.17),
        ]
        expected = [replace(each, of=each.name.partition(" (")[0]) for each in expected]
        source = (
            "Spreads are those of six pilot seeds (500 to 505), on which the number of seeds was chosen. On them codes "
            f"agreed from the same first weights by .92, short of {START:g}, and other algorithms made mistakes that "
            f"were less alike by .18, beside a bound of {APART:g}; bounds were left where they are."
        )
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """Copies, records of units, and copied functions."""
        s = self.settings
        seeds = tuple(range(s.seed, s.seed + s.seeds))
        return [
            Work("copies", measure_copies, {"seeds": seeds}),
            Work("rule", measure_rule, {"seeds": seeds}),
            Work("function", measure_function, {"seeds": seeds, "steps": s.steps}),
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        means = over_seeds(table, ["part", "arm", "measure", "time"])
        found = decide(table)
        return self.answer(found, self.rows(means, "value", _about), exhibits(means), sentence=sentence(table))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    age = {"age": row["time"]} if row["time"] >= 0 else {}
    return {"metric": row["measure"], "control": row["arm"], **age}


def _wide(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Numbers by seed (rows) and arm (columns); of those with several ages the last."""
    rows = table[table["measure"] == measure].sort_values("time")
    return rows.pivot_table(index="seed", columns="arm", values="value", aggfunc="last")


def apart(table: pd.DataFrame) -> pd.Series:
    """By seed, log10 of how many times as many numbers the function takes as the rule."""
    times: pd.Series = costs(table, ["copied", "asked"], SAME) / costs(table, ["rule"], KNOWN)
    return times.map(np.log10)


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    kappa, distance = _wide(table, "kappa"), _wide(table, "distance")
    again = kappa["other code"]
    parts = {
        "mistakes": [
            Prediction("other code less same code", mean_of_all(again - kappa["same code"]), -ALIKE, ALIKE),
            Prediction("other code less other algorithms", mean_of_all(again - kappa[[*OTHERS]].mean(axis=1)), APART),
        ],
        "world": [
            Prediction(
                "same code, same world less other", mean_of_all(kappa["same code"] - kappa["other world"]), APART
            )
        ],
        "speed": [
            Prediction(
                "distance of other code less of same code",
                mean_of_all(distance["other code"] - distance["same code"]),
                -AS_FAST,
                AS_FAST,
            )
        ],
        "recipe": [Prediction("powers of ten, function less rule", mean_of_all(apart(table)), TENFOLD)],
    }
    shuffled = _wide(table, "named")["shuffled rules"]
    controls = [
        Prediction("error consistency with shuffled images", mean_of_all(kappa["shuffled"]), -NONE, NONE),
        Prediction("error consistency from the same start", mean_of_all(kappa["same start"]), START),
        Prediction("shuffled rules are named", mean_of_all(shuffled), CHANCE - NONE, CHANCE + NONE),
    ]
    return judged_each(parts, controls)


def sentence(table: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    kappa = _wide(table, "kappa").mean()
    return (
        f"Beyond chance, a library's code to the same specification is right and wrong on the same images by "
        f"{kappa['other code']:.2f}, our own code born again by {kappa['same code']:.2f}, other algorithms by "
        f"{kappa[[*OTHERS]].mean():.2f}, and our own code that learned from other images by "
        f"{kappa['other world']:.2f}. "
        f"A network's answers take {10 ** apart(table).mean():.0f} times as many numbers to know as its rule."
    )
