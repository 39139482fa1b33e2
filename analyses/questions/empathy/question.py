"""empathy: does a value that was learned on one's own states spill over to another's, and does it stay?

A learner that predicts what it sees knows its own meals and those of its flockmates by features that are partly the
same. A value that is taught on one's own meals then also speaks when a flockmate eats. If every event teaches, the
value is corrected by what is not felt; if only one's own ground truth opens the learning, it is left as it is. What is
measured, with all arms: :mod:`imprint.analyses.questions.empathy.measure`.

What can be foreseen and what cannot. That a closed gate learns nothing from a flockmate's meal is so by construction;
what later own meals do to the value through shared features is not. Nor is it settled that the linear value *can* be
corrected: where own and other's meals are the same direction of the latents, one cannot be unlearned without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field, field_validator

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, over_seeds
from imprint.analyses.questions.empathy.exhibits import exhibits
from imprint.analyses.questions.empathy.measure import OWN, Growing, measure
from imprint.analyses.statistics import mean_of_all

TRANSIENT, UNTIL = 0.1, 200
"""Part of its peak at which the value of a flockmate's meals is predicted, and after how many of these."""
RETAINED, LATE = 0.6, 500
"""The same when learning is gated."""
SPILLS, OWNED, CHANCE = 0.05, 0.5, 0.1
"""Bounds of controls: value of a flockmate's meals to begin with, of one's own, and when pleasure was shuffled."""
AGES = (0, 5, 10, 20, 50, 100, UNTIL, 350, LATE)
KINDS = {"grown": "as grown", "newborn": "newborn", "undivided": "undivided"}
"""Piece of work -> learners."""


class Settings(QuestionSettings):
    """How many learners grow up, and how fast their value learns."""

    seeds: int = Field(16, ge=2, le=10_000)
    """Training seeds, numbered from ``seed``, each with a world of its own."""
    control_seeds: int = Field(6, ge=2, le=10_000)
    """Training seeds of newborn and of undivided learners."""
    together: int = Field(8, ge=1, le=10_000)
    """Seeds that train as one batch."""
    rate: float = Field(0.3, gt=0.0, lt=2.0)
    """Learning rate of the value that is judged."""
    other_rates: tuple[float, ...] = (1.0,)
    """Learning rates that are shown beside it."""
    orders: int = Field(8, ge=1, le=10_000)
    """Orders of events, over which values are averaged."""
    growing: Growing = Growing()
    """How learners grow up."""

    @field_validator("other_rates")
    @classmethod
    def _stable(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.0 < rate < 2.0 for rate in rates):
            raise ValueError(f"other_rates are {list(rates)}; expected numbers above 0 and below 2")
        return rates


class Empathy(Question[Settings]):
    """Spillover of a value from own to others' states."""

    card: ClassVar[Card] = Card(
        question="Does a value that was learned on one's own states spill over to another's, and does it stay?",
        prediction="It spills over by features that own and other's states share, and is unlearned by ordinary events: "
        f"the value of a flockmate's good meals is at most {TRANSIENT:.0%} of its peak after {UNTIL} of them. When "
        f"learning is gated by the sensor of one's own state, {RETAINED:.0%} or more remain after {LATE}.",
        refuted_if="One of the two numbers lies with its whole interval on the wrong side of its bound.",
        decision=f"V is the value of good less bad meals on unseen handwriting, after {OWN} own meals. Over seeds: V "
        f"of the flockmate's after {UNTIL} meals, ungated, less {TRANSIENT:g} of the seed's highest until then, at "
        f"most 0; the same after {LATE} meals, gated, less {RETAINED:g} of what it was at first, at least 0. "
        "(Differences, not ratios: some seeds have hardly any spillover.) Student's 95 % intervals wholly inside: "
        "confirmed; one wholly outside: refuted; otherwise undetermined. Nothing is decided unless all controls "
        f"are held: there is a spillover (V of the flockmate's at first at least {SPILLS:g}); own meals are valued at "
        f"first and at the end (at least {OWNED:g}); where the flockmate's joy is really rewarded the value stays "
        f"(after {LATE} meals less {RETAINED:g} of what it was, at least 0); where pleasure was dealt out at random "
        f"there is none (between -{CHANCE:g} and {CHANCE:g}). Other rates, newborn and undivided learners are shown, "
        "not judged.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 13, and Against empathy-by-default.",
    )
    metrics: ClassVar[Metrics] = {
        "empathy": "the verdict",
        "V(self)": "value of one's own good meals less bad ones",
        "V(flockmate)": "value of a flockmate's good meals less bad ones",
        "V(beast)": "value of a beast's good meals less bad ones",
        "reads": "area under the curve of the value for what a flockmate will feel",
        "overlap": "cosine of the displacements of latents from bad to good meals, own and flockmate's",
    }

    def power(self) -> Bought:
        """From the pilot seeds."""
        expected = [
            Expected(
                "ungated, less a tenth of the peak (from -0.037)", 0.037, 0.022, of="ungated, above a tenth of the peak"
            ),
            Expected(
                "gated, less 0.6 of what it was (from 0.15)", 0.15, 0.11, of=f"gated, above {RETAINED:g} of what it was"
            ),
            Expected("spillover (from 0.27)", 0.27 - SPILLS, 0.2, of="spillover at first"),
        ]
        return bought(self.settings.seeds, expected, "Spreads are those of eight pilot seeds (500 to 507).")

    def work(self) -> list[Work]:
        """One piece per batch of seeds, and one each for newborn and undivided learners."""
        s = self.settings
        growing, others = s.growing.model_dump(), tuple(range(s.seed, s.seed + s.control_seeds))
        common = {"growing": growing, "ages": list(AGES), "orders": s.orders, "rates": [s.rate], "wings": "eater"}
        rates = list(dict.fromkeys([s.rate, *s.other_rates]))
        pieces: dict[str, dict[str, Any]] = {
            f"grown-{batch[0]}": {"seeds": batch, "rates": rates} for batch in self.batches(s.seed, s.seeds, s.together)
        }
        pieces["newborn"] = {"seeds": others, "growing": {**growing, "updates": 0}}
        pieces["undivided"] = {"seeds": others, "wings": "everywhere"}
        return [Work(name, measure, {**common, **arguments}) for name, arguments in pieces.items()]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule on grown learners, and the others beside them."""
        if missing := self.missing(tables, failed, "grown", every=True):
            return missing
        named = [table.assign(learners=KINDS[name.partition("-")[0]]) for name, table in tables.items()]
        table = pd.concat(named, ignore_index=True)
        rate = self.settings.rate
        found = decide(table[(table["learners"] == KINDS["grown"]) & (table["rate"] == rate)])
        found = found.but(why=found[1] + "".join(f" {name} failed." for name in failed))
        means = over_seeds(table, ["learners", "rate", "arm", "age", "measure"])
        rows = [row for part in (means, table) for row in self.rows(part, "value", _about)]
        return self.answer(found, rows, exhibits(means, table, rate))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = f"{row['learners']}, {row['arm']}, rate {row['rate']:g}"
    return {"metric": row["measure"], "age": row["age"], "control": control, "concept": "good"}


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule on grown learners at one rate."""

    def of(arm: str, age: int, eater: str = "flockmate") -> pd.Series:
        rows = table[(table["arm"] == arm) & (table["age"] == age) & (table["measure"] == f"V({eater})")]
        return rows.set_index("seed")["value"].sort_index()

    ages = [age for age in AGES if age <= UNTIL]
    peak = pd.concat([of("ungated", age) for age in ages], axis=1).max(axis=1, skipna=False)
    first, ungated = of("ungated", 0), of("ungated", UNTIL) - TRANSIENT * peak
    gated, paid = (of(arm, LATE) - RETAINED * of(arm, 0) for arm in ("gated", "paid"))
    predictions = [
        Prediction("ungated, above a tenth of the peak", mean_of_all(ungated), most=0.0),
        Prediction(f"gated, above {RETAINED:g} of what it was", mean_of_all(gated), least=0.0),
    ]
    controls = [
        Prediction("spillover at first", mean_of_all(first), least=SPILLS),
        Prediction("own meals at first", mean_of_all(of("ungated", 0, "self")), least=OWNED),
        Prediction("own meals at the end", mean_of_all(of("ungated", LATE, "self")), least=OWNED),
        Prediction(f"paid, above {RETAINED:g} of what it was", mean_of_all(paid), least=0.0),
        Prediction("spillover of shuffled pleasure", mean_of_all(of("shuffled", 0)), least=-CHANCE, most=CHANCE),
    ]
    found = judged(predictions, controls=controls, blind="A control did not behave.")
    own, others = of("ungated", 0, "self").mean(), first.mean()
    answer = (
        f"A flockmate's good meal is worth {others:.2f} to a learner that was paid for its own alone (its own "
        f"{own:.2f}). When every event teaches, {of('ungated', UNTIL).mean():.2f} are left after {UNTIL} meals of the "
        f"flockmate; when only one's own do, {of('gated', LATE).mean():.2f} after {LATE}."
    )
    return found.but(why=f"{answer} {found[1]}")
