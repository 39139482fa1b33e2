"""tractable: can a learner begin from scratch, learn tasks of many kinds, and need few examples?

The comments under the source hold that three things cannot be had together: learning from scratch, generality, and
tractability; the reply sees no reason why not. Here "from scratch" is random first weights, "general" is one learner
with one set of dials for every kind of task, and "tractable" is that the examples it needs grow with the size of the
task as a power and not as an exponential (:mod:`imprint.analyses.questions.tractable.measure`). General can also be
meant of all tasks that there are; then counting says that nobody is tractable, and that is the positive control
(:mod:`imprint.analyses.questions.tractable.families`).

The source gives no numbers. Strips of at most 20 cells say nothing of brains: a power that holds from 5 to 20 cells can
end beyond, and families were chosen because gradients can find them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.tractable.exhibits import exhibits, in_words
from imprint.analyses.questions.tractable.families import FAMILIES, LENGTH, STRUCTURED, UNSTRUCTURED, remembered
from imprint.analyses.questions.tractable.learners import LEARNERS
from imprint.analyses.questions.tractable.measure import RIGHT, measure, needs, shapes
from imprint.analyses.statistics import mean_of_all

EVIDENCE, DEGREE, PRICE, CHANCE = 2.0, 3.0, 0.5, 0.6
"""Difference of information criteria, largest degree, octaves of examples, part named right by chance at most."""
COIN_SIZE, COIN_BUDGET = 10, 2048


class Settings(QuestionSettings):
    """How many learners learn, and how large tasks are."""

    seeds: int = Field(8, ge=3)
    """Training seeds, numbered from ``seed``; each has a task of each family and size, and learners of its own."""
    sizes: tuple[Annotated[int, Field(ge=LENGTH, le=1024)], ...] = Field((5, 7, 10, 14, 20), min_length=4)
    """Cells of a strip in families with structure, each larger than the one before."""
    tables: tuple[Annotated[int, Field(ge=LENGTH, le=16)], ...] = Field((5, 6, 7, 8), min_length=4)
    """Cells of a strip where anything may be the answer, each larger than the one before."""
    budget: int = Field(80_000, ge=64, le=10**9)
    """Examples after which a learner gives up."""

    @field_validator("sizes", "tables")
    @classmethod
    def _growing(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(larger <= smaller for smaller, larger in pairwise(sizes)):
            raise ValueError(f"{list(sizes)}; expected sizes that grow, such as {sorted(set(sizes))}")
        return sizes


class Tractable(Question[Settings]):
    """Examples to criterion by size of the task, for three learners and four families of tasks."""

    card: ClassVar[Card] = Card(
        question="Can a learner begin from scratch, be general, and still be tractable?",
        prediction="Yes, as far as tasks have structure: a dense network, a convolution and self-attention, each with "
        "random first weights and one set of dials, learn tasks of three kinds with examples that grow as a power of "
        "the size. What is built in changes by how much, not whether. Over all tasks that there are each needs "
        "exponentially many.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Examples until nine in ten other strips are named right, each seen once; log2; a power and an "
        "exponential of the number of cells by least squares over all seeds. Tractable, for each learner: information "
        "criterion of the exponential less that of the power (jackknife), mean of the three structured families, at "
        f"least {EVIDENCE:g}; the largest of the three degrees (by seed) at most {DEGREE:g}. Price, at the largest "
        f"size: on marks anywhere dense needs {PRICE:g} octaves more than the convolution, on pairs self-attention "
        f"{PRICE:g} octaves more than dense. Controls: with structure the difference is {EVIDENCE:g} above "
        f"that over all tasks, mean of the three learners; over all tasks the degree of each is at least {DEGREE:g} "
        f"and its need at the largest size not below that of counting; taught by coins each names at most {CHANCE:g} "
        "right. Student's 95 % intervals over seeds wholly inside: held. A size at which the criterion is not reached "
        "leaves its numbers open. Suggestive at most: strips are tiny. Learners' dials, sizes, families, the two "
        "comparisons of the price, and that evidence is averaged over families were chosen on pilot seeds. A first run "
        "(seeds from 1000) was stopped halfway and not looked at: it would have taken too long, and a convolution at "
        "32 cells had not reached the criterion after 40,000 examples; then sizes, seeds and the rate of learning were "
        "made smaller, and the control over all tasks, until then that the difference there be at most -2, became the "
        "comparison with structure, because pilots said that the former lacked power.",
        source="Comments under Byrnes, Learning from scratch in the brain (2022), and the reply to them.",
    )
    metrics: ClassVar[Metrics] = {
        "tractable": "the verdict",
        "needed": "log2 of examples to criterion; age: cells of the strip",
        "degree": "degree of the power of the number of cells that fits examples to criterion",
        "doubling": "cells by which a strip must be longer for examples to double, if they grow as an exponential",
        "evidence": "information criterion of the exponential less that of the power",
        "right": "part of the strips named right after teaching by coins",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        tractable = [f"{learner}: power over exponential" for learner in LEARNERS]
        largest = [f"{learner}: largest degree" for learner in LEARNERS]
        expected = [
            Expected("evidence of a power (from 6)", 4.0, 6.0, of=tuple(tractable)),
            Expected("largest degree (from 2.4)", DEGREE - 2.4, 0.5, of=tuple(largest)),
            Expected("price on marks (from 1)", 0.5, 0.5, of="place: dense beyond conv"),
            Expected("price on pairs (from 2)", 1.5, 0.8, of="pair: attention beyond dense"),
        ]
        source = "Distances and spreads are rounded from pilot seeds (500 to 505), most at other rates and sizes."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per learner, family and size, and one per learner taught by coins."""
        s = self.settings
        common = {"seeds": tuple(range(s.seed, s.seed + s.seeds))}
        pieces = []
        for learner in LEARNERS:
            for family in FAMILIES:
                for n in s.tables if family == UNSTRUCTURED else s.sizes:
                    about = {"learner": learner, "family": family, "n": n, "budget": s.budget, "coins": False}
                    pieces.append(Work(f"{learner}-{family}-{n}", measure, {**about, **common}))
            about = {"learner": learner, "family": "weigh", "n": COIN_SIZE, "budget": COIN_BUDGET, "coins": True}
            pieces.append(Work(f"{learner}-coins", measure, {**about, **common}))
        return pieces

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        needed, shaped = needs(table), shapes(needs(table))
        means = over_seeds(needed, ["learner", "family", "cells"])
        rows = self.rows(means, "value", lambda row: {"metric": "needed", "age": row["cells"], "control": _of(row)})
        for name in ("degree", "doubling", "evidence"):
            found = over_seeds(shaped, ["learner", "family"], name, named="value").assign(metric=name)
            rows += self.rows(found, "value", lambda row: {"metric": row["metric"], "control": _of(row)})
        coins = over_seeds(by_coins(table), ["learner"])
        rows += self.rows(coins, "value", lambda row: {"metric": "right", "control": f"{row['learner']}, coins"})
        sentence = in_words(shaped)
        return self.answer(decide(table), rows, exhibits(means, shaped, coins, needed), sentence=sentence)


def _of(row: Mapping[str, object]) -> str:
    return f"{row['learner']}, {row['family']}"


def by_coins(table: pd.DataFrame) -> pd.DataFrame:
    """Part named right by learners that coins taught: rows of learner, seed and value."""
    return table[table["coins"]][["learner", "seed", "last"]].rename(columns={"last": "value"})


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    needed = needs(table)
    shaped, coins = shapes(needed), by_coins(table)

    def shape(name: str, learner: str) -> pd.DataFrame:
        return shaped[shaped["learner"] == learner].pivot_table(
            index="seed", columns="family", values=name, dropna=False
        )

    def last(learner: str, family: str) -> pd.Series:
        part = needed[(needed["learner"] == learner) & (needed["family"] == family)]
        values: pd.Series = part[part["cells"] == part["cells"].max()].set_index("seed")["value"]
        return values

    by_seed = shaped.pivot_table(index="seed", columns=["family", "learner"], values="evidence", dropna=False)
    structured = pd.concat([by_seed[family] for family in STRUCTURED], axis=1).mean(axis=1, skipna=False)
    apart = structured - pd.DataFrame(by_seed[UNSTRUCTURED]).mean(axis=1, skipna=False)
    name = "with structure less over all tasks: power over exponential"
    tractable, controls = [], [Prediction(name, mean_of_all(apart), least=EVIDENCE)]
    for learner in LEARNERS:
        evidence, degree = shape("evidence", learner), shape("degree", learner)
        mean = evidence[list(STRUCTURED)].mean(axis=1, skipna=False)
        tractable.append(Prediction(f"{learner}: power over exponential", mean_of_all(mean), least=EVIDENCE))
        largest = degree[list(STRUCTURED)].max(axis=1, skipna=False)
        tractable.append(Prediction(f"{learner}: largest degree", mean_of_all(largest), most=DEGREE))
        controls.append(
            Prediction(f"{learner}, {UNSTRUCTURED}: degree", mean_of_all(degree[UNSTRUCTURED]), least=DEGREE)
        )
        sizes = needed[needed["family"] == UNSTRUCTURED]["cells"]
        above = last(learner, UNSTRUCTURED) - math.log2(remembered(UNSTRUCTURED, int(sizes.max()), RIGHT))
        controls.append(Prediction(f"{learner}, {UNSTRUCTURED}: beyond counting", mean_of_all(above), least=0.0))
        named = coins[coins["learner"] == learner]["value"]
        controls.append(Prediction(f"{learner}: right by coins", mean_of_all(named), most=CHANCE))
    place, pair = last("dense", "place") - last("conv", "place"), last("attention", "pair") - last("dense", "pair")
    price = [
        Prediction("place: dense beyond conv", mean_of_all(place), least=PRICE),
        Prediction("pair: attention beyond dense", mean_of_all(pair), least=PRICE),
    ]
    return judged_each({"tractable": tractable, "price": price}, controls)
