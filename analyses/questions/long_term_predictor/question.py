"""long-term-predictor: is a short-term predictor in a loop with a switch temporal-difference learning?

A predictor whose supervisor is ground truth while that overrides, and its own output while it does not
(:mod:`imprint.models.assessors.long_term`), is trained on walks along ``chain``: a few cells that say nothing, a cue, a
wait, an outcome. Four things are measured (:mod:`imprint.analyses.questions.long_term_predictor.measure`):

    equality     step by step against TD(0) written independently, one number per state or a random code
    shift        where the prediction stands as training goes on: at the outcome first, at the cue last, flat in between
    extinction   the outcome stops coming while the cue goes on; trials end in ground truth, in nothing, or at rest
    trap         walkers that avoid what they expect never meet the ground truth that would correct them

What can be foreseen: equality, since it is algebra, tests the code and not the world. How a prediction changes without
an override is not settled by the loop alone but by what is observed *after* the last step, which is why there are three
ways for a trial to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Judgement, Prediction, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined
from imprint.analyses.questions.long_term_predictor.exhibits import exhibits
from imprint.analyses.questions.long_term_predictor.measure import CELLS, CUE, WORLD, equality, shift, undoing
from imprint.analyses.statistics import mean_of_all, power_of_mean

EQUAL = 1e-6
RISE, FLAT, RAMP, NOTHING = 0.4, 0.1, 0.3, 0.1
GONE, KEPT, ORDER = 0.1, 0.9, -0.8
DISCOUNT = 0.8
SPREAD = 0.18
"""Standard deviation over seeds of the prediction after deferring with rest to follow: 20 walks of an earlier run."""
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
"""Piece -> how trials end, whether walkers avoid what they expect."""


class Settings(QuestionSettings):
    """How many walkers are trained for how long."""

    seed: int = Field(100, ge=0, lt=2**63)
    """Seed of everything that is drawn; that of the walks from which the number of seeds was chosen was 0."""
    seeds: int = Field(60, ge=3, le=10_000)
    """Independent walks, and random codes."""
    walkers: int = Field(8, ge=1, le=10_000_000)
    """Walkers of one seed whose steps are averaged in an update."""
    lessons: int = Field(3000, ge=100, le=10_000_000)
    """Updates with the outcome."""
    after: int = Field(3000, ge=100, le=10_000_000)
    """Updates after the outcome has stopped coming."""
    steps: int = Field(3000, ge=100, le=10_000_000)
    """Steps on which equality is judged."""


class LongTermPredictor(Question[Settings]):
    """Equality with TD(0), and four consequences of the loop."""

    card: ClassVar[Card] = Card(
        question="Is a predictor that supervises itself until ground truth overrides it temporal-difference learning, "
        "and do its predictions end only by override?",
        prediction="It equals TD(0) step by step. The prediction moves from the outcome back to the earliest cue that "
        "can be relied on, no further, and is held flat in between. When the outcome stops coming, an override to zero "
        "ends the prediction, deferring keeps it; a walker that avoids what it expects keeps its prediction. Whatever "
        "is known to be worth nothing after the last step acts as an override.",
        refuted_if="It differs from TD(0) by more than rounding; the prediction does not rise at the cue or is not "
        "flat; the prediction decays though nothing overrides, or survives an override.",
        decision=f"95 % intervals over seeds. Equality: largest difference of any weight at any step, every seed, at "
        f"most {EQUAL:g}. Shift, last update: prediction in the cue's cell, cue on, minus the cell before, above "
        f"{RISE:g}; spread between cue and outcome below {FLAT:g}; rank correlation of a cell with the update at which "
        f"it reached half its value below {ORDER:g}. Extinction: at the cue below {GONE:g} after overrides, above "
        f"{KEPT:g} when deferring with nothing after, below {GONE:g} when deferring with rest after. Trap: above "
        f"{KEPT:g} in walkers that avoid it, below {GONE:g} in those whose cut-off trials count as ground truth. "
        f"Controls: a discounted sum (discount {DISCOUNT:g}) has a spread above {RAMP:g}; a cue that carries no "
        f"information makes a rise below {NOTHING:g}; the prediction that is to be undone is above {KEPT:g} at first. "
        f"One interval wholly on the wrong side, or one difference above {EQUAL:g}: refuted. A control that fails, or "
        "a piece without a table: undetermined. All hold: confirmed.",
        source="Byrnes, Intro to Brain-Like-AGI Safety, post 5; Sutton & Barto 2018, chapters 6 and 9.",
    )
    metrics: ClassVar[Metrics] = {
        "long-term-predictor": "the verdict",
        "difference_to_td": "largest difference of any weight to TD(0); `concept`: code, form of the predictor",
        "rise": "prediction at the cue, minus that in the cell before",
        "spread": "spread of predictions between cue and outcome",
        "order": "rank correlation of a cell with the update at which its prediction reached half its value",
        "spread_sum": "control: spread of the discounted sum",
        "rise_empty": "control: rise at a cue that carries no information",
        "raised": "control: prediction that is to be undone",
        "override": "prediction at the cue after overrides to zero",
        "defer": "prediction at the cue after deferring with nothing to follow",
        "defer_rest": "prediction at the cue after deferring with rest to follow",
        "trap": "prediction at the cue of walkers that avoid the outcome",
        "trap_cut": "the same when a trial that is cut off counts as ground truth",
    }

    def power(self) -> Bought:
        """Of the number with the least room beside its spread, the prediction after deferring with rest to follow."""
        seeds = self.settings.seeds
        power = power_of_mean(GONE, SPREAD, seeds)
        text = (
            f"{seeds} seeds. The prediction after deferring with rest to follow differs by {SPREAD:g} over seeds (20 "
            f"of an earlier run, with other walks), so that one that is predicted to be 0 is shown to be below "
            f"{GONE:g} with probability {power:.2f}."
        )
        return Bought(text, {"prediction after deferring with rest to follow": power})

    def work(self) -> list[Work]:
        """Equality in two codes and two forms, the shift with two controls, five ways of undoing a prediction."""
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
            Work(f"undoing-{name}", undoing, {**about, "ending": ending, "avoiding": avoiding})
            for name, (ending, avoiding) in UNDOINGS.items()
        ]
        return pieces

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule over all claims."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        equal = joined(tables, "equality")
        shifted = {name: tables[f"shift-{name}"] for name in SHIFTS}
        undone = {name: tables[f"undoing-{name}"] for name in UNDOINGS}
        predictions = predictions_of(shifted, undone)
        about: dict[str, Any] = {"metric": "difference_to_td"}
        equal_rows = equal.assign(n=equal["steps"])
        rows = self.rows(equal_rows, "difference", lambda r: {**about, "concept": f"{r['code']}, {r['form']}"})
        for name, one in predictions.items():
            rows.append({"metric": name, **one.row(), "control": one.name if name in CONTROLS else None})
        conclusion = decide(float(equal["difference"].max()), predictions)
        shown = exhibits(equal, shifted, undone, predictions)
        return self.answer(conclusion, rows, shown, every_row={"setup": "chain"})


CONTROLS = ("spread_sum", "rise_empty", "raised")


def decide(difference: float, predictions: Mapping[str, Prediction]) -> Judgement:
    """The card's rule; ``difference``: the largest to TD(0)."""
    deciding = [prediction for name, prediction in predictions.items() if name not in CONTROLS]
    controls = [predictions[name] for name in CONTROLS]
    blind = ", ".join(control.name for control in controls if control.outcome != "held")
    found = judged(deciding, controls=controls, blind=f"A control fails ({blind}).")
    if not difference <= EQUAL:
        return found.but("refuted", why=f"It is not TD(0): largest difference {difference:.1e}. {found[1]}")
    return found.but(why=f"Largest difference to TD(0) {difference:.1e}. {found[1]}")


def predictions_of(shifted: Mapping[str, pd.DataFrame], undone: Mapping[str, pd.DataFrame]) -> dict[str, Prediction]:
    """Every number of the card but equality."""
    rise = {name: mean_of_all(_rise(frame)) for name, frame in shifted.items()}
    spread = {name: mean_of_all(_between(frame).agg(np.ptp)) for name, frame in shifted.items()}
    ends = {name: frame[frame["lesson"] == frame["lesson"].max()] for name, frame in undone.items()}
    last = {name: mean_of_all(frame["value"]) for name, frame in ends.items()}
    before = mean_of_all(undone["override"].query("lesson == 0")["value"])
    order = mean_of_all(_order(shifted["switch"]))
    return {
        "rise": Prediction("rise at the cue", rise["switch"], least=RISE),
        "spread": Prediction("spread between cue and outcome", spread["switch"], most=FLAT),
        "order": Prediction("rank correlation of cell and update", order, most=ORDER),
        "spread_sum": Prediction("spread of the discounted sum", spread["discounted-sum"], least=RAMP),
        "rise_empty": Prediction("rise at a cue without information", rise["empty-cue"], most=NOTHING),
        "raised": Prediction("prediction that is to be undone", before, least=KEPT),
        "override": Prediction("prediction after overrides", last["override"], most=GONE),
        "defer": Prediction("prediction after deferring", last["defer"], least=KEPT),
        "defer_rest": Prediction("prediction after deferring with rest to follow", last["defer-then-rest"], most=GONE),
        "trap": Prediction("prediction of walkers that avoid it", last["keeping-away"], least=KEPT),
        "trap_cut": Prediction("the same when a cut-off counts as truth", last["keeping-away-cut-off"], most=GONE),
    }


def _between(frame: pd.DataFrame) -> Any:
    """Predictions from the cue to the cell before the outcome after the last update, cue on, by seed."""
    rows = frame[(frame["lesson"] == frame["lesson"].max()) & (frame["status"] == "on")]
    return rows[(rows["cell"] >= CUE) & (rows["cell"] < CELLS - 1)].groupby("seed")["value"]


def _rise(frame: pd.DataFrame) -> pd.Series:
    """Prediction at the cue, cue on, minus that in the cell before, after the last update; one number a seed."""
    rows = frame[frame["lesson"] == frame["lesson"].max()].set_index("seed")
    on = rows[(rows["status"] == "on") & (rows["cell"] == CUE)]["value"]
    unseen = rows[(rows["status"] == "unseen") & (rows["cell"] == CUE - 1)]["value"]
    rise: pd.Series = on - unseen
    return rise


def _order(frame: pd.DataFrame) -> list[float]:
    """Rank correlation of a cell with the update at which its prediction first was half of its last, by seed."""
    rows = frame[(frame["status"] == "on") & (frame["cell"] >= CUE) & (frame["cell"] < CELLS - 1)]
    correlations = []
    for _, mine in rows.groupby("seed"):
        wide = mine.pivot_table(index="lesson", columns="cell", values="value")
        half = (wide >= wide.iloc[-1] / 2).idxmax()
        correlations.append(float(stats.spearmanr(half.index, half.to_numpy()).statistic))
    return correlations
