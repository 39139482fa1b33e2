"""homeostat: does an animal that was never short of salt go for salt on the first day on which it is?

Rats that had met a cue for salt only when salt was disgusting went for it at once when they were made to need salt
(Tindell et al. 2009). No value that was learned from reward can do that, since the cue was never followed by any. A
learner can whose steering side works as the source has it: what a cue leads to is learned, one labelled column for each
need; what that is worth is hardcoded and read off the body as it is now. The steering side knows a set point for each
need, and nothing of cues: these look otherwise in every life (:mod:`imprint.analyses.questions.homeostat.measure`).

Besides a cached value there is an informed one, which is given the deficits and can tell exactly how the worth of food
and water depends on them; what it lacks is not access to the body but a reason to expect that salt can be worth
anything. That a cached value does not change is so by construction, and is shown to say what is compared.

Deviations from the experiment: four cues are chosen from, where rats were watched before one; needs are numbers that
are set, where salt was taken away by drugs; trials come in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.homeostat.exhibits import exhibits
from imprint.analyses.questions.homeostat.measure import RELEARNED, measure
from imprint.analyses.statistics import Estimate, mean_of_all

GOES, NOT, RIGHT, MORE, CHANCE, AVERSE = 0.8, 0.1, 0.8, 0.2, 0.5, 0.05
READ = ("scorecard", "cached", "informed")


class Settings(QuestionSettings):
    """How many learners grow up, and how fast everything learns."""

    seeds: int = Field(20, ge=2)
    """Training seeds, numbered from ``seed``, each with cues of its own."""
    together: int = Field(10, ge=2)
    """Seeds that train as one batch; each is also read by the columns of the one before."""
    learner: str = "recurrent"
    """Kind of the learner."""
    width: int = Field(32, ge=1, le=65_536)
    """Its width."""
    experiences: int = Field(9600, ge=32, le=10**9)
    """Trials of a life, in none of which salt is missing."""
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0)
    """Of the learner."""
    rate: float = Field(0.5, gt=0.0, lt=2.0)
    """Of the assessors."""


class Homeostat(Question[Settings]):
    """A new need, and values that were cached, informed, or read off a scorecard."""

    card: ClassVar[Card] = Card(
        question="Does an animal that was never short of salt go for salt on the first day on which it is?",
        prediction="With a scorecard of what each cue leads to, read by a homeostat that knows the present needs: at "
        "once. With a cached value of the same reward: not at all, even if it is told the present needs. The scorecard "
        "serves any mixture of needs, and it was learned: that of another life is worth nothing.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Grown learners, four cues, one followed by each of food, salt and water and one by nothing. *Salt*: "
        f"with salt missing for the first time, the scorecard takes the cue of salt in at least {GOES:g} of the "
        f"choices, the cached and the informed value in at most {NOT:g}. *Needs*: under deficits drawn at random, the "
        f"scorecard takes what brings the largest relief in at least {RIGHT:g} of the choices, and in {MORE:g} more "
        f"than the informed value. *Learned*: with the columns of another life that is at most {CHANCE:g}. Controls: "
        f"before, with enough salt, all three take salt in at most {AVERSE:g}; with salt missing, the scorecard takes "
        f"it in at most {NOT:g} if the homeostat does not feel that (lesioned) or the columns of needs are exchanged "
        f"(scrambled); taught with the outcomes of other trials it is right in at most {CHANCE:g}; the informed value "
        f"is right in at least {RIGHT:g} where salt is not missing, so that it does read the needs; the cached value "
        f"takes salt in at least {GOES:g} after {RELEARNED[-1]} meetings with each cue under the new need. Student's "
        "95 % intervals over seeds wholly inside: held, wholly outside: failed. Bits are shown, not judged. Chosen on "
        f"pilots: the bound {MORE:g}, and that another life and other outcomes are judged by what is right and not by "
        "salt.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 2 (comments) and post 6; Tindell et al. 2009, J "
        "Neurophysiol 101:2929; Keramati & Gutkin 2014, eLife 3:e04811.",
    )
    metrics: ClassVar[Metrics] = {
        "homeostat": "the verdict",
        "salt,_sated": "part of the choices that are of the cue of salt, when there is enough of it",
        "salt,_deprived": "the same, when salt is missing for the first time",
        "right": "part of the choices that bring the largest relief, under deficits drawn at random",
        "right,_as_in_youth": "the same, salt never missing",
        "salt,_met_again": "part of the choices that are of the cue of salt; age: times each cue was met under the new "
        "need",
        "bits": "bits with which network and columns must be kept for .95 of the right choices to stay",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        numbers = {
            "salt, scorecard": (1.0, GOES, 0.1),
            "salt, cached": (0.0, NOT, 0.05),
            "salt, informed": (0.0, NOT, 0.05),
            "right, scorecard": (0.95, RIGHT, 0.04),
            "right, scorecard less informed": (0.34, MORE, 0.03),
            "right, columns of another life": (0.19, CHANCE, 0.15),
        }
        expected = [
            Expected(f"{name} (from {value:g})", abs(value - bound), spread, of=name)
            for name, (value, bound, spread) in numbers.items()
        ]
        source = "Spreads are those of four pilot seeds (500 to 503), at least .05 for choices of salt, which were all "
        return bought(self.settings.seeds, expected, f"{source}or none.")

    def work(self) -> list[Work]:
        """One piece per batch of seeds."""
        s = self.settings
        common = {"learner": s.learner, "options": {"width": s.width}, "experiences": s.experiences}
        common |= {"learning_rate": s.learning_rate, "rate": s.rate}
        batches = self.batches(s.seed, s.seeds, s.together)
        return [Work(f"lives-{batch[0]}", measure, {"seeds": batch, **common}) for batch in batches]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        found = decide(table)
        means = over_seeds(table, ["arm", "measure", "met"])
        return self.answer(found, self.rows(means, "value", _about), exhibits(means, table), sentence=in_words(table))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": row["measure"].replace(" ", "_"), "control": row["arm"], "age": int(row["met"])}


def numbers(table: pd.DataFrame, arm: str, measure: str, met: int = 0) -> pd.Series:
    """A number of every seed."""
    rows = table[(table["arm"] == arm) & (table["measure"] == measure) & (table["met"] == met)]
    return rows.set_index("seed")["value"].sort_index()


def estimate(table: pd.DataFrame, arm: str, measure: str, met: int = 0) -> Estimate:
    """Its mean over seeds."""
    return mean_of_all(numbers(table, arm, measure, met))


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    deprived = {arm: estimate(table, arm, "salt, deprived") for arm in (*READ, "lesioned", "scrambled")}
    right = {arm: estimate(table, arm, "right") for arm in ("scorecard", "another's", "dealt")}
    more = mean_of_all(numbers(table, "scorecard", "right") - numbers(table, "informed", "right"))
    parts = {
        "salt": [
            Prediction("salt, scorecard", deprived["scorecard"], least=GOES),
            Prediction("salt, cached", deprived["cached"], most=NOT),
            Prediction("salt, informed", deprived["informed"], most=NOT),
        ],
        "needs": [
            Prediction("right, scorecard", right["scorecard"], least=RIGHT),
            Prediction("right, scorecard less informed", more, least=MORE),
        ],
        "learned": [Prediction("right, columns of another life", right["another's"], most=CHANCE)],
    }
    youth = estimate(table, "informed", "right, as in youth")
    again = estimate(table, "cached", "salt, met again", RELEARNED[-1])
    controls = [
        *(Prediction(f"salt, {arm}, sated", estimate(table, arm, "salt, sated"), most=AVERSE) for arm in READ),
        *(Prediction(f"salt, {arm}", deprived[arm], most=NOT) for arm in ("lesioned", "scrambled")),
        Prediction("right, taught with other outcomes", right["dealt"], most=CHANCE),
        Prediction("right, informed, as in youth", youth, least=RIGHT),
        Prediction("salt, cached, met again", again, least=GOES),
    ]
    return judged_each(parts, controls)


def in_words(table: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    card, cached, informed = (estimate(table, arm, "salt, deprived") for arm in READ)
    own, other = (estimate(table, arm, "right") for arm in ("scorecard", "another's"))
    return (
        "Short of salt for the first time, learners whose steering side reads a learned scorecard choose the cue of "
        f"salt in {card.value:.2f} of the choices, those with a cached value in {cached.value:.2f} and those whose "
        f"value is told the needs in {informed.value:.2f}; the scorecard serves any mixture of needs ({own.value:.2f} "
        f"right), that of another life does not ({other.value:.2f})."
    )
