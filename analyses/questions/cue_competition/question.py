"""cue-competition: does a reward latch onto cues in a learner as it does in animals?

Which of several cues an animal takes for the sign of a reward has been worked out in a dozen classical experiments. The
suite (:mod:`imprint.analyses.questions.cue_competition.suite`) is run on any learner and assessor, beside two theories
of animals in closed form, where each cue has a latent of its own
(:mod:`imprint.analyses.questions.cue_competition.closed_form`), and on latents as a learner formed them
(:mod:`imprint.analyses.questions.cue_competition.measure`).

Some effects follow from the rule of the assessor alone, whatever the latents: the closed form says which. Latent
inhibition and sensory preconditioning do not: both rules give 0 there, and what is found must come from the learner.
Instant revaluation follows from no cached value; it is asked of a scorecard that a homeostat reads.

Deviations from the experiments: a litter sees each trial side by side; trials come without pauses, and their number is
the same for all effects; the response is the value itself. Blocking is shown and not judged, since it fails to come in
animals too (Maes et al. 2016: 15 failures).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.cue_competition.closed_form import RULES
from imprint.analyses.questions.cue_competition.exhibits import exhibits
from imprint.analyses.questions.cue_competition.measure import ARMS, measure, oracle
from imprint.analyses.questions.cue_competition.suite import EFFECTS, REVALUED
from imprint.analyses.statistics import Estimate, mean_of_all

EXACT, LEARNED, NOTHING = 1e-9, 0.5, 0.1
MAIN, CRITIC = "growing", "long-term"
PARTS = {
    "learning": ("acquisition", "extinction"),
    "competition": ("overshadowing", "unblocking", "conditioned inhibition", "over-expectation"),
    "inference": ("second order", "sensory preconditioning"),
    "context and familiarity": ("renewal", "latent inhibition"),
    "needs": (REVALUED,),
}
"""Effects that are judged, in parts that are judged apart."""
SIZE = 0.3
"""An effect that would be worth to be found, in units of reward."""
SPREADS = {
    "acquisition": 0.26,
    "extinction": 0.20,
    "overshadowing": 0.13,
    "unblocking": 0.08,
    "conditioned inhibition": 0.20,
    "over-expectation": 0.03,
    "second order": 0.32,
    "sensory preconditioning": 0.54,
    "renewal": 0.14,
    "latent inhibition": 0.17,
    REVALUED: 0.47,
}
"""Spread of effects over pilot seeds."""


class Settings(QuestionSettings):
    """How many learners grow up, and how fast everything learns."""

    seeds: int = Field(20, ge=2)
    """Training seeds, numbered from ``seed``, each with looks of its own."""
    together: int = Field(5, ge=1)
    """Seeds that train as one batch."""
    learner: str = "recurrent"
    """Kind of the learner."""
    width: int = Field(32, ge=1, le=65_536)
    """Its width."""
    experiences: int = Field(9600, ge=32, le=10**9)
    """Trials of a learner's youth."""
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0)
    """Of the learner, in its youth and while it is conditioned."""
    rate: float = Field(0.5, gt=0.0, lt=2.0)
    """Of the assessors."""


class CueCompetition(Question[Settings]):
    """The classical experiments on cue competition, on closed forms and on learned latents."""

    card: ClassVar[Card] = Card(
        question="Does a reward latch onto cues in a learner as it does in animals?",
        prediction="Where each cue has a latent of its own, assessors do exactly what the delta rule of Rescorla and "
        "Wagner and temporal differences say. On latents of a learner that goes on learning, every effect goes as in "
        "animals.",
        refuted_if="An assessor is off from the closed form, or the interval of an effect lies wholly below 0.",
        decision=f"Orthogonal latents: the largest difference to the closed form, over all groups, tests and times, at "
        f"most {EXACT:g} for both rules. Learned latents, learners that go on learning by their own objective, "
        "long-term assessor: each effect above 0; instant revaluation by the scorecard. Controls: V(A) after A alone "
        f"was conditioned at least {LEARNED:g}; where outcomes are dealt to other groups, the mean of all effects "
        f"within {NOTHING:g} of 0; in newborn learners that stay as they are, sensory preconditioning within "
        f"{NOTHING:g} of 0 (they have nothing to learn it by; pilots had -.14). Student's 95 % intervals over seeds, "
        "each with looks of its own: wholly inside held, wholly outside failed. Blocking, the short-term assessor, "
        "learners that stay as they are and newborn ones are shown, not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, posts 5 to 9; Rescorla & Wagner 1972; Sutton & Barto 1990; "
        "experiments in the module suite; Maes et al. 2016; Tindell et al. 2009.",
    )
    metrics: ClassVar[Metrics] = {
        "cue_competition": "the verdict",
        **{
            name.replace(" ", "_"): f"size of the effect {name}, above 0 as in animals" for name in (*EFFECTS, REVALUED)
        },
        "V(A),_learned": "V(A) after A alone was conditioned",
        "off": "largest difference of an assessor to the closed form",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [Expected(f"{name} (from {SIZE:g})", SIZE, spread, of=name) for name, spread in SPREADS.items()]
        expected.append(
            Expected("V(A), conditioned alone (from .86)", 0.86 - LEARNED, 0.12, of="V(A), conditioned alone")
        )
        source = "Spreads are those of four pilot seeds (500 to 503)."
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and the closed form."""
        s = self.settings
        common = {"arms": list(ARMS), "learner": s.learner, "options": {"width": s.width}, "experiences": s.experiences}
        common |= {"learning_rate": s.learning_rate, "rate": s.rate}
        batches = self.batches(s.seed, s.seeds, s.together)
        pieces = [Work(f"litters-{batch[0]}", measure, {"seeds": batch, **common}) for batch in batches]
        return [Work("closed-form", oracle, {"seeds": tuple(range(s.seed, s.seed + s.seeds))}), *pieces]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        found = decide(table)
        means = over_seeds(table, ["learner", "assessor", "measure"])
        rows = self.rows(means, "value", _about)
        return self.answer(found, rows, exhibits(means, table), sentence=in_words(found))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": row["measure"].replace(" ", "_"), "control": f"{row['learner']}, {row['assessor']}"}


def estimate(table: pd.DataFrame, name: str, learner: str = MAIN, assessor: str = CRITIC) -> Estimate:
    """Mean of a number over seeds; instant revaluation is of the scorecard."""
    by = "scorecard" if name == REVALUED else assessor
    rows = table[(table["measure"] == name) & (table["learner"] == learner) & (table["assessor"] == by)]
    return mean_of_all(rows["value"])


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    exact = [
        Prediction(f"off from the closed form, {r}", estimate(table, "off", "planted", r), most=EXACT) for r in RULES
    ]
    effects = {
        part: [Prediction(name, estimate(table, name), least=0.0) for name in names] for part, names in PARTS.items()
    }
    dealt = table[(table["learner"] == "shuffled") & (table["assessor"] != "short-term")]
    every = dealt[dealt["measure"].isin([*EFFECTS, REVALUED])].groupby("seed")["value"].mean()
    none: Bounds = {"least": -NOTHING, "most": NOTHING}
    controls = [
        Prediction("V(A), conditioned alone", estimate(table, "V(A), learned"), least=LEARNED),
        Prediction("mean of all effects, outcomes dealt to others", mean_of_all(every), **none),
        Prediction("sensory preconditioning, newborn", estimate(table, "sensory preconditioning", "newborn"), **none),
    ]
    found = judged_each({"closed form": exact, **effects}, controls)
    blocking = f"Blocking, not judged: {estimate(table, 'blocking')}."
    return Judgement(found[0], f"{found[1]}\n{blocking}", found.predictions)


def in_words(found: Judgement) -> str:
    """What was found, for somebody who has not read the card."""
    judged = [each for each in found.predictions if not each.control and each.part != "closed form"]
    names = {
        outcome: [each.name for each in judged if each.outcome == outcome] for outcome in ("held", "failed", "open")
    }
    said = f"Of {len(judged)} effects known from animals, {len(names['held'])} came out the same way in a critic that "
    said += f"reads what a learner has learned ({', '.join(names['held']) or 'none'})"
    said += f"; the other way round: {', '.join(names['failed'])}" if names["failed"] else ""
    return said + (f"; not settled: {', '.join(names['open'])}." if names["open"] else ".")
