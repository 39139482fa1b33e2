"""chicks: does a learner with a crude detector and an imprinting window prefer what newborn chicks prefer?

Newborn chicks that saw a single object with two faces prefer it over changed ones, more so the more is changed, and
tell it from one whose shapes are exchanged between its colours. Here learners that start random see one object and
nothing else; a crude detector opens a window in which an assessor learns what is in view; then the same two-choice
tests are made. The world: :mod:`imprint.models.worlds.rearing`; learners, detectors, windows and trials:
:mod:`imprint.analyses.questions.chicks.measure`; the animals' data and how they are compared:
:mod:`imprint.analyses.questions.chicks.references`.

The order and the levels are judged for one arm that was named beforehand (:data:`MAIN`); all others are shown beside
it, and which of them comes closest is told with its probability over draws of seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined
from imprint.analyses.questions.chicks import references as r
from imprint.analyses.questions.chicks.exhibits import exhibits
from imprint.analyses.questions.chicks.measure import BATCH, UNTRAINED, measure
from imprint.analyses.statistics import mean_of_all

MAIN = ("normal", "contrast", "head", "long")
"""Rearing, learner, detector and window of the arm that is judged."""
LEARNERS = ("contrast", "prediction", f"contrast{UNTRAINED}", f"prediction{UNTRAINED}", "pixels")
ALIKE, NEAR, BLIND, WANTED = 0.6, 0.06, 0.05, 0.8
ORDER = (
    ("1 colour and shape", "1 colour"),
    ("1 colour and shape", "1 shape"),
    ("2 colours", "1 colour"),
    ("2 shapes", "1 shape"),
)
"""The first is predicted to be told better than the second."""
Arm = tuple[str, str, str, str]


class Settings(QuestionSettings):
    """How many newborns grow up, and for how long."""

    seeds: int = Field(10, ge=2)
    """Training seeds, numbered from ``seed``, each with an object of its own."""
    together: int = Field(5, ge=1)
    """Seeds that train as one batch."""
    experiences: int = Field(3200, ge=2 * BATCH, le=10**9)
    """Episodes of a lifetime."""


class Table(NamedTuple):
    """One arm's numbers of S seeds; B steepnesses."""

    curves: r.Floats
    """Preferences ``[S, C, B]``."""
    differences: r.Floats
    """In value, ``[S, C]``."""
    shares: dict[str, r.Floats]
    """Condition -> how often the own object is valued more, ``[S]``."""


class Chicks(Question[Settings]):
    """Two-choice preferences after imprinting on one object, beside those of newborn chicks."""

    card: ClassVar[Card] = Card(
        question="Does a learner with a crude detector and an imprinting window prefer what newborn chicks prefer?",
        prediction="Yes: more is preferred the more is changed, the conjunction of colour and shape is told, and order "
        "and levels are the animals'.",
        refuted_if="A number of the arm that was named beforehand lies with its whole interval beyond its bound.",
        decision="Learner of temporal contrast, detector of what is head-like and moves, window of 1,024 events. "
        "Preferences: see the module references; the steepness of choice is set by the object that has nothing in "
        "common. Differences of preferences by seed, above 0: one new colour and shape less one new colour, less one "
        "new shape; two new colours less one; two new shapes less one. Shapes exchanged between the colours: above "
        "0.5. Over draws of seeds: Spearman's correlation with the animals' seven preferences at least "
        f"{ALIKE:g}; root mean square difference from six of them (not the one that sets the steepness) at most "
        f"{NEAR:g}. Controls: a detector of other episodes gives, on average over the seven, 0.5 within {BLIND:g} (at "
        "the steepness of the arm); reared with a scrambled object, exchanged shapes are at 0.5 within the same, and "
        f"two new colours above 0.5; the own object is valued above an empty display in {WANTED:g} of the trials. "
        "Intervals of 95 % wholly inside: held; all held: confirmed. Other learners, detectors and windows, and "
        "untrained learners, are shown and not judged. Known from pilots, and nothing was changed for it: this arm "
        "latches onto colour alone, and a value on raw pixels prefers the new object.",
        source="Wood, Newly hatched chicks solve the visual binding problem (2014); the animals' data: Newborn "
        "Embodied Turing Test. Predisposition and window: Johnson & Horn (1988), Bateson (1979).",
    )
    metrics: ClassVar[Metrics] = {
        "chicks": "the verdict",
        "preference": "for the own object over one that is changed as `concept` says; control: learner, detector, "
        "window (or the animals)",
        "rank_correlation": "Spearman's correlation of seven preferences with the animals'",
        "distance": "root mean square difference from the animals' preferences, the anchor left out",
        "steepness": "of the choice, per unit of the detector's signal, at which the anchor is the animals'",
        "colour": "share of colour in what the imprint latched onto; the rest is shape",
        "conjunction": "difference in value when shapes are exchanged, per difference when all is new",
    }

    def power(self) -> Bought:
        """With a distance and a spread that are guessed."""
        expected = [Expected("exchanged", 0.1, 0.08)]
        return bought(self.settings.seeds, expected, "Both are guesses: no spread over pilot seeds was kept.")

    def work(self) -> list[Work]:
        """One piece per batch of seeds and rearing."""
        s = self.settings
        batches = self.batches(s.seed, s.seeds, s.together)
        reared = {"normal": LEARNERS, "scrambled": LEARNERS[:1]}
        common = {"batches": s.experiences // BATCH}
        return [
            Work(f"{rearing}-{batch[0]}", measure, {"seeds": batch, "rearing": rearing, "learners": who, **common})
            for rearing, who in reared.items()
            for batch in batches
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        arms = arms_of(table)
        found, ranked = decide(arms, self.settings.seed), ranking(arms, self.settings.seed)
        rows = [row for arm, each in arms.items() for row in _rows(arm, each)]
        rows += [row for record in ranked.to_dict("records") for row in _ranked_rows(record)]
        shown = exhibits(preferences(arms), ranked, table, r.ceiling(_rng(self.settings.seed)))
        return self.answer(found, rows, shown, sentence=in_words(found, ranked))


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 8])


def arms_of(table: pd.DataFrame) -> dict[Arm, Table]:
    """Every arm's numbers, with the seeds in ascending order."""
    arms: dict[Arm, Table] = {}
    columns = [f"p{k}" for k in range(len(r.STEEPNESS))]
    grown = table[table["learner"] != "innate"]
    for arm, part in grown.groupby(["rearing", "learner", "detector", "window"], sort=False):
        wide = {str(name): rows.sort_values("seed") for name, rows in part.groupby("condition")}
        curves = np.stack([wide[name][columns].to_numpy(dtype=np.float64) for name in r.CONDITIONS], 1)
        differences = np.stack([wide[name]["difference"].to_numpy() for name in r.CONDITIONS], 1)
        shares = {name: rows["share"].to_numpy() for name, rows in wide.items()}
        rearing, learner, detector, window = (str(name) for name in arm)
        arms[rearing, learner, detector, window] = Table(curves, differences, shares)
    return arms


def chosen(each: Table, like: Table | None = None) -> r.Floats:
    """Preferences ``[S, C]`` of an arm at its own steepness, or at that of another arm."""
    curve = (like or each).curves.mean(0)[r.CONDITIONS.index(r.ANCHOR)]
    position = r.reached(curve, r.ANIMALS[r.ANCHOR].preference)
    return r.at(each.curves, np.full(len(each.curves), position))


def decide(arms: Mapping[Arm, Table], seed: int) -> Judgement:
    """The card's rule."""
    main, place = chosen(arms[MAIN]), r.CONDITIONS.index
    draws, whole = r.over_draws(arms[MAIN].curves, _rng(seed)), r.compared(arms[MAIN].curves.mean(0))
    order = [
        Prediction(f"{more} less {less}", mean_of_all(main[:, place(more)] - main[:, place(less)]), least=0.0)
        for more, less in ORDER
    ]
    n = len(main)
    predictions = [
        *order,
        Prediction("shapes exchanged", mean_of_all(main[:, place("exchanged")]), least=0.5),
        Prediction("rank correlation with the animals", r.estimate(whole.rank, draws.rank, n), least=ALIKE),
        Prediction("distance from the animals", r.estimate(whole.distance, draws.distance, n), most=NEAR),
    ]
    rearing, learner, _, window = MAIN
    shuffled = chosen(arms[rearing, learner, "shuffled", window], arms[MAIN]).mean(1)
    scrambled = chosen(arms["scrambled", learner, MAIN[2], window], arms[MAIN])
    near: Bounds = {"least": 0.5 - BLIND, "most": 0.5 + BLIND}
    controls = [
        Prediction("detector of other episodes, all conditions", mean_of_all(shuffled), **near),
        Prediction("scrambled object: shapes exchanged", mean_of_all(scrambled[:, place("exchanged")]), **near),
        Prediction("scrambled object: two new colours", mean_of_all(scrambled[:, place("2 colours")]), least=0.5),
        Prediction("own object over nothing", mean_of_all(arms[MAIN].shares["nothing"]), least=WANTED),
    ]
    return judged(predictions, controls=controls, blind="A control did not come out as it must.")


def preferences(arms: Mapping[Arm, Table]) -> pd.DataFrame:
    """Preferences per condition of the animals and of every arm, at its own steepness, with standard errors."""
    rows: list[dict[str, Any]] = []
    for condition, animals in r.ANIMALS.items():
        rows.append({"who": "chicks", "condition": condition, "preference": animals.preference, "se": animals.error})
    for arm, each in arms.items():
        found = chosen(each)
        errors = found.std(0, ddof=1) / np.sqrt(len(found))
        about = dict(zip(("rearing", "learner", "detector", "window"), arm, strict=True))
        numbers = zip(r.CONDITIONS, found.mean(0), errors, strict=True)
        rows += [{"who": _named(arm), **about, "condition": c, "preference": p, "se": e} for c, p, e in numbers]
    frame = pd.DataFrame(rows)
    return frame.assign(low=frame["preference"] - frame["se"], high=frame["preference"] + frame["se"])


def _named(arm: Sequence[str]) -> str:
    rearing, learner, detector, window = arm
    return f"{learner}; {detector}; {window}" + ("; scrambled object" if rearing == "scrambled" else "")


def ranking(arms: Mapping[Arm, Table], seed: int) -> pd.DataFrame:
    """Every normally reared arm with a detector, the closest to the animals first.

    ``closest``: in how many of the draws of seeds it is the closest of all; its numbers have 95 % intervals.
    """
    kept = {arm: each for arm, each in arms.items() if arm[0] == "normal" and arm[2] != "shuffled"}
    rng = _rng(seed)
    draws = {arm: r.over_draws(each.curves, np.random.default_rng([seed, 8])) for arm, each in kept.items()}
    distances = np.stack([each.distance for each in draws.values()])
    closest = np.bincount(distances.argmin(0), minlength=len(kept)) / distances.shape[1]
    rows = []
    for (arm, each), often in zip(kept.items(), closest, strict=True):
        whole, n = r.compared(each.curves.mean(0)), len(each.curves)
        colour, conjunction = r.latched_over(each.differences, rng)
        numbers = {
            "rank": r.estimate(whole.rank, draws[arm].rank, n),
            "distance": r.estimate(whole.distance, draws[arm].distance, n),
            "colour": colour,
            "conjunction": conjunction,
        }
        about = dict(zip(("learner", "detector", "window"), arm[1:], strict=True))
        row: dict[str, Any] = {**about, "closest": often, "steepness": float(whole.steepness), "seeds": n}
        for name, number in numbers.items():
            row |= number.row(name, ends=f"{name}_", count=None)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("distance", ignore_index=True)


def _rows(arm: Arm, each: Table) -> list[dict[str, Any]]:
    found, control = chosen(each), _named(arm)
    return [
        {"metric": "preference", "concept": condition, "control": control, **mean_of_all(found[:, c]).row()}
        for c, condition in enumerate(r.CONDITIONS)
    ]


def _ranked_rows(record: Mapping[Any, Any]) -> list[dict[str, Any]]:
    control = f"{record['learner']}; {record['detector']}; {record['window']}"
    names = {"rank": "rank_correlation", "distance": "distance", "colour": "colour", "conjunction": "conjunction"}
    rows = [
        {
            "metric": metric,
            "control": control,
            "estimate": record[name],
            "low": record[f"{name}_low"],
            "high": record[f"{name}_high"],
            "seeds": record["seeds"],
        }
        for name, metric in names.items()
    ]
    return [*rows, {"metric": "steepness", "control": control, "estimate": record["steepness"]}]


def in_words(found: Judgement, ranked: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    number = {each.name: each.measured for each in found.predictions}
    rank, distance = number["rank correlation with the animals"], number["distance from the animals"]
    exchanged, first = number["shapes exchanged"], ranked.iloc[0]
    main = ranked[(ranked[["learner", "detector", "window"]] == list(MAIN[1:])).all(axis=1)].iloc[0]
    return (
        f"An imprinted learner orders seven changed objects as newborn chicks do with a rank correlation of {rank:.2f} "
        f"and misses their preferences by {distance:.2f}; it prefers its object over one with exchanged shapes in "
        f"{exchanged:.2f} (chicks {r.ANIMALS['exchanged'].preference:.2f}). What it latched onto is colour to "
        f"{main['colour']:.0%} (chicks {r.latched_animals()[0]:.0%}). Closest of all is {first['learner']} with the "
        f"detector {first['detector']} and the window {first['window']} ({first['distance']:.2f})."
    )
