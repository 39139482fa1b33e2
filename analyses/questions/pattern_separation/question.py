"""pattern-separation: what is gained by a random expansion before the layer that learns?

Three uses that the source gives it (sections 2.4, 2.5.3, 2.5.4.1 and footnote 5), each with its own part of the rule:

    restaurants   sales go with products and thresholds of six streams of context; a readout of the streams cannot say
                  them, one of a random expansion can, until nothing is gained by more units; a hidden layer that
                  learns is better (:mod:`imprint.analyses.questions.pattern_separation.sales`)
    tracking      the expansion with one layer of learning makes up for the lag of a plant, of another, and of a
                  sequence, with no setting changed (:mod:`imprint.analyses.questions.pattern_separation.tracking`)
    sparseness    sparser activity overlaps less, and excitation runs away later; the number of patterns that can be
                  told apart is largest between too sparse and too dense
                  (:mod:`imprint.analyses.questions.pattern_separation.memory`)

Thresholds and sizes were chosen on pilot seeds 500 to 503.

Deviations from the source: (1) streams of context are coded by tuned cells before they are expanded, as six numbers
have too few combinations of four; the readout of the tuned cells is a second linear arm; (2) the plants have one state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field, model_validator

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.pattern_separation.exhibits import exhibits
from imprint.analyses.questions.pattern_separation.memory import TOLD, memory
from imprint.analyses.questions.pattern_separation.sales import sales
from imprint.analyses.questions.pattern_separation.tracking import LESSONS, PLANTS, tracking
from imprint.analyses.statistics import Estimate, mean_of_all

RISE, PLATEAU, BETTER = 0.3, 0.1, 0.0
LESS, NO_LESS = 0.5, 0.25
APART, LATER, WIN, FEW = 0.1, 1.5, 0.02, 0.95
SPARSE, MIDDLE, FULL, DENSE = 0.02, 0.1, 0.2, 1.0
CROWD = TOLD[3]
WIDE, PARTS = (1024, 4096), (SPARSE, MIDDLE, FULL, DENSE)


class Settings(QuestionSettings):
    """How many restaurants, modules and memories, and how large."""

    seeds: int = Field(10, ge=2, le=10_000)
    """Of each part, numbered from ``seed``."""
    widths: tuple[int, ...] = (16, 64, 256, 1024, 4096)
    """Units of the expansion in the restaurants; 1024 and 4096 have to be among them."""
    epochs: int = Field(20, ge=1, le=10_000)
    """How often the evenings are gone through by rules that learn step by step."""
    lessons: int = Field(LESSONS, ge=200, le=10**7)
    """Steps of a life of tracking."""
    parts: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
    """Parts of the units that win in the memories; 0.02, 0.1, 0.2 and 1 have to be among them."""

    @model_validator(mode="after")
    def _judged(self) -> Settings:
        for name, given, needed in (("widths", self.widths, WIDE), ("parts", self.parts, PARTS)):
            if lost := [each for each in needed if each not in given]:
                raise ValueError(f"{name} are {list(given)}; {lost[0]:g} is missing, which the rule is about")
        return self


class PatternSeparation(Question[Settings]):
    """Random expansions before a layer that learns."""

    card: ClassVar[Card] = Card(
        question="What is gained by a random expansion before the layer that learns?",
        prediction="What no weighted sum of the inputs says can be read off, better with more units up to a plateau "
        "that lies below a hidden layer that learns; the same module makes up for the lag of several plants; sparse "
        "activity overlaps less and runs away later, and too sparse or too dense activity tells fewer patterns apart.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Restaurants, R2 on new evenings in closed form: 1024 units less raw streams at least "
        f"{RISE:g}, 4096 less 1024 units at most {PLATEAU:g}; learned hidden layer with as many changing weights, "
        f"less 1024 units under the delta rule, more than {BETTER:g}. Tracking, root mean squared error of the module "
        f"as a part of that of the best feedback alone: at most {LESS:g} for each of a limb, a slower limb and a "
        f"sequence. Sparseness: overlap of five alike patterns in the inputs less that with {MIDDLE:g} of the units at "
        f"least {APART:g}; gain at which half of the trials run away, with {SPARSE:g} over with {FULL:g} at least "
        f"{LATER:g} times (with more, twice as many is nearly all); patterns told apart (of {CROWD}) at {MIDDLE:g} "
        f"less at {SPARSE:g} and less at {DENSE:g} at least {WIN:g}. Controls: shuffled sales at most 0.02; a module "
        f"that learns from shuffled moments leaves at least {1 - NO_LESS:g} of the error of the limb; of 25 patterns "
        f"the middle tells at least {FEW:g} apart. Student's 95 % intervals over seeds wholly within bounds: held. "
        "The rules that learn step by step have the best of four step sizes and are shown beside the closed form.",
        source="Byrnes, Learning from scratch in the brain, 2.4, 2.5.3, 2.5.4.1, footnote 5; Marr 1969, Albus 1971; "
        "Kawato 1987; Litwin-Kumar et al. 2017.",
    )
    metrics: ClassVar[Metrics] = {
        "pattern-separation": "the verdict",
        "explained": "R2 of sales on new evenings",
        "error": "root mean squared error of tracking",
        "overlap": "mean cosine of the activities of five alike patterns",
        "overlap_of_inputs": "the same of the inputs",
        "told_apart": "part of the patterns whose sign is said after one lesson",
        "critical_gain": "recurrent gain at which half of the trials run away",
    }

    def power(self) -> Bought:
        """From pilot seeds."""
        expected = [
            Expected("1024 units less raw streams", 0.3, 0.15),
            Expected("4096 less 1024 units", 0.05, 0.02),
            Expected("error of a plant with the module", 0.06, 0.05, of=tuple(PLANTS)),
            Expected("critical gain, sparse over dense", 2.5, 2.0),
            Expected("told apart, less too sparse", 0.026, 0.015),
        ]
        return bought(self.settings.seeds, expected, "Spreads are rounded up from pilot seeds 500 to 503.")

    def work(self) -> list[Work]:
        """One piece for each restaurant and memory, one for all modules."""
        s = self.settings
        seeds = range(s.seed, s.seed + s.seeds)
        restaurants = {"widths": s.widths, "epochs": s.epochs}
        return [
            Work("tracking", tracking, {"seeds": tuple(seeds), "lessons": s.lessons}),
            *(Work(f"sales-{seed}", sales, {"seed": seed, **restaurants}) for seed in seeds),
            *(Work(f"memory-{seed}", memory, {"seed": seed, "parts": s.parts}) for seed in seeds),
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        sold, moved, kept = (joined(tables, name) for name in ("sales", "tracking", "memory"))
        means = (
            over_seeds(sold, ["arm", "read"]),
            over_seeds(moved, ["plant", "arm"]),
            over_seeds(kept, ["measure", "part", "patterns"]),
        )
        rows = self.rows(means[0], "value", lambda r: {"metric": "explained", "control": f"{r['arm']}, {r['read']}"})
        rows += self.rows(means[1], "value", lambda r: {"metric": "error", "control": f"{r['plant']}, {r['arm']}"})
        rows += self.rows(means[2], "value", _of_memory)
        found = decide(sold, moved, kept)
        return self.answer(found, rows, exhibits(*means, sold), sentence=in_words(sold, moved, kept))


def _of_memory(row: Mapping[str, Any]) -> dict[str, Any]:
    control = f"{row['part']:g} of the units" + (f", {row['patterns']} patterns" if row["patterns"] else "")
    return {"metric": str(row["measure"]).replace(" ", "_"), "control": control}


def _of(table: pd.DataFrame, **chosen: Any) -> pd.Series:
    """A number of every seed."""
    for name, value in chosen.items():
        table = table[table[name] == value]
    return table.set_index("seed")["value"]


def bought_by_width(sold: pd.DataFrame) -> list[Prediction]:
    """Restaurants."""
    closed = {arm: _of(sold, arm=arm, read="closed form") for arm in ("linear", "1024 units", "4096 units")}
    delta = _of(sold, arm="1024 units", read="delta rule")
    learned = _of(sold, arm="learned hidden layer")
    return [
        Prediction("1024 units less raw streams", mean_of_all(closed["1024 units"] - closed["linear"]), least=RISE),
        Prediction("4096 less 1024 units", mean_of_all(closed["4096 units"] - closed["1024 units"]), most=PLATEAU),
        Prediction("learned hidden layer less 1024 units", mean_of_all(learned - delta), least=BETTER),
    ]


def left(moved: pd.DataFrame, plant: str, arm: str) -> Estimate:
    """Error of an arm as a part of that of feedback alone."""
    return mean_of_all(_of(moved, plant=plant, arm=arm) / _of(moved, plant=plant, arm="feedback"))


def by_sparseness(kept: pd.DataFrame) -> list[Prediction]:
    """Memories."""
    overlap, before = _of(kept, measure="overlap", part=MIDDLE), _of(kept, measure="overlap of inputs")
    gain = {part: _of(kept, measure="critical gain", part=part) for part in (SPARSE, FULL)}
    told = {part: _of(kept, measure="told apart", part=part, patterns=CROWD) for part in (SPARSE, MIDDLE, DENSE)}
    return [
        Prediction("overlap, inputs less expansion", mean_of_all(before - overlap), least=APART),
        Prediction("critical gain, sparse over dense", mean_of_all(gain[SPARSE] / gain[FULL]), least=LATER),
        Prediction("told apart, less too sparse", mean_of_all(told[MIDDLE] - told[SPARSE]), least=WIN),
        Prediction("told apart, less dense", mean_of_all(told[MIDDLE] - told[DENSE]), least=WIN),
    ]


def decide(sold: pd.DataFrame, moved: pd.DataFrame, kept: pd.DataFrame) -> Judgement:
    """The card's rule."""
    few = _of(kept, measure="told apart", part=MIDDLE, patterns=TOLD[0])
    controls = [
        Prediction("sales that were shuffled", mean_of_all(_of(sold, read="shuffled")), most=0.02),
        Prediction("limb, shuffled moments", left(moved, "limb", "shuffled"), least=1 - NO_LESS),
        Prediction("25 patterns told apart", mean_of_all(few), least=FEW),
    ]
    parts = {
        "restaurants": bought_by_width(sold),
        "tracking": [Prediction(plant, left(moved, plant, "module"), most=LESS) for plant in PLANTS],
        "sparseness": by_sparseness(kept),
    }
    return judged_each(parts, controls)


def in_words(sold: pd.DataFrame, moved: pd.DataFrame, kept: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    linear, wide = (mean_of_all(_of(sold, arm=arm, read="closed form")).value for arm in ("linear", "1024 units"))
    learned = mean_of_all(_of(sold, arm="learned hidden layer")).value
    part = [f"{left(moved, plant, 'module').value:.2f} ({plant})" for plant in PLANTS]
    gain = by_sparseness(kept)[1].measured.value
    return (
        f"One layer on 1024 random units explains {wide:.2f} of the sales where the streams alone explain {linear:.2f} "
        f"and a hidden layer that learns {learned:.2f}; the module leaves {', '.join(part)} of the error of feedback "
        f"alone; with a fiftieth of the units active, excitation runs away at {gain:.1f} times the gain at which it "
        "does with a fifth."
    )
