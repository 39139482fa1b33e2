"""bird-detector: does an innate detector serve at birth, and what does a learner beside it add?

Two systems see the same sky. A hardcoded detector of what is dark, overhead and grows makes a newborn flee; a learner
beside it, useless at birth, is taught by the detector's own alarms and comes to flee from what announces danger: a
shadow that the detector does not look at. What is measured: :mod:`imprint.analyses.questions.bird_detector.measure`.

Deviations from the source: ablation is measured at birth, where the claim is that the innate system does without the
learner; in the grown animal it is shown. That it is nearly exact at birth follows from a value that starts at 0; the
number guards against a learner that alarms at random. Where shadows tell nothing, values stay below the alarm whatever
is seen. Threshold, slope and the alarm level were set on pilot seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.bird_detector.exhibits import exhibits
from imprint.analyses.questions.bird_detector.measure import ARMS, grade, raise_animals
from imprint.analyses.statistics import mean_of_all

HIT, ALARM, SAME, MORE, NONE = 0.9, 0.1, 0.02, 0.5, 0.1


class Settings(QuestionSettings):
    """How many animals grow up, and for how long."""

    seeds: int = Field(10, ge=2)
    """Training seeds, numbered from ``seed``."""
    together: int = Field(5, ge=1)
    """Seeds that train as one batch."""
    experiences: int = Field(19_200, ge=64, le=10**9)
    """Episodes of a lifetime."""


class BirdDetector(Question[Settings]):
    """An innate detector, a learner beside it, and what each of them sees."""

    card: ClassVar[Card] = Card(
        question="Does a hardcoded detector of looming shapes serve a newborn without its learner, and does the "
        "learner, taught by the detector, come to flee from what the detector misses?",
        prediction="At birth the detector is right about what looms, and taking the learner away changes nothing. "
        "Grown, the learner flees from a shadow alone, which the detector does not see.",
        refuted_if="One of the five numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"Trials of the balanced design. Newborn whole animal, disc in view: flees from danger in {HIT:g}, "
        f"from all else in at most {ALARM:g}; without its learner, hits and false alarms change by less than {SAME:g} "
        "(the larger of the two). Grown, disc behind a cloud: the learner alone flees more often with a shadow than "
        f"without by {MORE:g}; the detector alone flees from the shadow in at most {ALARM:g}. Controls: a newborn "
        f"without its detector flees from danger in at most {NONE:g}; where the shadow tells nothing, the same "
        f"difference of the learner is within {NONE:g} of 0; without a shadow it flees behind a cloud in at most "
        f"{NONE:g}. Student's 95 % intervals over seeds wholly inside: held; all held: confirmed. Vigour by evidence, "
        "the first frame of flight and lesions in the grown are shown, not judged.",
        source='Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2; Evans et al. 2018, Nature 558:590.',
    )
    metrics: ClassVar[Metrics] = {
        "bird_detector": "the verdict",
        "hit": "part of the trials with danger in view in which the animal flees",
        "false_alarm": "part of the trials without danger in which it flees, disc in view",
        "shadow": "part of the trials with a shadow in which it flees, disc behind a cloud",
        "no_shadow": "the same without a shadow",
        "first_frame_of_flight": "mean frame in which it first flees from danger with a shadow (6: never)",
        "flees": "part of the frames with a threat in which the detector fires, by evidence",
        "vigour": "mean vigour where it does",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("hit at birth (from 1)", 0.1, 0.01, of="hit at birth"),
            Expected("false alarm at birth (from .02)", 0.08, 0.01, of="false alarm at birth"),
            Expected("change without the learner (from 0)", SAME, 0.002, of="change without the learner"),
            Expected("learner, shadow less none (from .9)", 0.4, 0.1, of="learner, shadow less none"),
            Expected("detector, shadow alone (from 0)", ALARM, 0.01, of="detector, shadow alone"),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of three pilot seeds (500 to 502).")

    def work(self) -> list[Work]:
        """One piece per arm and batch of seeds, and one for the detector by itself."""
        s = self.settings
        pieces = [
            Work(f"{arm}-{batch[0]}", raise_animals, {"seeds": batch, "arm": arm, "experiences": s.experiences})
            for arm in ARMS
            for batch in self.batches(s.seed, s.seeds, s.together)
        ]
        return [*pieces, Work("graded", grade, {"seeds": tuple(range(s.seed, s.seed + s.seeds))})]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = pd.concat([joined(tables, f"{arm}-") for arm in ARMS], ignore_index=True)
        verdict, graded = decide(table), over_seeds(joined(tables, "graded"), ["evidence", "measure"])
        means = over_seeds(table, ["arm", "age", "animal", "measure"])
        rows = self.rows(means, "value", _about)
        rows += self.rows(graded, "value", lambda row: {"metric": row["measure"], "control": row["evidence"]})
        return self.answer(verdict, rows, exhibits(means, graded, table), sentence=in_words(verdict))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = ", ".join(row[name] for name in ("arm", "age", "animal"))
    return {"metric": row["measure"].replace(" ", "_"), "concept": "danger", "control": control}


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""

    def of(measure: str, animal: str, age: str, arm: str = "telling") -> pd.Series:
        chosen = table["measure"].eq(measure) & table["animal"].eq(animal) & table["age"].eq(age)
        return table[chosen & table["arm"].eq(arm)].set_index("seed")["value"].sort_index()

    def told(arm: str) -> pd.Series:
        return of("shadow", "learned", "grown", arm) - of("no shadow", "learned", "grown", arm)

    changes = [(of(name, "whole", "newborn") - of(name, "innate", "newborn")).abs() for name in ("hit", "false alarm")]
    change = pd.concat(changes, axis=1).max(axis=1)
    predictions = [
        Prediction("hit at birth", mean_of_all(of("hit", "whole", "newborn")), least=HIT),
        Prediction("false alarm at birth", mean_of_all(of("false alarm", "whole", "newborn")), most=ALARM),
        Prediction("change without the learner", mean_of_all(change), most=SAME),
        Prediction("learner, shadow less none", mean_of_all(told("telling")), least=MORE),
        Prediction("detector, shadow alone", mean_of_all(of("shadow", "innate", "grown")), most=ALARM),
    ]
    controls = [
        Prediction("newborn without detector, hit", mean_of_all(of("hit", "learned", "newborn")), most=NONE),
        Prediction("learner, where shadows tell nothing", mean_of_all(told("idle")), -NONE, NONE),
        Prediction("learner, no shadow", mean_of_all(of("no shadow", "learned", "grown")), most=NONE),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")


def in_words(verdict: Judgement) -> str:
    """The answer for somebody who has not read the card."""
    known = {each.name: each.measured.value for each in verdict.predictions}
    hit, alarm, more = (known[name] for name in ("hit at birth", "false alarm at birth", "learner, shadow less none"))
    said = (
        f"A newborn with a hardwired detector of what looms flees from {hit:.0%} of the dangers and {alarm:.1%} of the "
    )
    said += (
        "rest, with its learner or without; grown, the learner that the detector taught flees from a shadow alone in "
    )
    said += f"{more:.0%} of the trials (beyond those without one), the detector in "
    return said + f"{known['detector, shadow alone']:.0%}."
