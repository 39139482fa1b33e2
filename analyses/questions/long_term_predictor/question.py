"""long-term-predictor: is a short-term predictor in a loop with a switch temporal-difference learning?

A predictor whose supervisor is ground truth while that overrides, and its own output while it does not
(:mod:`imprint.models.assessors.long_term`), walks along ``chain``: a few cells that tell nothing, a cue, a wait, an
outcome. Four things are measured (:mod:`imprint.analyses.questions.long_term_predictor.measure`):

    equality     step by step against TD(0) written independently, one number per state or a random code
    shift        where the prediction stands as lessons go on: at the outcome first, at the cue last, flat in between
    extinction   the outcome stops coming while the cue goes on; trials end in ground truth, in nothing, or at rest
    trap         walkers that keep away from what they expect never meet the ground truth that would correct them

What can be foreseen: equality, since it is algebra, tests the code and not the world. How a belief fares without an
override is not settled by the loop alone but by what is seen *after* the last step, which is why there are three ways
for a trial to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.findings import findings
from imprint.analyses.predictions import Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Chart, Exhibit, Question, QuestionSettings, Work
from imprint.analyses.questions.long_term_predictor.measure import equality, shift, undoing
from imprint.analyses.statistics import mean_of_all
from imprint.analyses.verdicts import Conclusion

EQUAL = 1e-6
RISE, FLAT, RAMP, NOTHING = 0.4, 0.1, 0.3, 0.1
GONE, KEPT, ORDER = 0.1, 0.9, -0.8
CELLS, CUE, SLIP, DISCOUNT = 10, 3, 0.1, 0.8
WORLD = {"cells": CELLS, "cue_at": CUE, "slip": SLIP, "limit": 40}
SHIFTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "switch": ({}, {"form": "switch"}),
    "discounted-sum": ({}, {"form": "sum", "discount": DISCOUNT}),
    "empty-cue": ({"reliable": 0.5}, {"form": "switch"}),
}
"""Piece -> changes of the world, form of the predictor; the second and third are controls."""
UNDOINGS: dict[str, tuple[str, bool]] = {
    "override": ("truth", False),
    "defer": ("nothing", False),
    "defer-then-rest": ("rest", False),
    "keeping-away": ("truth", True),
    "keeping-away-cut-off": ("cut", True),
}
"""Piece -> how trials end, whether walkers keep away from what they expect."""


class Settings(QuestionSettings):
    """How many walkers learn for how long."""

    seeds: int = Field(20, ge=3)
    """Walks, and random codes, that are independent of each other."""
    walkers: int = Field(8, ge=1)
    """Walkers of one seed whose steps are averaged in an update."""
    lessons: int = Field(3000, ge=100)
    """Updates in which the belief is raised."""
    after: int = Field(3000, ge=100)
    """Updates after the outcome has stopped coming."""
    steps: int = Field(3000, ge=100)
    """Steps on which equality is judged."""


class LongTermPredictor(Question[Settings]):
    """Equality with TD(0), and four consequences of the loop."""

    card: ClassVar[Card] = Card(
        question="Is a predictor that supervises itself until ground truth overrides it temporal-difference learning, "
        "and do its beliefs end only by override?",
        prediction="It equals TD(0) step by step. The prediction moves from the outcome back to the earliest cue that "
        "can be relied on, no further, and is held flat in between. When the outcome stops coming, an override to zero "
        "ends the belief, deferring keeps it; a walker that keeps away from what it expects stays trapped in its "
        "belief. Whatever is known to be worth nothing after the last step acts as an override.",
        refuted_if="It differs from TD(0) by more than rounding; the prediction does not rise at the cue or is not "
        "flat; the belief decays though nothing overrides, or survives an override.",
        decision=f"95 % intervals over seeds. Equality: largest difference of any weight at any step, every seed, at "
        f"most {EQUAL:g}. Shift, last lesson: expectation in the cue's cell, cue on, minus the cell before, above "
        f"{RISE:g}; spread between cue and outcome below {FLAT:g}; rank correlation of a cell with the lesson at which "
        f"it reached half its value below {ORDER:g}. Extinction: at the cue below {GONE:g} after overrides, above "
        f"{KEPT:g} when deferring with nothing after, below {GONE:g} when deferring with rest after. Trap: above "
        f"{KEPT:g} in walkers that keep away, below {GONE:g} in those whose cut-off trials count as ground truth. "
        f"Controls: a discounted sum (discount {DISCOUNT:g}) has a spread above {RAMP:g}; a cue that tells nothing "
        f"makes a rise below {NOTHING:g}; the belief that is to be undone is above {KEPT:g} at first. One interval "
        f"wholly on the wrong side, or one difference above {EQUAL:g}: refuted. A control that fails, or a piece "
        "without a table: undetermined. All hold: confirmed.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 5; Sutton & Barto 2018, chapters 6 and 9.",
    )

    def work(self) -> list[Work]:
        """Equality in two codes and two forms, the shift with two controls, five ways of undoing a belief."""
        s = self.settings
        about = {"world": WORLD, "seeds": s.seeds, "steps": s.steps, "seed": s.seed}
        pieces = [
            Work(f"equality-{code}-{name}", equality, {**about, "code": code, "discount": discount})
            for code in ("tabular", "distributed")
            for name, discount in (("switch", None), ("sum", DISCOUNT))
        ]
        about = {"seeds": s.seeds, "walkers": s.walkers, "lessons": s.lessons, "seed": s.seed}
        pieces += [
            Work(f"shift-{name}", shift, {**about, "world": {**WORLD, **world}, "predictor": predictor})
            for name, (world, predictor) in SHIFTS.items()
        ]
        about |= {"world": WORLD, "after": s.after}
        pieces += [
            Work(f"undoing-{name}", undoing, {**about, "ending": ending, "careful": careful})
            for name, (ending, careful) in UNDOINGS.items()
        ]
        return pieces

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule over all claims."""
        missing = [piece.name for piece in self.work() if piece.name not in tables]
        if missing:
            why = f"{len(missing)} of {len(self.work())} pieces have no table: {', '.join(missing)}."
            return Answer("undetermined", why, findings([]), ())
        equal = pd.concat([frame for name, frame in tables.items() if name.startswith("equality")], ignore_index=True)
        beliefs = {name: tables[f"shift-{name}"] for name in SHIFTS}
        undone = {name: tables[f"undoing-{name}"] for name in UNDOINGS}
        known = predictions_of(beliefs, undone)
        verdict, why = decide(float(equal["difference"].max()), known)
        return Answer(verdict, why, _findings(equal, known, verdict, why), _exhibits(equal, beliefs, undone, known))


CONTROLS = ("spread_sum", "rise_empty", "raised")


def decide(difference: float, predictions: Mapping[str, Prediction]) -> tuple[Conclusion, str]:
    """The card's rule."""
    verdict, said = judged(list(predictions.values()))
    said = f"largest difference to TD(0) {difference:.1e}; {said}"
    if not difference <= EQUAL:
        return "refuted", f"It is not TD(0). {said}."
    if blind := [predictions[name].what for name in CONTROLS if predictions[name].outcome != "held"]:
        return "undetermined", f"A control fails ({', '.join(blind)}). {said}."
    off = [prediction.what for prediction in predictions.values() if prediction.outcome != "held"]
    return verdict, f"Not as predicted, or not settled: {', '.join(off)}. {said}." if off else f"{said}."


def predictions_of(beliefs: Mapping[str, pd.DataFrame], undone: Mapping[str, pd.DataFrame]) -> dict[str, Prediction]:
    """Every number of the card but equality."""
    rise = {name: mean_of_all(_rise(frame)) for name, frame in beliefs.items()}
    spread = {name: mean_of_all(_held(frame).agg(np.ptp)) for name, frame in beliefs.items()}
    last = {
        name: mean_of_all(frame.loc[frame["lesson"] == frame["lesson"].max(), "value"])
        for name, frame in undone.items()
    }
    raised = mean_of_all(undone["override"].query("lesson == 0")["value"])
    order = mean_of_all(_order(beliefs["switch"]))
    return {
        "rise": Prediction("rise at the cue", rise["switch"], least=RISE),
        "spread": Prediction("spread between cue and outcome", spread["switch"], most=FLAT),
        "order": Prediction("rank correlation of cell and lesson", order, most=ORDER),
        "spread_sum": Prediction("spread of the discounted sum", spread["discounted-sum"], least=RAMP),
        "rise_empty": Prediction("rise at a cue that tells nothing", rise["empty-cue"], most=NOTHING),
        "raised": Prediction("belief that is to be undone", raised, least=KEPT),
        "override": Prediction("belief after overrides", last["override"], most=GONE),
        "defer": Prediction("belief after deferring", last["defer"], least=KEPT),
        "defer_rest": Prediction("belief after deferring with rest to follow", last["defer-then-rest"], most=GONE),
        "trap": Prediction("belief of those that keep away", last["keeping-away"], least=KEPT),
        "trap_cut": Prediction("the same when a cut-off counts as truth", last["keeping-away-cut-off"], most=GONE),
    }


def _held(frame: pd.DataFrame, lesson: int | None = None) -> Any:
    """Beliefs from the cue to the cell before the outcome, cue on, by seed."""
    rows = frame[(frame["lesson"] == (frame["lesson"].max() if lesson is None else lesson)) & (frame["status"] == "on")]
    return rows[(rows["cell"] >= CUE) & (rows["cell"] < CELLS - 1)].groupby("seed")["value"]


def _rise(frame: pd.DataFrame) -> pd.Series:
    """At the cue, cue on, minus the cell before; one number a seed."""
    rows = frame[frame["lesson"] == frame["lesson"].max()].set_index("seed")
    on, unseen = (
        (rows["status"] == "on") & (rows["cell"] == CUE),
        (rows["status"] == "unseen") & (rows["cell"] == CUE - 1),
    )
    rise: pd.Series = rows.loc[on, "value"] - rows.loc[unseen, "value"]
    return rise


def _order(frame: pd.DataFrame) -> list[float]:
    """Rank correlation of a cell with the lesson at which its belief first was half of its last, by seed."""
    rows = frame[(frame["status"] == "on") & (frame["cell"] >= CUE) & (frame["cell"] < CELLS - 1)]
    found = []
    for _, mine in rows.groupby("seed"):
        wide = mine.pivot_table(index="lesson", columns="cell", values="value")
        half = (wide >= wide.iloc[-1] / 2).idxmax()
        found.append(float(stats.spearmanr(half.index, half.to_numpy()).statistic))
    return found


def _findings(equal: pd.DataFrame, known: Mapping[str, Prediction], verdict: str, why: str) -> pd.DataFrame:
    about = {"analysis": "long-term-predictor", "setup": "chain"}
    rows: list[dict[str, Any]] = [{**about, "metric": "long-term-predictor", "verdict": verdict, "why": why}]
    for row in equal.to_dict("records"):
        code = f"{row['code']}, {row['form']}"
        rows.append({**about, "metric": "difference_to_td", "concept": code, "seed": row["seed"], "seeds": 1,
                     "estimate": row["difference"], "n": row["steps"]})  # fmt: skip
    for name, one in known.items():
        control = one.what if name in CONTROLS else None
        rows.append({**about, "metric": name, **one.measured.row(), "control": control, "why": str(one)})
    return findings(rows)


# -- tables ------------------------------------------------------------------------------------------------------------


def _means(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean and interval of ``value`` over seeds."""
    rows = []
    for key, part in frame.groupby(by, sort=False):
        rows.append({**dict(zip(by, key, strict=True)), **mean_of_all(part["value"]).row("value")})
    return pd.DataFrame(rows)


def _exhibits(
    equal: pd.DataFrame,
    beliefs: Mapping[str, pd.DataFrame],
    undone: Mapping[str, pd.DataFrame],
    known: Mapping[str, Prediction],
) -> tuple[Exhibit, ...]:
    by_code = equal.groupby(["code", "form"])[["difference", "from_exact"]].max().reset_index()
    by_code["which"] = by_code["code"] + ", " + by_code["form"]
    shown = pd.concat([frame.assign(predictor=name) for name, frame in beliefs.items()])
    on = shown[
        (shown["status"] == "on") & (shown["cell"] >= CUE) | (shown["status"] == "unseen") & (shown["cell"] < CUE)
    ]
    on = on[on["cell"] < CELLS - 1]
    last = _means(on[on["lesson"] == on["lesson"].max()], ["predictor", "cell"])
    course = _means(on[on["predictor"] == "switch"], ["lesson", "cell"]).assign(
        cell=lambda t: "cell " + t["cell"].astype(str)
    )
    gone = _means(pd.concat([frame.assign(trials=name) for name, frame in undone.items()]), ["trials", "lesson"])
    ends = "; ".join(f"{known[n].what} {known[n].measured}" for n in ("override", "defer", "defer_rest", "trap"))
    over = "Mean and 95 % interval over seeds."
    return (
        Exhibit("equality", "The predictor beside TD(0)", by_code,
                f"The largest difference of any weight is {equal['difference'].max():.1e}.",
                f"Largest over seeds and {equal['steps'].iloc[0]} steps; from_exact: root mean square distance, over "
                "visits, of the mean expectation of the last half from the closed-form values."),
        Exhibit("held", "What is expected along the chain, cue on, last lesson", last,
                "; ".join(str(known[n]) for n in ("rise", "spread", "spread_sum")) + ".",
                f"The cue is in cell {CUE}, the outcome in cell {CELLS - 1}. {over}",
                Chart("lines", "cell", "value", "cell", "expected outcome", "low", "high", "predictor")),
        Exhibit("shift", "Where the prediction stands as lessons go on", course,
                f"{known['order']}.", f"Switch, cue on. {over}",
                Chart("lines", "lesson", "value", "lesson", "expected outcome", colour="cell")),
        Exhibit("undoing", "What is expected at the cue after the outcome has stopped coming", gone, f"{ends}.", over,
                Chart("lines", "lesson", "value", "lesson since", "expected outcome", "low", "high", "trials")),
    )  # fmt: skip
