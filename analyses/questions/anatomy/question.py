"""anatomy: which modules of an animal change after birth, and by how many bits?

If most of a brain learns from scratch and a small part is hardwired, a map of what living writes into each module falls
in two: much in what learns, nothing or a few adjustable numbers in what steers. One animal has both, and the map is
drawn without looking at the tags: :mod:`imprint.analyses.questions.anatomy.measure`.

The distance of the clusters is measured twice, in orders of magnitude: between their geometric means, and between the
smallest learning module and the largest steering one. The second depends on how small a learning module one tags as
one: the value has as many weights as the learner has latents (64), and on pilot seeds it came out below its bound.
Modules without any change count as one bit, since zero has no logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.anatomy.exhibits import exhibits
from imprint.analyses.questions.anatomy.measure import TAGS, map_animals
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.statistics import mean_of_all

APART, FEW = 2.0, 32.0


class Settings(QuestionSettings):
    """How many animals, and how long they live."""

    seeds: int = Field(10, ge=2)
    """Training seeds, numbered from ``seed``: animals."""
    together: int = Field(5, ge=1)
    """Seeds that train as one batch."""
    experiences: int = Field(19_200, ge=64, le=10**9)
    """Episodes of a lifetime."""


class Anatomy(Question[Settings]):
    """Bits of change after birth, module by module."""

    card: ClassVar[Card] = Card(
        question="Which modules of an animal change after birth, and by how many bits?",
        prediction="Modules that learn change by at least a hundred times as many bits as modules that steer, which "
        "have nothing or one variable to adjust; the map shows it without knowing the tags.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="By seed, log10 of the bits of change (at least one bit) of each module: mean over learning modules "
        f"less mean over steering modules at least {APART:g}; smallest learning less largest steering module at least "
        f"{APART:g}; largest steering module at most {FEW:g} bits. Controls: a learner smuggled in as steering lies at "
        f"least {APART:g} above the mean of the steering modules; an animal that has not lived changed by 0 bits. "
        "Student's 95 % intervals over seeds wholly inside: held; all held: confirmed. The relay, a grey case, is "
        "shown with the cluster that it is nearer to.",
        source='Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.4.',
    )
    metrics: ClassVar[Metrics] = {
        "anatomy": "the verdict",
        "bits_of_change": "bits by which a module differs from its newborn self, to 1/256 of its scale",
        "orders_apart": "difference of log10 of bits between learning and steering modules",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("clusters apart (from 3.7)", 1.7, 0.1, of="orders apart, cluster means"),
            Expected("nearest members apart (from 2.5)", 0.5, 0.1, of="orders apart, nearest members"),
            Expected("largest steering module (from 8 bits)", 24.0, 1.0, of="bits, largest steering module"),
        ]
        source = "Spreads are those of three pilot seeds (500 to 502); in them nearest members were 1.7 orders apart."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per batch of seeds."""
        s = self.settings
        batches = self.batches(s.seed, s.seeds, s.together)
        return [Work(f"map-{b[0]}", map_animals, {"seeds": b, "experiences": s.experiences}) for b in batches]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        verdict, means = decide(table), over_seeds(table, ["module", "tag"])
        rows = self.rows(
            means, "value", lambda row: {"metric": "bits_of_change", "site": row["module"], "control": row["tag"]}
        )
        rows += [
            {"metric": "orders_apart", "control": each.name.removeprefix("orders apart, "), **each.row()}
            for each in verdict.predictions
            if each.name.startswith("orders")
        ]
        return self.answer(verdict, rows, exhibits(means, table, orders(table)), sentence=in_words(verdict))


def orders(table: pd.DataFrame) -> pd.DataFrame:
    """log10 of bits: a row for each seed, a column for each module."""
    logs = table.assign(value=np.log10(table["value"].clip(lower=1.0)))
    return logs.pivot_table(index="seed", columns="module", values="value")


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    logs = orders(table)
    learn, steer = (logs[[name for name in logs if TAGS[str(name)] == tag]] for tag in ("learn", "steer"))
    largest = table[table["tag"] == "steer"].groupby("seed")["value"].max()
    unborn = table[table["module"] == "unborn"].set_index("seed")["value"]
    smuggled = logs["smuggled"] - steer.mean(axis=1)
    predictions = [
        Prediction("orders apart, cluster means", mean_of_all(learn.mean(axis=1) - steer.mean(axis=1)), least=APART),
        Prediction("orders apart, nearest members", mean_of_all(learn.min(axis=1) - steer.max(axis=1)), least=APART),
        Prediction("bits, largest steering module", mean_of_all(largest), most=FEW),
    ]
    controls = [
        Prediction("smuggled learner above steering", mean_of_all(smuggled), least=APART),
        Prediction("bits, unborn", mean_of_all(unborn), most=0.0),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")


def in_words(verdict: Judgement) -> str:
    """The answer for somebody who has not read the card."""
    known = {each.name: each.measured.value for each in verdict.predictions}
    said = "Living writes on average "
    said += (
        f"{10 ** known['orders apart, cluster means']:,.0f} times as many bits into a module that learns as into one "
    )
    said += f"that steers (at most {known['bits, largest steering module']:.0f} bits); the smallest that learns gets "
    return said + f"{10 ** known['orders apart, nearest members']:,.0f} times as many as the largest that steers."
