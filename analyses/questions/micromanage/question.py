"""micromanage: can a genome that does not say who is wired to whom give a newborn knowledge?

Evolution can shape the readout of a random expansion only as far as the same unit means the same in every animal. Where
partners are drawn anew in each life, what is left of a unit is its place, and what the inputs within its reach have in
common. So inherited knowledge should be lost where what is to be known is finer than the reach, and kept where it is
coarser; the claim of the source (section 2.5.4.3), that locally random wiring leaves nothing useful to inherit, would
then hold for fine features alone. Evolution is replaced by the best readout there is over many ancestors, so that what
fails here fails for every kind of selection; what succeeds is what inheritance could carry, not what evolution did.

Animals, wirings and nulls: :mod:`imprint.analyses.questions.micromanage.measure`; what is done with them:
:mod:`imprint.analyses.questions.micromanage.experiments`. Thresholds, sizes and the best bounds of the critical ratio
were chosen on pilot worlds 500 to 503.

Deviations from the source: (1) pictures have features at four scales instead of being digits, since digits have none
that are finer than any radius; (2) the readout is a ridge regression instead of 150 lives of gradient descent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.micromanage.exhibits import exhibits
from imprint.analyses.questions.micromanage.experiments import ALL, REACH, Plan, crossing, measure
from imprint.analyses.statistics import Estimate, mean_of_all

NOTHING, MUCH, HALF, TENTH = 0.03, 0.3, 0.5, 0.1
RATIO, APART = (1.0, 3.0), 2.0
STRUCTURED, ORDINARY = 2.0, 1.5
GAIN, NO_GAIN, SMALL = 0.1, 0.03, 0.03


class Settings(QuestionSettings):
    """How many worlds, and how many animals in each."""

    seeds: int = Field(12, ge=2, le=10_000)
    """Worlds with patterns of their own, numbered from ``seed``."""
    units: int = Field(256, ge=8, le=65_536)
    """Units of the random expansion."""
    ancestors: int = Field(100, ge=2, le=100_000)
    """Lives over which the inherited readout is the best."""
    newborns: int = Field(50, ge=2, le=100_000)
    """Animals that are examined."""


class Micromanage(Question[Settings]):
    """Inherited readouts of wirings that are heritable, local or global."""

    card: ClassVar[Card] = Card(
        question="Can a genome that does not say who is wired to whom give a newborn knowledge?",
        prediction="Not beyond the reach of a unit, and well within it: what an inherited readout knows at birth is "
        "lost as the radius of random wiring grows over the size of the feature, at one ratio for all sizes. A null "
        "that keeps places cannot tell such a wiring from chance although it lets knowledge be inherited. Where "
        "wiring or world change from life to life, an evolved start is worth nothing and an evolved learning rate "
        "still is.",
        refuted_if="One of the numbers lies with its whole interval on the wrong side of its bound.",
        decision="Accuracy above chance (of eight classes at each of four scales: blocks of 1, 2, 4 and 8 inputs) of "
        "newborns with the best readout of 100 ancestors; excitatory wiring, mean over newborns, by world. (1) Beyond "
        f"the reach: global wiring, mean over scales, and local wiring of radius 12 for blocks of 1, each at most "
        f"{NOTHING:g}. (2) Within: local wiring of radius 4 for blocks of 8 at least {MUCH:g}; the critical ratio of "
        f"radius to block, at which {HALF:g} of what heritable wiring gives is left (geometric mean over scales, "
        f"interpolated), between {RATIO[0]:g} and {RATIO[1]:g}; its largest value over scales at most {APART:g} times "
        f"its smallest. (3) Nulls: how much units share partners, in standard deviations of a null; local wiring of "
        f"radius {REACH:g} at least {STRUCTURED:g} against the null that keeps degrees alone, between -{ORDINARY:g} "
        f"and {ORDINARY:g} against the one that also keeps places and reach, knowing blocks of 8 by at least "
        f"{MUCH:g}; wiring with chosen partners at least {STRUCTURED:g} against the latter, knowing blocks of 1 by at "
        f"least {MUCH:g} more than local wiring. (4) After 60 pictures an evolved start gains at least {GAIN:g} with "
        f"heritable wiring in a constant world, at most {NO_GAIN:g} with global wiring, and at most {NO_GAIN:g} where "
        f"all classes look otherwise in every life; an evolved learning rate gains at least {SMALL:g} in both of "
        f"these. Controls: heritable wiring knows at least 0.6; newborns with permuted units at most {NOTHING:g} with "
        "heritable and with local wiring of radius 1.5; under global wiring 60 pictures teach at least 0.1. Student's "
        "95 % intervals over worlds wholly within bounds: held.",
        source="Byrnes, Learning from scratch in the brain, 2.5.4.3 and its comments; Caron et al. 2013 and later fly "
        "connectomes for the two nulls; Hinton and Nowlan 1987 for evolved starts.",
    )
    metrics: ClassVar[Metrics] = {
        "micromanage": "the verdict",
        "knows": "accuracy above chance of newborns with an inherited readout",
        "relabelled": "the same of newborns whose units are permuted",
        "against_the_global_null": "how much units share partners: standard deviations above wirings with equal "
        "degrees",
        "against_the_local_null": "the same above wirings with equal places, reach and in-degree",
        "learned": "accuracy above chance of adults that inherited nothing",
        "dimension": "participation ratio of the activities of adults",
        "start": "accuracy after childhood that an evolved start adds to an evolved learning rate",
        "rate": "accuracy after childhood that an evolved learning rate adds to a random one",
        "blank": "accuracy above chance after childhood from a blank start with an evolved rate",
        "critical_ratio": "radius over block at which so much of the heritable knowledge is left",
    }

    def power(self) -> Bought:
        """From pilot worlds."""
        expected = [
            Expected("global wiring", 0.025, 0.006),
            Expected("local wiring, radius 12, blocks of 1", 0.017, 0.015),
            Expected("critical ratio of radius to block", 0.5, 0.1, between=True),
            Expected("its largest over its smallest", 0.4, 0.2),
            Expected("local against the local null", ORDINARY, 1.0, between=True),
            Expected("global wiring, after 60 pictures", 0.025, 0.01),
        ]
        source = (
            "Spreads are rounded up from pilot worlds 500 to 503, in which an evolved learning rate gained .016 to "
            f".027, less than the {SMALL:g} that is predicted: those two numbers are expected to fail."
        )
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """One piece per world."""
        s = self.settings
        plan = Plan(units=s.units, ancestors=s.ancestors, newborns=s.newborns).model_dump()
        seeds = range(s.seed, s.seed + s.seeds)
        return [Work(f"world-{seed}", measure, {"seed": seed, "plan": plan}) for seed in seeds]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        ratios = pd.concat([critical(table), critical(table, TENTH)])
        by = ["experiment", "signs", "wiring", "radius", "in_degree", "volatility", "units", "scale", "measure"]
        means = over_seeds(table.astype(dict.fromkeys(by, object)).fillna(dict.fromkeys(by, "")), by)
        rows = self.rows(means, "value", _about)
        for (signs, scale, left), one in ratios.groupby(["signs", "scale", "left"], sort=False):
            about = {"control": f"{signs}, {left:g} is left", "concept": f"blocks of {scale}"}
            rows.append({"metric": "critical_ratio", **about, **mean_of_all(one["ratio"]).row()})
        found = decide(table)
        return self.answer(found, rows, exhibits(means, ratios, table), sentence=in_words(table))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    varied = ("signs", "wiring", "radius", "in_degree", "volatility", "units")
    control = ", ".join(f"{name} {row[name]}" for name in varied if row[name] != "")
    concept = "all scales" if row["scale"] == ALL else f"blocks of {row['scale']}"
    return {"metric": str(row["measure"]).replace(" ", "_"), "concept": concept, "control": control}


def by_world(table: pd.DataFrame, measure: str, **chosen: Any) -> pd.Series:
    """A number of every world, mean over what is not ``chosen``."""
    rows = table[table["measure"] == measure]
    for name, value in chosen.items():
        rows = rows[rows[name] == value]
    return rows.groupby("seed")["value"].mean()


def critical(table: pd.DataFrame, level: float = HALF) -> pd.DataFrame:
    """Rows of signs, scale, seed, level and the ratio of radius to block at which it is left of what is heritable."""
    knows = table[(table["experiment"] == "births") & (table["measure"] == "knows")]
    rows = []
    for key, part in knows.groupby(["signs", "scale", "seed"], sort=False):
        signs, scale, seed = key
        local = part[part["wiring"] == "local"].sort_values("radius")
        most = float(part[part["wiring"] == "heritable"]["value"].iloc[0])
        found = crossing(list(local["radius"] / float(str(scale))), list(local["value"] / max(most, 1e-9)), level)
        rows.append({"signs": signs, "scale": scale, "seed": seed, "left": level, "ratio": found})
    return pd.DataFrame(rows)


def in_reach(table: pd.DataFrame) -> list[Prediction]:
    """What is kept, and where half of it is lost."""
    ratio = critical(table)
    wide = ratio[ratio["signs"] == "excitatory"].pivot_table(
        index="seed", columns="scale", values="ratio", dropna=False
    )
    middle = np.exp(np.log(wide.to_numpy()).mean(1))
    apart = wide.max(axis=1, skipna=False) / wide.min(axis=1, skipna=False)
    coarse = _births(table, wiring="local", radius=4.0, scale="8")
    return [
        Prediction("local wiring, radius 4, blocks of 8", coarse, least=MUCH),
        Prediction("critical ratio of radius to block", mean_of_all(middle), least=RATIO[0], most=RATIO[1]),
        Prediction("its largest over its smallest", mean_of_all(apart), most=APART),
    ]


def _births(table: pd.DataFrame, measure: str = "knows", **chosen: Any) -> Estimate:
    return mean_of_all(by_world(table, measure, experiment="births", signs="excitatory", **chosen))


def nulls(table: pd.DataFrame) -> list[Prediction]:
    """What each null says of a wiring, beside what its kind knows."""

    def seen(wiring: str, measure: str, **chosen: Any) -> pd.Series:
        return by_world(table, measure, experiment="connectomes", wiring=wiring, **chosen)

    against = {which: f"against the {which} null" for which in ("global", "local")}
    more = seen("chosen", "knows", scale="1") - seen("local", "knows", scale="1")
    local = mean_of_all(seen("local", against["local"]))
    return [
        Prediction(f"local {against['global']}", mean_of_all(seen("local", against["global"])), least=STRUCTURED),
        Prediction(f"local {against['local']}", local, least=-ORDINARY, most=ORDINARY),
        Prediction("local, knows blocks of 8", mean_of_all(seen("local", "knows", scale="8")), least=MUCH),
        Prediction(f"chosen {against['local']}", mean_of_all(seen("chosen", against["local"])), least=STRUCTURED),
        Prediction("chosen less local, knows blocks of 1", mean_of_all(more), least=MUCH),
    ]


def starts(table: pd.DataFrame) -> list[Prediction]:
    """What evolved starts and learning rates are worth."""

    def gain(measure: str, wiring: str, volatility: float) -> Estimate:
        return mean_of_all(by_world(table, measure, experiment="childhoods", wiring=wiring, volatility=volatility))

    return [
        Prediction("start, heritable, constant world", gain("start", "heritable", 0.0), least=GAIN),
        Prediction("start, global, constant world", gain("start", "global", 0.0), most=NO_GAIN),
        Prediction("start, heritable, new world in every life", gain("start", "heritable", 1.0), most=NO_GAIN),
        Prediction("rate, global, constant world", gain("rate", "global", 0.0), least=SMALL),
        Prediction("rate, heritable, new world in every life", gain("rate", "heritable", 1.0), least=SMALL),
    ]


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    fine = _births(table, wiring="local", radius=12.0, scale="1")
    outside = [
        Prediction("global wiring", _births(table, wiring="global"), most=NOTHING),
        Prediction("local wiring, radius 12, blocks of 1", fine, most=NOTHING),
    ]
    blank = by_world(table, "blank", experiment="childhoods", wiring="global", volatility=0.0)
    controls = [
        Prediction("heritable wiring", _births(table, wiring="heritable"), least=0.6),
        Prediction("heritable, units permuted", _births(table, "relabelled", wiring="heritable"), most=NOTHING),
        Prediction("local, units permuted", _births(table, "relabelled", wiring="local", radius=1.5), most=NOTHING),
        Prediction("global wiring, after 60 pictures", mean_of_all(blank), least=0.1),
    ]
    parts = {
        "beyond the reach": outside,
        "within the reach": in_reach(table),
        "two nulls": nulls(table),
        "why not start faster": starts(table),
    }
    return judged_each(parts, controls)


def in_words(table: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    said = {name: _births(table, wiring=name) for name in ("heritable", "global")}
    coarse, fine = (_births(table, wiring="local", radius=4.0, scale=scale) for scale in ("8", "1"))
    ratio = in_reach(table)[1].measured
    return (
        f"Of what an inherited readout could know at birth ({said['heritable'].value:.2f} above chance if connections "
        f"are inherited), globally random wiring leaves {max(said['global'].value, 0.0):.2f}; locally random wiring "
        f"(radius 4) leaves {coarse.value:.2f} of features twice as coarse as the radius and {fine.value:.2f} of "
        f"features four times as fine: half is lost where a unit reaches {ratio.value:.1f} times as far as the "
        "feature is wide."
    )
