"""readability: are learners that learn as a brain might, without a gradient carried backwards, easier to read?

Networks of one hidden layer learn digits by five rules and are stopped when they are equally good; then their hidden
units are read by three measures that need no person: :mod:`imprint.analyses.questions.readability.measure`. The source
thinks that it may be so and promises nothing; it would be a promise if the order of learners were the same however and
wherever one looks. So what is predicted is that it is not: on named pairs of learners, one measure or task says that
one of them is easier to read, and another that the other is.

Deviations from the source: no transformer (its units are no match for one hidden layer's); in place of a sparse
autoencoder's L0, the number of weights that a probe needs and the bits that describe what drives a unit. The expansion
is random and never learns; above it the delta rule does. ``wide expansion`` has as many learned weights as the
others have, ``expansion`` as many units. The Hebbian rule's output learns by its error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Bounds, Expected, Judgement, Prediction, bought, judged
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.readability.exhibits import exhibits
from imprint.analyses.questions.readability.measure import ARMS, EASIER, MEASURES, TASKS, measure
from imprint.analyses.statistics import Estimate, mean_of_all

TARGETS = {"digits": 0.45, "places": 0.3}
"""Cross-entropy on new images at which learners of a task are compared, in nats."""
MATCHED, AXES, SAME, LINKED = 0.03, 0.0, 0.02, 0.5
MORE = "weights, digits: more in other axes"
GOES = "ease of reading with the intended part"
PLANTED = {"alignment": 0.3, "weights": 0.5, "description": 1.0}


class Flip(NamedTuple):
    """Two learners whose order is predicted to turn round."""

    one: str
    other: str
    first: tuple[str, str]
    """Task and measure by which ``one`` is easier to read."""
    second: tuple[str, str]
    """Task and measure by which ``other`` is."""

    @property
    def halves(self) -> tuple[tuple[str, str, tuple[str, str]], ...]:
        """Who is easier to read than whom, and where."""
        return (self.one, self.other, self.first), (self.other, self.one, self.second)

    def __str__(self) -> str:
        one, two = (" of ".join(where[::-1]) for where in (self.first, self.second))
        return f"{self.one} easier than {self.other} by {one}, harder by {two}"


FLIPS = (
    Flip("hebbian", "expansion", ("digits", "description"), ("digits", "alignment")),
    Flip("backprop", "wide expansion", ("digits", "alignment"), ("places", "alignment")),
    Flip("feedback alignment", "wide expansion", ("digits", "alignment"), ("places", "alignment")),
)
"""Predicted turns, chosen on pilot seeds."""


class Settings(QuestionSettings):
    """How many networks learn, and for how long at most."""

    seeds: int = Field(16, ge=2)
    """Training seeds, numbered from ``seed``, each with images of its own."""
    together: int = Field(16, ge=1)
    """Seeds that learn as one batch."""
    steps: int = Field(6000, ge=10, le=10**6)
    """Most steps until the loss must have been reached."""


class Readability(Question[Settings]):
    """The same loss, reached by other rules: whose units are easier to read?"""

    card: ClassVar[Card] = Card(
        question="Are learners that learn without a gradient carried backwards easier to read, at the same task loss?",
        prediction="Not as such: which of two learners is easier to read turns round with the measure or the task. "
        "Learners that are easier to read latch more onto what was meant (and not because they are easier to read: the "
        "same units in other axes latch alike).",
        refuted_if="Any half of a predicted turn, or the correlation, lies with its whole interval below its bound.",
        decision="Two tasks, three measures; learners are stopped at the same loss on new images "
        f"({', '.join(f'{task} {loss:g}' for task, loss in TARGETS.items())} nats). Predicted turns, in differences "
        f"seed by seed above 0: {'; '.join(map(str, FLIPS))}. Rank correlation over learners, in a "
        f"seed and task, of how easy they are to read (mean of standardised measures) with the intended part of what a "
        f"value latches onto, at least {LINKED:g}. Controls: losses within {MATCHED:g}; a probe "
        "of backprop's units needs more weights in random axes (digits), and a value on them latches alike within "
        f"{SAME:g}; units planted as concepts and kinds have alignment at least {PLANTED['alignment']:g}, "
        f"log2 weights at most {PLANTED['weights']:g} and description at most {PLANTED['description']:g} bits. "
        "Student's 95 % intervals over seeds wholly inside: held; all held: confirmed. All other pairs are "
        "shown, not judged.",
        source="Byrnes, Intro to brain-like-AGI safety 2 (2022), on whether brain-like learners are easier to "
        "interpret: maybe, with no guarantee.",
    )
    metrics: ClassVar[Metrics] = {
        "readability": "the verdict",
        "alignment": "area under the curve of the best unit for a concept less that of the average unit",
        "weights": "log2 of how many units a probe needs for 95 % of what it reads from all",
        "description": "bits to name digit and side of the inputs that drive a unit most, at the easier of its ends",
        "area": "area under the curve of a probe on all units, mean over concepts",
        "latch": "part of a value's effects that is the intended concept's",
        "loss": "cross-entropy on new images when the learner was stopped, in nats",
        "steps": "steps until it was",
        "goes_with": "rank correlation, over learners, of how easy they are to read with how intended their value is",
        "turns": "how much easier to read one learner of a pair is, in the measure's own units",
    }

    def power(self) -> Bought:
        """From the pilot seeds on which losses, rates and the predicted turns were chosen."""
        sizes = ((0.14, 0.02), (0.025, 0.014), (0.042, 0.015), (0.029, 0.029), (0.063, 0.014), (0.036, 0.019))
        halves = [half for flip in FLIPS for half in flip.halves]
        expected = [Expected(_named(*half), *size) for half, size in zip(halves, sizes, strict=True)]
        expected.append(Expected("ease with latch (from .83)", 0.33, 0.1, of=GOES))
        source = (
            "Spreads are those of six pilot seeds (500 to 505), on which the losses, rates and the predicted turns "
        )
        return bought(self.settings.seeds, expected, f"{source}were chosen.")

    def work(self) -> list[Work]:
        """One piece for each task, learner and batch of seeds."""
        s = self.settings
        return [
            Work(
                f"{task}-{arm.replace(' ', '-')}-{batch[0]}",
                measure,
                {"seeds": batch, "arms": [arm], "task": task, "target": TARGETS[task], "most": s.steps},
            )
            for task in TASKS
            for arm in ARMS
            for batch in self.batches(s.seed, s.seeds, s.together)
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        names = [*MEASURES, "area", "latch", "loss", "steps"]
        long = table.melt(["task", "arm", "seed"], names, "measure").dropna(subset="value")
        means = over_seeds(long, ["task", "arm", "measure"])
        rows = self.rows(means, "value", _about)
        goes = goes_with(table)
        rows.append({"metric": "goes_with", **goes.row()})
        judgement = decide(table)
        for number in judgement.predictions:
            rows.append({"metric": "turns", "control": number.name, **number.row()})
        shown = exhibits(means, table, orders(table), goes)
        return self.answer(judgement, rows, shown, sentence=in_words(table, goes))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"metric": row["measure"], "control": f"{row['task']}, {row['arm']}"}


def values(table: pd.DataFrame, task: str, arm: str, name: str) -> pd.Series:
    """A number of an arm in a task, by seed."""
    return table[(table["task"] == task) & (table["arm"] == arm)].set_index("seed")[name].sort_index()


def easier(table: pd.DataFrame, one: str, other: str, where: tuple[str, str]) -> Estimate:
    """By how much ``one`` is easier to read than ``other``, in the units of the measure, seed by seed."""
    task, name = where
    return mean_of_all(EASIER[name] * (values(table, task, one, name) - values(table, task, other, name)))


def orders(table: pd.DataFrame) -> pd.DataFrame:
    """Every pair of learners by every task and measure: how much easier to read the first is."""
    pairs = [(a, b) for i, a in enumerate(ARMS) for b in list(ARMS)[i + 1 :]]
    rows = [
        {"pair": f"{a} / {b}", "task": task, "measure": name, **easier(table, a, b, (task, name)).row()}
        for a, b in pairs
        for task in TASKS
        for name in MEASURES
    ]
    return pd.DataFrame(rows)


def turned(order: pd.DataFrame) -> list[str]:
    """Pairs of which one learner is shown to be easier to read somewhere, and the other somewhere else."""
    above, below = order[order["low"] > 0], order[order["high"] < 0]
    return [pair for pair in order["pair"].unique() if pair in set(above["pair"]) and pair in set(below["pair"])]


def ease(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over measures of how much easier to read each learner is than the others of its task and seed, in sd."""
    own = table[table["arm"].isin(ARMS)]
    by = own.groupby(["task", "seed"])
    z = [EASIER[name] * (own[name] - by[name].transform("mean")) / by[name].transform("std") for name in MEASURES]
    return own.assign(ease=sum(z) / len(z))


def goes_with(table: pd.DataFrame) -> Estimate:
    """Rank correlation over learners of :func:`ease` with the latch, mean over tasks, over seeds."""
    found = ease(table)
    parts = found.groupby(["seed", "task"])
    each = [(key, part["ease"].rank().corr(part["latch"].rank())) for key, part in parts]
    by_seed = pd.DataFrame([{"seed": seed, "value": value} for (seed, _), value in each]).groupby("seed")
    return mean_of_all(by_seed["value"].mean())


def _named(one: str, other: str, where: tuple[str, str]) -> str:
    return f"{one} easier than {other}: {where[1]}, {where[0]}"


def predicted(table: pd.DataFrame) -> list[Prediction]:
    """Both halves of every turn, and how being easy to read goes with the latch."""
    halves = [half for flip in FLIPS for half in flip.halves]
    turns = [Prediction(_named(*half), easier(table, *half), least=0.0) for half in halves]
    return [*turns, Prediction(GOES, goes_with(table), least=LINKED)]


def controls(table: pd.DataFrame) -> list[Prediction]:
    """What must hold for the measures to be believed."""
    farthest = table[table["arm"].isin(ARMS)].assign(
        away=lambda own: (own["loss"] - own["task"].map(TARGETS)).abs() + np.where(own["steps"].isna(), np.inf, 0.0)
    )
    by_seed = farthest.groupby("seed")["away"].max()
    harder = easier(table, "backprop", "rotated", ("digits", "weights"))
    found = [
        Prediction("loss, farthest from where all were to stop", mean_of_all(by_seed), most=MATCHED),
        Prediction(MORE, harder, least=AXES),
    ]
    for task in TASKS:
        moved = values(table, task, "rotated", "latch") - values(table, task, "backprop", "latch")
        found.append(Prediction(f"latch, {task}: in other axes less own", mean_of_all(moved), least=-SAME, most=SAME))
    planted = table[table["arm"] == "planted"].groupby("seed")
    for name, bound in PLANTED.items():
        bounds: Bounds = {"least": bound} if EASIER[name] > 0 else {"most": bound}
        found.append(Prediction(f"{name}, planted", mean_of_all(planted[name].mean()), **bounds))
    return found


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    blind = "Learners were not equally good, or the measures do not see what is known."
    return judged(predicted(table), controls=controls(table), blind=blind)


def in_words(table: pd.DataFrame, goes: Estimate) -> str:
    """What was found, for a newcomer."""
    order = orders(table)
    pairs = order["pair"].nunique()
    best = ease(table).groupby("arm")["ease"].mean().sort_values(ascending=False)
    said = (
        f"Among {len(best)} learners that are equally good at their task, which of two is easier to read turns round "
    )
    said += (
        f"with the measure or the task in {len(turned(order))} of {pairs} pairs; over all measures {best.index[0]} is "
    )
    said += f"easiest and {best.index[-1]} hardest to read. "
    return said + f"Being easier to read goes with valuing what was meant by a rank correlation of {goes:.2f}."
