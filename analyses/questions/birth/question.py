"""birth: does a learner that starts from scratch start with nothing of use, and does it matter when one says it starts?

Four observations that belong together:

    garbage to useful   the predictions of newborn learners are right as often as chance, those of grown ones are not,
                        whatever the learner and the rule that teaches it (:mod:`~.learners`); the same without any
                        gradient, in a memory that starts empty (:mod:`~.memory`)
    rules               every learning rule, from networks that name digits at chance (:mod:`~.cuts`)
    bits                a learner is specified by few bits beside those that it has learned (:mod:`~.bits`)
    cuts                development has no seam: put birth at another moment, and see which claims turn (:mod:`~.cuts`)

The last is the objection of a commenter, that "from scratch" depends on where one draws the line between
initialisation and refinement. It counts as answered if the claims keep their sign over 80 % of the cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.birth.cuts import CLAIMS, LAST, MARGIN, measure_cuts
from imprint.analyses.questions.birth.exhibits import exhibits
from imprint.analyses.questions.birth.learners import measure_grown, measure_newborns
from imprint.analyses.questions.birth.memory import measure_memory
from imprint.analyses.statistics import mean_of_all, power_of_mean
from imprint.models.learners.base import LEARNERS
from imprint.models.rules.base import RULES
from imprint.models.setup.teaching import rules_of

USEFUL, RISE, RECALL, FULL, FEW, STABLE = 0.6, 0.1, 0.95, 0.8, 0.01, 0.8
CHANCE = (0.5 - MARGIN, 0.5 + MARGIN)
OF_HIDDEN = ("direct_feedback_alignment", "feedback_alignment", "hebbian", "predictive_coding", "target_propagation")
"""Rules that move an output layer as backpropagation does."""


class Settings(QuestionSettings):
    """How many learners are born and grow up."""

    seeds: int = Field(10, ge=2)
    """Seeds of the networks that learn digits, and of the memory, numbered from ``seed``."""
    raised: int = Field(6, ge=2)
    """Learners of each kind and rule that grow up, numbered from ``seed``."""
    newborns: int = Field(400, ge=2)
    """Newborn learners of each kind, numbered from ``seed``."""
    together: int = Field(50, ge=1)
    """Newborns that are examined as one batch."""
    experiences: int = Field(3200, ge=64, le=10**9)
    """Episodes of a learner's life."""


class Birth(Question[Settings]):
    """What is of use at birth, and what later."""

    card: ClassVar[Card] = Card(
        question="Is what a learner gives at birth worth nothing, whatever it is built of and taught by, and does that "
        "depend on when one says that it is born?",
        prediction="All start at chance and become useful, a memory without any gradient too; the specification is "
        "less than one percent of the bits of the trained weights; the claims hold for most choices of birth.",
        refuted_if="A number lies with its whole interval on the wrong side of its bound.",
        decision="Newborn: for each kind of learner, how often the true frames surprise less than those of others, "
        f"over births, within {MARGIN:g} of .5. Grown: the same over training seeds for each kind of learner and each "
        "rule that can teach it (a memory writes; where an output alone learns, one rule stands for those that move it "
        f"alike), at least {USEFUL:g}. Rules: accuracy of networks on digits "
        f"before the first update, within {MARGIN:g} of .1, and its rise, at least {RISE:g}. Memory: recall "
        f"before anything is written within {MARGIN:g} of .5; at a load of .1 at least {RECALL:g}. Bits: "
        f"specification as a part of the bits of the weights, at most {FEW:g}, for each kind of learner taught by "
        "backpropagation. Cuts: part of the cuts at "
        f"which each claim has the sign that it has at the true start (mean over rules), at least {STABLE:g}. Control: "
        f"an overfull memory (load .5) recalls at most {FULL:g} (the measure can fail). Student's 95 % intervals "
        "wholly inside: held; all held: confirmed.",
        source="Byrnes, Intro to brain-like-AGI safety, post 2 (2022), and the discussion below it.",
    )
    metrics: ClassVar[Metrics] = {
        "birth": "the verdict",
        "right": "part of the trials in which the true frames surprise less",
        "specification": "bits of code and settings, compressed",
        "weights": "bits of the trained weights, compressed",
        "ratio": "specification as a part of the weights",
        "recall": "part of the uncued units that come out right",
        "accuracy": "part of the held-out digits that are named right; age: updates",
        "chance": "part of the cuts at which accuracy is as near to chance, or not, as at the true start",
        "rises": "part of the cuts after which accuracy rises, or not, as after the true start",
        "early": "part of the cuts after which half of the rise comes early, or not, as after the true start",
    }

    def power(self) -> Bought:
        """From pilot seeds; grown and newborn learners, of whom there are other numbers, by their own."""
        expected = [
            Expected("recall at a load of .1", 0.037, 0.01),
            Expected("rises at so many cuts", 0.025, 0.01),
            Expected("early at so many cuts", 0.08, 0.036),
        ]
        born, grown = (
            ", ".join(f"{name} {power_of_mean(distance, spread, count):.2f}" for name, distance, spread in known)
            for known, count in (
                (
                    [("expansion", MARGIN, 0.13), ("conv", MARGIN, 0.14), ("generative", MARGIN, 0.19)],
                    self.settings.newborns,
                ),
                ([("by backpropagation", 0.35, 0.1), ("layers by other rules", 0.1, 0.2)], self.settings.raised),
            )
        )
        source = (
            f"On one side, that a newborn is right in half of the trials, {self.settings.newborns} of each kind: "
            f"{born}. Grown learners, {self.settings.raised} of each kind and rule: {grown}. Spreads are those of "
            "pilot seeds (from 500 on): three of cuts, memory and grown learners, 20 to 60 of newborns, whose trials "
            "were cut to pairs of episodes for their cost. In the pilots accuracy stayed as near to chance as at the "
            "start at .36 of the cuts; the specification took .0102 of the weights' bits in conv and .018 in "
            "generative; an expansion taught by noise and reward was right in .57 (spread .36): refutations are "
            "expected, and nothing was moved."
        )
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """Newborns in batches, learners by kind and rule, rules on digits, and the memory."""
        s = self.settings
        seeds, raised = (tuple(range(s.seed, s.seed + count)) for count in (s.seeds, s.raised))
        return [
            *(
                Work(f"newborn-{kind}-{batch[0]}", measure_newborns, {"learner": kind, "seeds": batch})
                for kind in LEARNERS.names()
                for batch in self.batches(s.seed, s.newborns, s.together)
            ),
            *(
                Work(
                    f"grown-{kind}-{rule or 'writing'}",
                    measure_grown,
                    {"learner": kind, "rule": rule, "seeds": raised, "experiences": s.experiences},
                )
                for kind, rule in taught()
            ),
            *(Work(f"cuts-{rule}", measure_cuts, {"rule": rule, "seeds": seeds}) for rule in RULES.names()),
            Work("memory", measure_memory, {"seeds": seeds}),
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables).fillna({"time": -1})
        means = over_seeds(table, ["part", "arm", "measure", "time"])
        found = decide(table)
        return self.answer(found, self.rows(means, "value", _about), exhibits(means), sentence=sentence(table))


def taught() -> list[tuple[str, str | None]]:
    """Every kind of learner with every rule that can teach it; None for one that writes.

    Where nothing below the output learns, rules that move an output in one way are one rule, and one stands for all.
    """
    return [
        (kind, rule)
        for kind in LEARNERS.names()
        for rule in (rules_of(kind) or (None,))
        if rule not in OF_HIDDEN or LEARNERS.load(kind).latents_learn
    ]


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    age = {"age": row["time"]} if row["time"] >= 0 else {}
    return {"metric": row["measure"], "control": f"{row['part']}, {row['arm']}", **age}


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    newborn, grown, ratio, recall = (
        _wide(table, part, measure)
        for part, measure in (("newborn", "right"), ("grown", "right"), ("grown", "ratio"), ("memory", "recall"))
    )
    first, last = (_wide(table, "cuts", "accuracy", time) for time in (0, LAST))
    claims = {claim: _wide(table, "cuts", claim).mean(axis=1) for claim in CLAIMS}
    parts = {
        "newborn": [Prediction(f"{kind} is right", mean_of_all(newborn[kind]), *CHANCE) for kind in newborn],
        "grown": [
            Prediction(f"{arm.replace('_', ' ')} is right", mean_of_all(grown[arm]), least=USEFUL)
            for arm in map(str, grown)
        ],
        "rules": [
            prediction
            for rule in map(str, first)
            for prediction in (
                Prediction(f"{rule.replace('_', ' ')} at birth", mean_of_all(first[rule]), 0.1 - MARGIN, 0.1 + MARGIN),
                Prediction(f"{rule.replace('_', ' ')} rises by", mean_of_all(last[rule] - first[rule]), least=RISE),
            )
        ],
        "memory": [
            Prediction("recall of nothing written", mean_of_all(recall["0"]), *CHANCE),
            Prediction("recall at a load of .1", mean_of_all(recall["0.1"]), least=RECALL),
        ],
        "bits": [
            Prediction(f"specification of {arm.partition(' ')[0]}", mean_of_all(ratio[arm]), most=FEW)
            for arm in map(str, ratio)
            if arm.endswith(" by backprop")
        ],
        "cuts": [
            Prediction(f"{claim} at so many cuts", mean_of_all(part), least=STABLE) for claim, part in claims.items()
        ],
    }
    return judged_each(parts, [Prediction("recall of an overfull memory", mean_of_all(recall["0.5"]), most=FULL)])


def _wide(table: pd.DataFrame, part: str, measure: str, time: int = -1) -> pd.DataFrame:
    """Numbers by seed (rows) and arm (columns)."""
    rows = table[(table["part"] == part) & (table["measure"] == measure) & (table["time"] == time)]
    return rows.pivot_table(index="seed", columns="arm", values="value")


def sentence(table: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    newborn, grown = (_wide(table, part, "right").mean() for part in ("newborn", "grown"))
    ratio = _wide(table, "grown", "ratio").mean()
    stable = ", ".join(f"{_wide(table, 'cuts', claim).mean(axis=1).mean():.0%} ({claim})" for claim in CLAIMS)
    return (
        f"Newborn learners are right in {newborn.min():.2f} to {newborn.max():.2f} of the choices between two, grown "
        f"ones in {grown.min():.2f} to {grown.max():.2f}; their specification takes {ratio.min():.1%} to "
        f"{ratio.max():.1%} of the bits of their weights. Where birth is put on the timeline leaves the claims as they "
        f"are at {stable} of the cuts."
    )
