"""how-learned: does an audit by lesions name the signal that a competence was learned from?

Of everything useful that a learner does one should be able to say how it learned it, from which ground truth, and where
that comes from. The audit (:mod:`imprint.analyses.audit.rule`) answers with lesions: the same learner, raised anew
while one signal tells nothing. Here it is tried on modules whose teacher is known because they were built so
(:mod:`imprint.analyses.questions.how_learned.measure`): eight kinds, among them three that nothing has taught and one
that two signals teach. The naive rule names the outside signal that the module's output goes along with most.

What can be foreseen: that a lesion of the only teacher prevents learning is so by construction. Not so are the cases
in which a lesion misleads: what is there without learning, what goes along with the cause of another signal, what two
signals teach in turn, and a teacher that was itself taught. Number of replicates and length of training were chosen on
seeds 500 to 503, so that a module taught by noise is told from one that is hardly taught.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined
from imprint.analyses.questions.how_learned.exhibits import exhibits
from imprint.analyses.questions.how_learned.measure import MODULES, measure
from imprint.analyses.statistics import Estimate, mean_of_all

RIGHT, NAIVE, BLIND = 0.9, 0.7, 0.5


class Settings(QuestionSettings):
    """Settings of the question."""

    audits: int = Field(20, ge=2, le=1000)
    """Audits, numbered from ``seed``; each has a world, a code and replicates of its own."""
    replicates: int = Field(10, ge=2, le=1000)
    """Learners that an audit examines."""
    batches: int = Field(300, ge=2, le=100_000)
    """Batches that a module learns from."""
    together: float = Field(0.6, ge=0.0, le=1.0)
    """Probability that a cause follows the common one."""


class HowLearned(Question[Settings]):
    """The audit by lesions on modules whose teacher is known."""

    card: ClassVar[Card] = Card(
        question="Does an audit by lesions name the signal that a competence was learned from?",
        prediction=f"It is right about at least {RIGHT:g} of eight planted kinds; the rule that names the signal which "
        f"goes along with the competence most is right about at most {NAIVE:g}.",
        refuted_if="One of the two numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"Over audits: part of the {len(MODULES)} planted kinds whose ground truth (or that there is none) is "
        f"named, at least {RIGHT:g}; the same of the naive rule, at most {NAIVE:g}. Control: with lesions that change "
        f"nothing the audit is right about at most {BLIND:g}. Student's 95 % intervals wholly inside: confirmed; one "
        "wholly outside: refuted; otherwise undetermined.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2, section 2.6: how did it learn to do X, is there a "
        "ground truth that it learns from, and where does it come from?",
    )
    metrics: ClassVar[Metrics] = {
        "how_learned": "the verdict",
        "right": "part of the planted kinds whose ground truth the audit names; `concept`: one kind; `control`: sham",
        "naive_right": "the same of the signal that goes along with the competence most",
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        expected = [
            Expected("audit by lesions (from 0.98)", 0.98 - RIGHT, 0.05, of="audit by lesions"),
            Expected("naive rule (from 0.63)", NAIVE - 0.63, 0.03, of="naive rule"),
        ]
        return bought(self.settings.audits, expected, "Spreads are those of pilot seeds (500 to 503).")

    def work(self) -> list[Work]:
        """The audits, and those with sham lesions."""
        s = self.settings
        numbers = tuple(range(s.seed, s.seed + s.audits))
        common = {"audits": numbers, "replicates": s.replicates, "batches": s.batches, "rho": s.together}
        return [Work(name, measure, {**common, "sham": name == "sham"}) for name in ("lesions", "sham")]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined({name: each.assign(control="" if name == "lesions" else name) for name, each in tables.items()})
        rows = []
        for (control, module), part in table.groupby(["control", "module"], sort=False):
            about = {"concept": module, "control": control}
            rows += [{"metric": name, **about, **mean_of_all(part[name]).row()} for name in ("right", "naive_right")]
        return self.answer(decide(table), rows, exhibits(table), sentence=in_words(table))


def over_audits(table: pd.DataFrame, value: str, control: str = "") -> Estimate:
    """Mean over audits of the part of the kinds that is right."""
    return mean_of_all(table[table["control"] == control].groupby("seed")[value].mean())


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    predictions = [
        Prediction("audit by lesions", over_audits(table, "right"), least=RIGHT),
        Prediction("naive rule", over_audits(table, "naive_right"), most=NAIVE),
    ]
    control = Prediction("sham lesions", over_audits(table, "right", "sham"), most=BLIND)
    return judged(predictions, controls=[control], blind="Lesions that change nothing are believed.")


def in_words(table: pd.DataFrame) -> str:
    """The answer for somebody who has not read the card."""
    audit, simple = over_audits(table, "right").value, over_audits(table, "naive_right").value
    return (
        f"Raising a learner anew with one signal dealt out at random names what it learned from in {audit:.0%} of the "
        f"planted cases; naming the signal that goes along with it most is right in {simple:.0%}."
    )
