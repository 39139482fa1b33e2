"""ingredients: what is a learner born with, if not with anything useful?

A learner that starts from scratch is no blank slate: its architecture, its learning rule, its loss, its step size and
the stream that it lives on are there before it, and decide what it becomes. What is not there is anything useful: its
answers at birth are chance, whatever the ingredients. Three experiments, each on handwritten digits or pairs of them:

    factorial    how much of the variance of final functions goes with each of five ingredients, and with the weights
                 at birth; and what is answered at birth (:mod:`~.measure`)
    dial         from a convolution to a dense layer in steps; with pixels permuted, so that nothing but their
                 neighbourhood is lost, a convolution should be worth no more than a dense layer (:mod:`~.dial`)
    smooth       blocks of a residual network made narrower and fewer (:mod:`~.smooth`), against two programs whose
                 bits are mixed (:mod:`~.programs`): learners can be changed gradually, programs cannot

Byrnes makes both points ("Intro to brain-like-AGI safety", post 2): that a learning algorithm can be as inductively
biased as one likes and still start from scratch, and that learning algorithms, unlike programs, stay useful when they
are changed a little, as they had to in evolution. Deviations: the convolution keeps its border (units there see fewer
pixels) and has few channels; the solver of formulas searches all eight assignments of three variables at once.

On the seeds 500 to 502 it was seen that tanh units without a pool of maxima gain nothing from being a convolution on
these images; the network of the dial was then given ReLU and a pool of maxima. There the convolution gained .06 on
moved images (the bound is half of that) and nothing with 100 images, where the bound is the source's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import pandas as pd
from pydantic import Field

from imprint.analyses.metrics import Metrics
from imprint.analyses.predictions import Bought, Expected, Judgement, Prediction, bought, judged_each
from imprint.analyses.questions.base import Answer, Card, Question, QuestionSettings, Work, joined, over_seeds
from imprint.analyses.questions.ingredients import smooth
from imprint.analyses.questions.ingredients.dial import DIAL, measure_dial
from imprint.analyses.questions.ingredients.exhibits import exhibits
from imprint.analyses.questions.ingredients.measure import BORN, FACTORS, measure_factorial
from imprint.analyses.questions.ingredients.programs import PLACES, measure_programs
from imprint.analyses.statistics import mean_of_all

STEP, MOVED, FEWER, SAME, NONE, MARGIN, MIDWAY, WHOLE, HARD = 0.03, 0.03, 0.01, 0.02, 0.02, 0.03, 0.05, 0.99, 0.6
FIRST, DENSE = DIAL[0].name, DIAL[-1].name


class Settings(QuestionSettings):
    """How many networks learn, and for how long."""

    seeds: int = Field(30, ge=2)
    """Training seeds, numbered from ``seed``, each with a split of the digits of its own."""
    together: int = Field(5, ge=1)
    """Seeds of the factorial that train as one batch."""
    births: int = Field(2, ge=2, le=1000)
    """Sets of initial weights that all combinations of the factorial share, for each seed."""
    epochs: int = Field(12, ge=1, le=10_000)
    """Passes over the images in the dial; with few images four times as many."""
    steps: int = Field(700, ge=1, le=10**6)
    """Steps of a residual network."""
    programs: int = Field(100, ge=1, le=100_000)
    """Programs at every place between the two, for each seed."""


class Ingredients(Question[Settings]):
    """What decides a final function, and what a function at birth is worth."""

    card: ClassVar[Card] = Card(
        question="What is a learner that starts from scratch born with, if its answers at birth are worth nothing?",
        prediction="Every ingredient (architecture, rule, loss, step size, stream) moves the final function, the "
        "weights at birth hardly; all answers at birth are chance. A convolution is worth its prior about neighbours "
        "and no more. Learners change gradually along dials of their architecture, programs do not.",
        refuted_if="A number lies with its whole interval on the wrong side of its bound.",
        decision="By seed. Factorial: unbiased share of the variance of final functions of each of five ingredients, "
        f"above 0; of the weights at birth, between -{NONE:g} and {NONE:g}. At birth: accuracy of both architectures "
        f"within {MARGIN:g} of .1. Convolution: convolution less dense, on images moved by one pixel at least "
        f"{MOVED:g}, with 100 training images at least {FEWER:g}; with permuted pixels and 100 images, convolution "
        f"less dense at most {FEWER:g}. Smooth: the largest step between neighbours on each dial (wiring, width, "
        f"number of blocks) between -{STEP:g} and {STEP:g}; the worst residual network above a linear readout. "
        f"Programs: the useful part halfway, at most {MIDWAY:g}. Controls: permuting pixels moves a dense network (100 "
        f"images) by less than {SAME:g}; unmixed programs are useful ({WHOLE:g}); a linear readout fails at parity (at "
        f"most {HARD:g}). Student's 95 % intervals over seeds wholly inside: held; all held: confirmed.",
        source="Byrnes, Intro to brain-like-AGI safety, post 2 (2022), and the discussion below it.",
    )
    metrics: ClassVar[Metrics] = {
        "ingredients": "the verdict",
        "share": "share of the variance of final functions that goes with an ingredient",
        "level": "accuracy over all combinations with one level of an ingredient",
        "at_birth": "accuracy before anything was learned",
        "accuracy": "accuracy on images, or pairs of them, that were not trained on",
        "moved": "the same on images moved by one pixel",
        "useful": "part of the programs that compute one of the two functions",
    }

    def power(self) -> Bought:
        """From pilot seeds, by the control that needs most of them."""
        shares = {"architecture": (0.023, 0.012), "rule": (0.0016, 0.0004), "loss": (0.026, 0.018)}
        shares |= {"step size": (0.05, 0.024), "stream": (0.1, 0.029)}
        expected = [
            *(Expected(f"share of {name}", *each, of=f"factorial: share of {name}") for name, each in shares.items()),
            Expected("share of weights at birth", NONE, 0.0074, between=True),
            Expected("convolution less dense, moved by one pixel", 0.027, 0.0083),
            Expected("the same with permuted pixels", 0.049, 0.033),
            Expected("a largest step", STEP, 0.03, between=True, of=tuple(f"smooth: {n}" for n in _STEPS)),
            Expected("dense, permuted less in place", SAME, 0.028, between=True),
        ]
        source = (
            "Spreads are those of three pilot seeds (500 to 502); numbers that must lie between two bounds are taken "
            "to lie midway. On the pilots the weights at birth had a share of .053, the convolution gained nothing "
            "with 100 images (-.004), and one unit in place of none in a block made a step of .04: three refutations "
            "are to be expected, and no bound was moved."
        )
        return bought(self.settings.seeds, expected, source)

    def work(self) -> list[Work]:
        """The dial by place, the factorial by batch of seeds, residual networks by size, and the programs."""
        s = self.settings
        seeds = tuple(range(s.seed, s.seed + s.seeds))
        sizes = [(w, smooth.BLOCKS[0]) for w in smooth.WIDTHS] + [(smooth.KEPT, b) for b in smooth.BLOCKS[1:]]
        return [
            *(
                Work(f"dial-{i}", measure_dial, {"stop": i, "seeds": seeds, "epochs": s.epochs})
                for i in range(len(DIAL))
            ),
            *(
                Work(f"factorial-{batch[0]}", measure_factorial, {"seeds": batch, "births": s.births})
                for batch in self.batches(s.seed, s.seeds, s.together)
            ),
            *(
                Work(
                    f"smooth-{width}-{blocks}",
                    smooth.measure_smooth,
                    {"width": width, "blocks": blocks, "seeds": seeds, "steps": s.steps},
                )
                for width, blocks in [*sizes, (smooth.LINEAR, 0)]
            ),
            Work("programs", measure_programs, {"seeds": seeds, "programs": s.programs}),
        ]

    def conclude(self, tables: Mapping[str, pd.DataFrame], failed: Mapping[str, str]) -> Answer:
        """The card's rule."""
        if missing := self.missing(tables, failed, every=True):
            return missing
        table = joined(tables)
        about = table.assign(pixels=table["pixels"].fillna(""), images=table["images"].fillna(0))
        means = over_seeds(about.fillna({"width": 0, "blocks": 0}), ["part", "arm", "pixels", "images", "measure"])
        found = decide(table)
        return self.answer(found, self.rows(means, "value", _about), exhibits(means), sentence=sentence(means))


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    control = ", ".join(filter(None, [row["part"], row["arm"], row["pixels"], f"{row['images']:g} images"]))
    return {"metric": str(row["measure"]).replace(" ", "_"), "control": control}


_STEPS = ("largest step along wirings", "largest step along widths", "largest step along numbers of blocks")


def decide(table: pd.DataFrame) -> Judgement:
    """The card's rule."""
    share = _wide(table, part="factorial", measure="share")
    born = _wide(table, part="factorial", measure="at birth")
    dial = {
        key: _wide(table, part="dial", measure=measure, pixels=pixels, few=few)
        for key, measure, pixels, few in (
            ("all", "accuracy", "in place", False),
            ("few", "accuracy", "in place", True),
            ("moved", "moved", "in place", False),
            ("permuted", "accuracy", "permuted", True),
        )
    }
    parity = _wide(table, part="smooth", measure="accuracy")
    useful = _wide(table, part="programs", measure="useful")
    parts = {
        "factorial": [
            *(Prediction(f"share of {name}", mean_of_all(share[name]), least=0.0) for name in FACTORS),
            Prediction("share of weights at birth", mean_of_all(share[BORN]), -NONE, NONE),
        ],
        "at birth": [
            Prediction(f"accuracy of {name}", mean_of_all(born[name]), 0.1 - MARGIN, 0.1 + MARGIN) for name in born
        ],
        "convolution": _convolution(dial),
        "smooth": _smooth(dial["all"], parity),
        "programs": [Prediction("useful halfway", mean_of_all(useful["0.5"]), most=MIDWAY)],
    }
    moved = dial["permuted"][DENSE] - dial["few"][DENSE]
    ends = useful[[f"{PLACES[0]:g}", f"{PLACES[-1]:g}"]].min(axis=1)
    controls = [
        Prediction("dense, permuted less in place", mean_of_all(moved), -SAME, SAME),
        Prediction("useful where nothing is mixed", mean_of_all(ends), least=WHOLE),
        Prediction("parity by a linear readout", mean_of_all(parity["linear"]), most=HARD),
    ]
    return judged_each(parts, controls)


def _convolution(dial: Mapping[str, pd.DataFrame]) -> list[Prediction]:
    """What a convolution has over a dense layer."""
    gain = {key: part[FIRST] - part[DENSE] for key, part in dial.items()}
    return [
        Prediction("convolution less dense, moved by one pixel", mean_of_all(gain["moved"]), least=MOVED),
        Prediction("convolution less dense, few images", mean_of_all(gain["few"]), least=FEWER),
        Prediction("the same with permuted pixels", mean_of_all(gain["permuted"]), most=FEWER),
    ]


def _smooth(wired: pd.DataFrame, parity: pd.DataFrame) -> list[Prediction]:
    """Largest steps of the three dials, and the worst residual network beside a linear readout."""
    widths = [f"{smooth.BLOCKS[0]} blocks of {w}" for w in smooth.WIDTHS]
    numbers = [f"{b} blocks of {smooth.KEPT}" for b in smooth.BLOCKS]
    worst = str(parity[widths + numbers].mean().idxmin())
    dials = ((wired, [stop.name for stop in DIAL]), (parity, widths), (parity, numbers))
    steps = [largest_step(name, *dial) for name, dial in zip(_STEPS, dials, strict=True)]
    return [
        *steps,
        Prediction("worst residual network less linear", mean_of_all(parity[worst] - parity["linear"]), 0.0),
    ]


def _wide(
    table: pd.DataFrame, *, part: str, measure: str, pixels: str | None = None, few: bool | None = None
) -> pd.DataFrame:
    """Numbers by seed (rows) and arm (columns)."""
    rows = table[(table["part"] == part) & (table["measure"] == measure)]
    if pixels is not None:
        rows = rows[rows["pixels"] == pixels]
    if few is not None:
        rows = rows[rows["few"] == few]
    return rows.pivot_table(index="seed", columns="arm", values="value")


def largest_step(name: str, wide: pd.DataFrame, order: Sequence[str]) -> Prediction:
    """Of the differences between neighbours, the one whose mean is furthest from 0: if it is small, all are."""
    steps = [wide[after] - wide[before] for before, after in pairwise(order)]
    return Prediction(name, mean_of_all(max(steps, key=lambda step: abs(float(step.mean())))), -STEP, STEP)


def sentence(means: pd.DataFrame) -> str:
    """What was found, for somebody who has not read the card."""
    share = means[means["measure"] == "share"].set_index("arm")["value"]
    listed = ", ".join(f"{name} {share[name]:.2f}" for name in FACTORS)
    useful = means[(means["measure"] == "useful") & (means["arm"] == "0.5")]["value"].iloc[0]
    return (
        f"Of the variance of what networks answer in the end, the ingredients they are born with explain: {listed}; "
        f"their weights at birth {share[BORN]:.3f}. Of programs halfway between two useful ones {useful:.0%} are "
        "useful."
    )
