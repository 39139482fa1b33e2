"""uniformity: can one module, with one set of hyperparameters, serve streams that have nothing in common?

The cortex looks much the same all over, and a piece of it that is wired to another sense learns that sense. As a test:
one class with one recipe learns digits pixel by pixel, text letter by letter, and the torques and angles of an arm
(:mod:`~.streams`), beats what a simple statistic of each stream gives, is worth nothing in another's place, and becomes
as good there when it is taught again (:mod:`~.measure`). The striatum's version: one cell type for all short-term
predictors, that differ only in what teaches them and how far ahead (:mod:`~.assessors`).

That a swapped module is at chance follows from arbitrary codes and is a check of the instrument more than a finding;
that a module which has learned another stream is no worse a place to start than a newborn one does not follow.

Chosen on the seeds 500 to 502: the step size is between two that were tried (1.0 served text best, 0.3 the arm). There
newborn modules of pixels scored below 1 / 17, since of their 32 answers only those in use can be right: what is not
taught by a stream is compared with 1 / 32. Nearly every channel learned best at the highest rate, up to 1.9 (from 2 the
rule is not stable): assessors are limited by their few lessons, so that the ratio is 1 whatever is true of sharing. It
is shown, not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.uniformity.assessors import measure_assessors
from imprint.analyses.questions.uniformity.exhibits import exhibits
from imprint.analyses.questions.uniformity.measure import RECIPE, measure_modules
from imprint.analyses.questions.uniformity.streams import STREAMS, SYMBOLS
from imprint.analyses.statistics import mean_of_all

MARGIN, RECOVERED, NONE = 0.03, 0.95, 0.03
BLIND = 1 / SYMBOLS
"""What a module scores that does not know the codes: nothing tells it which symbols occur."""


class Settings(QuestionSettings):
    """How many modules learn, and for how long."""

    seeds: int = Field(10, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(10, ge=1)
    """Seeds that train as one batch."""
    updates: int = Field(2000, ge=4, le=10**7)
    """Updates of a module on a stream."""
    experiences: int = Field(3200, ge=64, le=10**9)
    """Episodes of a learner's life before assessors read it."""
    assessed: int = Field(3, ge=2)
    """Learners that assessors read, numbered from ``seed``."""


class Uniformity(Question[Settings]):
    """One recipe for three streams, one cell type for all channels."""

    card: ClassVar[Card] = Card(
        question="Can one kind of module, with one set of hyperparameters, learn streams that have nothing in common, "
        "and take one another's place once it is taught again?",
        prediction="It beats the bigram of every stream; in another's place it is at chance, and recovers when it is "
        "taught.",
        refuted_if="A number lies with its whole interval on the wrong side of its bound.",
        decision="Balanced score on the held-out part of each stream, by seed. Learns: native module less bigram, "
        f"above 0. Swapped: score less 1/{SYMBOLS} (what an answer in an unknown code is worth; mean over the two "
        f"donors), between -{MARGIN:g} and {MARGIN:g}. Rewired, with chance 1 / symbols that occur: "
        "(retrained less chance) / (native less chance), mean over donors, at least "
        f"{RECOVERED:g}. Controls: newborn modules within {MARGIN:g} of 1/{SYMBOLS}; modules of shuffled "
        f"streams at most {NONE:g} above chance. Assessors are shown, not judged: their ratio could not fail on the "
        f"pilots. The recipe for all streams: {RECIPE}. Student's 95 % "
        "intervals over seeds wholly inside: held; all held: confirmed.",
        source="Byrnes, Intro to brain-like-AGI safety, post 2 (2022); Sur, Garraghty & Roe 1988 (rewired ferrets).",
    )
    metrics: ClassVar[Metrics] = {
        "uniformity": "the verdict",
        "native": "balanced score of a module on the stream that taught it",
        "bigram": "balanced score of the commonest successor of the last symbol",
        "chance": "1 / symbols that occur",
        "newborn": "balanced score before anything was learned",
        "swapped": "balanced score in another stream's place",
        "retrained": "the same after being taught there",
        "shuffled": "balanced score of a module of the stream's symbols in random order",
        "shared": "squared correlation of an assessor at the rate that is shared by all",
        "tuned": "squared correlation at the rate that is best for the channel",
        "shared_/_tuned": "mean over channels at the shared rate, as a part of that at their own",
        "worst_/_tuned": "mean over channels at the worst rate of each, as a part of that at their own",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("native less bigram of pixels", 0.053, 0.009, of="learns: pixels"),
            Expected("of text", 0.195, 0.012, of="learns: text"),
            Expected("of the arm", 0.364, 0.027, of="learns: arm"),
            Expected("swapped", 0.027, 0.01, between=True, of=tuple(f"swapped: {name}" for name in STREAMS)),
            Expected("rewired, pixels", 0.08, 0.015, of="rewired: pixels"),
            Expected("text", 0.08, 0.01, of="rewired: text"),
            Expected("arm", 0.01, 0.035, of="rewired: arm"),
        ]
        return bought(self.settings.seeds, expected, "Numbers and spreads are those of three pilot seeds (500 to 502).")

    def work(self) -> list[Work]:
        """Modules and assessors by batch of seeds."""
        s = self.settings
        batches, read = self.batches(s.seed, s.seeds, s.together), tuple(range(s.seed, s.seed + s.assessed))
        return [
            *(Work(f"modules-{b[0]}", measure_modules, {"seeds": b, "updates": s.updates}) for b in batches),
            Work("assessors", measure_assessors, {"seeds": read, "experiences": s.experiences}),
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables).fillna({"donor": "none"})
        means = over_seeds(table, ["part", "stream", "donor", "measure"])
        found = decide(table)
        return self.answer(found, self.rows(means, "value", _about), exhibits(means), sentence=sentence(table))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = row["stream"] if row["donor"] == "none" else f"{row['stream']}, taught by {row['donor']}"
    return {"metric": str(row["measure"]).replace(" ", "_"), "control": control}


def wide_of(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Numbers by seed (rows) and stream (columns), mean over donors."""
    return table[table["measure"] == measure].pivot_table(index="seed", columns="stream", values="value")


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    names = ("native", "bigram", "chance", "newborn", "swapped", "retrained", "shuffled")
    native, bigram, chance, newborn, swapped, retrained, shuffled = (wide_of(table, name) for name in names)
    rewired = (retrained - chance) / (native - chance)
    parts = {
        "learns": [Prediction(name, mean_of_all((native - bigram)[name]), least=0.0) for name in STREAMS],
        "swapped": [Prediction(name, mean_of_all((swapped - BLIND)[name]), -MARGIN, MARGIN) for name in STREAMS],
        "rewired": [Prediction(name, mean_of_all(rewired[name]), least=RECOVERED) for name in STREAMS],
    }
    controls = [
        *(
            Prediction(f"newborn modules of {name}", mean_of_all((newborn - BLIND)[name]), -MARGIN, MARGIN)
            for name in STREAMS
        ),
        *(Prediction(f"shuffled {name}", mean_of_all((shuffled - chance)[name]), most=NONE) for name in STREAMS),
    ]
    return judged_each(parts, controls)


def sentence(table: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    native, bigram, swapped, again = (wide_of(table, m).mean() for m in ("native", "bigram", "swapped", "retrained"))
    listed = "; ".join(
        f"{name} {native[name]:.2f} (bigram {bigram[name]:.2f}; in its place, from another stream {swapped[name]:.2f}, "
        f"taught again {again[name]:.2f})"
        for name in STREAMS
    )
    ratio = table[table["measure"] == "shared / tuned"]["value"].mean()
    return (
        f"One recipe learned all three streams, scores balanced over symbols: {listed}. One learning rate for all "
        f"short-term predictors gives {ratio:.1%} of what a rate for each gives (shown, not judged)."
    )
