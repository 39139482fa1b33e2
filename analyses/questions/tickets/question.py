"""tickets: is a network that has learned a lucky small part of itself, and is the rest of any use?

Three claims from a discussion of learning from scratch, each on small networks that learn digits from 300 images:

1. **Lottery tickets.** A few of the weights, as they were born, learns almost as well as the whole, because both its
   wiring and its first weights are lucky (Frankle & Carbin 2019, arXiv 1803.03635). If so, the rest may be stuck.
2. **Every part is useful.** Usefulness of units is unequal, and a network can be made to use more of itself.
3. **A dictionary that is there already** (Buzsáki 2019): learning only says what states that come by themselves mean.
   It should do for few states and not for many, where states have to be made.

Deviations from the sources: weights are pruned once, not in rounds; the dictionary is a layer of random units that an
output reads, not a recurrent network; it is compared with the same layer learning. What is measured:
:mod:`imprint.analyses.questions.tickets.measure`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.tickets.exhibits import exhibits
from imprint.analyses.questions.tickets.measure import LOADS, dictionary, tickets, units
from imprint.analyses.statistics import mean_of_all

GAP, STUCK, FLATTER, WORSE, SOLVED, UNEQUAL = 0.05, 0.02, 0.05, 0.01, 0.05, 0.8
FEW, MANY = LOADS[1], LOADS[-1]


class Settings(QuestionSettings):
    """How many networks learn, and for how long."""

    seeds: int = Field(16, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(16, ge=1)
    """Seeds that learn as one batch."""
    steps: int = Field(2000, ge=1, le=10**6)
    """Steps of every network that learns digits."""
    lookings: int = Field(3000, ge=1, le=10**6)
    """Steps in which patterns are learned by heart."""


class Tickets(Question[Settings]):
    """What of a network is needed."""

    card: ClassVar[Card] = Card(
        question="Is a network that has learned a lucky small part of itself, and of what use is the rest?",
        prediction="A twentieth of the weights, as they were at birth, learns more than the same wiring with other "
        "weights and than other wiring; the rest learns as well without it. Dropout and jobs for every part make units "
        "more equally useful at no cost. A dictionary of random states does for few patterns and not for many.",
        refuted_if="Any of the numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"Accuracy on new images. Ticket: rewound less reinitialised and less a random mask, each at least "
        f"{GAP:g}. Rest: the complement of the ticket, learning anew, less the whole network at least -{STUCK:g}. "
        "Units: Gini coefficient of how much the loss rises without a unit, dropout less plain and jobs less plain, "
        f"each at most -{FLATTER:g}, accuracy no worse than by {WORSE:g}. Dictionary of 32 random units: part of "
        f"random labels known, units that learn less units that do not, at most {SOLVED:g} with {FEW} patterns and at "
        f"least {GAP:g} with {MANY}. Controls: other weights where the largest were at birth, less a random mask, "
        f"within {GAP:g} of 0; Gini where seven of eight units are cut off at least {UNEQUAL:g}; units that learn know "
        f"all of {FEW} patterns but for .02. Student's 95 % intervals over seeds wholly inside: held; all held: "
        "confirmed.",
        source="Comments on Byrnes, Intro to brain-like-AGI safety 2 (2022); Frankle & Carbin (2019); Buzsáki, The "
        "Brain from Inside Out (2019).",
    )
    metrics: ClassVar[Metrics] = {
        "tickets": "the verdict",
        "accuracy": "part of new images that are named rightly",
        "gini": "Gini coefficient over hidden units of how much the loss rises when one is held at its mean",
        "dispensable": "part of the hidden units without which the loss rises by less than a thousandth of a nat",
        "known": "part of the patterns whose random label is known after learning",
        "difference": "of two arms, by seed",
    }

    def power(self) -> Bought:
        """From the pilot seeds on which the size of a ticket was chosen."""
        expected = [
            Expected("rewound less reinitialised (from .1)", 0.05, 0.03),
            Expected("rewound less random mask (from .15)", 0.1, 0.05),
            Expected("complement less full (from 0)", STUCK, 0.005),
            Expected("dropout less plain, gini (from -.1)", FLATTER, 0.02),
            Expected("jobs less plain, gini (from -.1)", FLATTER, 0.02),
            Expected("dropout less plain, accuracy (from 0)", WORSE, 0.005),
            Expected("jobs less plain, accuracy (from 0)", WORSE, 0.004),
            Expected(f"{FEW} patterns (from 0)", SOLVED, 0.01),
            Expected(f"{MANY} patterns (from .34)", 0.29, 0.03),
        ]
        expected = [replace(each, of=each.name.partition(" (")[0]) for each in expected]
        source = (
            "Spreads are those of six pilot seeds (500 to 505). In them a ticket's own first weights were worth .01 "
        )
        source += "over others at every size, and neither dropout nor jobs made usefulness more equal; the bounds are "
        source += (
            "those of the claims. Of a tenth of the weights random masks learn as much as tickets but for .04, so "
        )
        source += "that a twentieth was chosen."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece for each of the three parts and batch of seeds."""
        s = self.settings
        pieces = []
        for batch in self.batches(s.seed, s.seeds, s.together):
            digits = {"seeds": batch, "steps": s.steps}
            pieces.append(Work(f"tickets-{batch[0]}", tickets, digits))
            pieces.append(Work(f"units-{batch[0]}", units, digits))
            pieces.append(
                Work(f"dictionary-{batch[0]}", dictionary, {"seeds": batch, "steps": s.lookings, "loads": LOADS})
            )
        return pieces

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        judgement = decide(table)
        filled = table.fillna({"measure": "", "load": 0})
        means = over_seeds(filled, ["part", "arm", "measure", "load"])
        rows = self.rows(means, "value", _about)
        rows += [{"metric": "difference", "control": each.label, **each.row()} for each in judgement.predictions]
        return self.answer(judgement, rows, exhibits(means, table), sentence=in_words(table))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    metric = row["measure"] or ("known" if row["part"] == "dictionary" else "accuracy")
    return {"metric": metric, "control": f"{row['arm']}, {row['load']:.0f} patterns" if row["load"] else row["arm"]}


def values(table: pd.DataFrame, part: str, arm: str, **where: Any) -> pd.Series:
    """A number of an arm by seed; ``where``: the measure, or the load."""
    rows = table[(table["part"] == part) & (table["arm"] == arm)]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return rows.set_index("seed")["value"].sort_index()


def predicted(table: pd.DataFrame) -> dict[str, list[Prediction]]:
    """What is predicted, part by part."""

    def less(part: str, one: str, other: str, **where: Any) -> Any:
        return mean_of_all(values(table, part, one, **where) - values(table, part, other, **where))

    flatter = [
        Prediction(f"{arm} less plain, {name}", less("units", arm, "plain", measure=name), **bound)  # type: ignore[arg-type]
        for arm in ("dropout", "jobs")
        for name, bound in (("gini", {"most": -FLATTER}), ("accuracy", {"least": -WORSE}))
    ]
    return {
        "ticket": [
            Prediction("rewound less reinitialised", less("tickets", "rewound", "reinitialised"), least=GAP),
            Prediction("rewound less random mask", less("tickets", "rewound", "random mask"), least=GAP),
        ],
        "rest": [Prediction("complement less full", less("tickets", "complement", "full"), least=-STUCK)],
        "units": flatter,
        "dictionary": [
            Prediction(f"{FEW} patterns", less("dictionary", "synthesis", "dictionary", load=FEW), most=SOLVED),
            Prediction(f"{MANY} patterns", less("dictionary", "synthesis", "dictionary", load=MANY), least=GAP),
        ],
    }


def controls(table: pd.DataFrame) -> list[Prediction]:
    """What must hold for the numbers to mean what they say."""
    lucky = values(table, "tickets", "untaught ticket") - values(table, "tickets", "random mask")
    return [
        Prediction("untaught ticket less random mask", mean_of_all(lucky), least=-GAP, most=GAP),
        Prediction("gini, planted", mean_of_all(values(table, "units", "planted", measure="gini")), least=UNEQUAL),
        Prediction(
            f"synthesis, {FEW} patterns", mean_of_all(values(table, "dictionary", "synthesis", load=FEW)), least=0.98
        ),
    ]


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    return judged_each(predicted(table), controls(table))


def in_words(table: pd.DataFrame) -> str:
    """What was found, for a newcomer."""
    arms = ("full", "rewound", "reinitialised", "random mask", "complement")
    mean = {arm: values(table, "tickets", arm).mean() for arm in arms}
    gini = {arm: values(table, "units", arm, measure="gini").mean() for arm in ("plain", "dropout", "jobs")}
    known = {arm: values(table, "dictionary", arm, load=MANY).mean() for arm in ("dictionary", "synthesis")}
    said = f"A twentieth of a network learns {mean['rewound']:.0%} of new digits with its own first weights, "
    said += f"{mean['reinitialised']:.0%} with others and {mean['random mask']:.0%} wired at random (the whole: "
    said += f"{mean['full']:.0%}); all the rest learns {mean['complement']:.0%} without it. Usefulness of units is "
    said += f"unequal by {gini['plain']:.2f} (Gini), by {gini['dropout']:.2f} with dropout and {gini['jobs']:.2f} with "
    said += f"jobs for every part. Random units learn {known['dictionary']:.0%} of {MANY} patterns, units that learn "
    return said + f"{known['synthesis']:.0%}."
