"""critical-period: does an eye that was shut early see less well for life, and is that due to the plasticity command?

Shutting one eye of a kitten for some weeks leaves that eye weak for good; the same in a cat does nothing (Wiesel &
Hubel 1963). Here the rate at which a cortex learns is a command from outside, which falls with age, stays, or is raised
again: :mod:`imprint.analyses.questions.critical_period.measure`. Nothing but the command differs, so that what depends
on age under a falling command, and not under a constant one, is due to it.

Networks whose rate is constant can have critical periods of their own (Achille et al. 2019, arXiv 1711.08856; linear
ones: Kleinman et al. 2024); with a rule that has one layer and forgets, none is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.critical_period.exhibits import exhibits
from imprint.analyses.questions.critical_period.measure import ONSETS, SPANS, measure
from imprint.analyses.statistics import mean_of_all

EARLY, LATE, LONGEST, SHORTEST = 0.2, ONSETS[-1], SPANS[-1], SPANS[0]
HARM, NONE, BACK, HEALED, SEES, EVEN = 0.2, 0.05, 0.05, 0.5, 0.5, 0.05

PILOT = {
    "shut early": (0.043, 0.026),
    "shut late": (0.048, 0.001),
    "longest less shortest": (0.24, 0.025),
    "constant command, largest of all onsets": (0.05, 0.009),
    "command raised again, beyond half of what was left": (0.11, 0.014),
    "one eye less both eyes shut": (0.23, 0.027),
    "never shut: acuity": (0.19, 0.029),
    "never shut: dominance": (0.05, 0.08),
}
"""How far from its bound, and spread over seeds; of dominance, whose mean is 0 by symmetry, the half width."""
PILOT_SEEDS = "Both from six pilot seeds (500 to 505), which set how many seeds are needed and no bound."


class Settings(QuestionSettings):
    """How many cortices grow up, and for how long."""

    seeds: int = Field(48, ge=2)
    """Training seeds, numbered from ``seed``, each with eyes and scenes of its own."""
    together: int = Field(12, ge=1)
    """Seeds that train as one batch."""
    steps: int = Field(2000, ge=40, le=10**7)
    """Batches of a lifetime."""


class CriticalPeriod(Question[Settings]):
    """Deficit of an eye that was shut, by age, duration and plasticity command."""

    card: ClassVar[Card] = Card(
        question="Does an eye that is shut early see less well for life, and is that due to the plasticity command?",
        prediction="Under a command that falls with age, deprivation before the fall leaves a deficit that grows with "
        "its duration, and later deprivation none; under a constant command nothing is left; raising the command again "
        "heals; shutting both eyes does less harm.",
        refuted_if="A number lies with its whole interval beyond its bound.",
        decision=f"Falling command, deficit of the left eye in the end. Shut from {EARLY:g} of a lifetime for "
        f"{LONGEST:g}: at least {HARM:g}; from {LATE:g} for as long: at most {NONE:g}. The largest fall of the deficit "
        f"from any duration to a longer one, at the early onset: at most {BACK:g}; the longest less the shortest: "
        f"above 0. Constant command, the largest deficit of all onsets that leave a fifth of a lifetime: at most "
        f"{NONE:g}. Reopened command: at most {HEALED:g} of the deficit is left. Left eye less both eyes shut: above "
        f"0. Controls, eyes never shut: acuity at least {SEES:g}, ocular dominance 0 within {EVEN:g}. Student's 95 % "
        "intervals over seeds wholly inside: held; all held: confirmed.",
        source="Byrnes, Learning from scratch in the brain, section 2.3.1 (hyperparameters that change over "
        "development and by command); Wiesel & Hubel (1963, 1965).",
    )
    metrics: ClassVar[Metrics] = {
        "critical_period": "the verdict",
        "deficit": "1 - acuity of the left eye / acuity if it had never been shut; age: onset in thousandths of a "
        "lifetime; control: command, which eye, span",
        "acuity": "part of the scene that can be read through the left eye; never shut",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        return bought(self.settings.seeds, [Expected(name, *known) for name, known in PILOT.items()], PILOT_SEEDS)

    def work(self) -> list[Work]:
        """One piece per batch of seeds."""
        s = self.settings
        batches = self.batches(s.seed, s.seeds, s.together)
        return [Work(f"eyes-{batch[0]}", measure, {"seeds": batch, "steps": s.steps}) for batch in batches]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        shut, never = table[table["shut"] != "none"], table[table["shut"] == "none"]
        means = over_seeds(shut, ["command", "shut", "onset", "span"], "deficit")
        rows = self.rows(means, "deficit", _about)
        rows += self.rows(over_seeds(never, ["command"], "acuity"), "acuity", _about_never)
        found = decide(table)
        return self.answer(found, rows, exhibits(table, means), sentence=in_words(found))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = f"{row['command']}, {row['shut']}, {row['span']:g}"
    return {"metric": "deficit", "age": round(1000 * row["onset"]), "control": control}


def _about_never(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": "acuity", "control": row["command"]}


def deficits(table: pd.DataFrame, command: str, shut: str = "left") -> pd.DataFrame:
    """A row for each seed, a column for each onset and span."""
    rows = table[(table["command"] == command) & (table["shut"] == shut)]
    return rows.pivot_table(index="seed", columns=["onset", "span"], values="deficit")


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    falling, constant, again = (deficits(table, kind) for kind in ("falling", "constant", "reopened"))
    both, early = deficits(table, "falling", "both"), falling[EARLY, LONGEST]
    by_span = pd.DataFrame({span: falling[EARLY, span] for span in SPANS})
    kept = constant.loc[:, (slice(None), LONGEST)]
    never = table[(table["command"] == "falling") & (table["shut"] == "none")].set_index("seed")
    healed = mean_of_all(again[EARLY, LONGEST] - HEALED * early)
    predictions = [
        Prediction("shut early", mean_of_all(early), least=HARM),
        Prediction("shut late", mean_of_all(falling[LATE, LONGEST]), most=NONE),
        Prediction(
            "largest fall with duration", mean_of_all((by_span.cummax(axis=1) - by_span).max(axis=1)), most=BACK
        ),
        Prediction("longest less shortest", mean_of_all(by_span[LONGEST] - by_span[SHORTEST]), least=0.0),
        Prediction("constant command, largest of all onsets", mean_of_all(kept[kept.mean().idxmax()]), most=NONE),
        Prediction("command raised again, beyond half of what was left", healed, most=0.0),
        Prediction("one eye less both eyes shut", mean_of_all(early - both[EARLY, LONGEST]), least=0.0),
    ]
    controls = [
        Prediction("never shut: acuity", mean_of_all(never["acuity"]), least=SEES),
        Prediction("never shut: dominance", mean_of_all(never["dominance"]), least=-EVEN, most=EVEN),
    ]
    return judged(predictions, controls=controls, blind="Eyes that were never shut do not see as they must.")


def in_words(found: Judgement) -> str:
    """What was found, for somebody who has not read the card."""
    number = {each.name: each.measured.value for each in found.predictions}
    early, late = (_part(number[name]) for name in ("shut early", "shut late"))
    constant = _part(number["constant command, largest of all onsets"])
    return (
        f"An eye that is shut early, while the plasticity command is high, loses {early} of its acuity for life, one "
        f"that is shut late {late}; where the command never falls, an eye that was shut at any age has lost {constant} "
        "in the end."
    )


def _part(value: float) -> str:
    """A part of the acuity in words."""
    return f"{value:.0%}" if value >= 0.01 else "less than 1%" if value > 0 else "nothing"
