"""Schedules of the classical experiments on cue competition, and the effects that are read from them.

Groups are given 120 trials each and are read after 60, 75 and 120. An effect is a sum of readings V(test | group, mark)
with signs chosen so that it is above 0 where it goes as it does in animals:

    acquisition             V(A) where A is paired with food, less where both come apart (Pavlov 1927)
    extinction              V(A) kept, less V(A) after A without food (Pavlov 1927)
    overshadowing           V(A) conditioned alone, less beside B (Pavlov 1927)
    blocking                V(B) where C was learned first, less where A was, that comes with B (Kamin 1969)
    unblocking              V(B) where the compound is followed by more, less where by the same (Kamin 1969)
    conditioned inhibition  V(B) - V(BX), where AX is not followed by food and A is, less where X alone is not
                            (summation test: Rescorla 1969)
    second order            V(B) where B comes before A, which is conditioned, less where B comes apart from A
                            (Pavlov 1927; Rizley & Rescorla 1972)
    latent inhibition       V(A) after few pairings, where C was shown before, less where A was (Lubow & Moore 1959)
    over-expectation        V(A) after A and B go on apart, less after both go on together (Rescorla 1970)
    renewal                 V(A) in the context of acquisition less in that of extinction (Bouton & Bolles 1979)
    sensory preconditioning V(A) where A came before B, and B was conditioned then, less where A and B came apart
                            (Brogden 1939)
    instant revaluation     V(A) under a new deficit of what A leads to, less as it was learned, when there was enough
                            of it (Tindell et al. 2009); :data:`REVALUED`

V(test) is the value at the step at which the cue is shown, less that at the same step where nothing is shown in the
first context. A is shown right before the outcome, in *first* tests a step earlier, as in the training of that group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from imprint.models.worlds.conditioning.schedule import CONTEXT, Phase, Schedule, Trial, parse

MARKS = (60, 75, 120)
"""Trials after which groups are read."""
MIDDLE, SOON, END = MARKS
NEEDS = {"food": 1.0, "salt": 1.0}
"""Need -> deficit, where a schedule does not say."""
TEXTS = {
    "extinguished": "A+ 30, 0- 30 | A- 60",
    "kept": "A+ 30, 0- 30 | 0- 60",
    "unpaired": "A- 30, 0+ 30 | A- 30, 0+ 30",
    "alone": "A+ 60, 0- 60",
    "compound": "AB+ 60, 0- 60",
    "blocked": "A+ 60 | AB+ 60",
    "not blocked": "C+ 60 | AB+ 60",
    "unblocked": "A+ 60 | AB++ 60",
    "inhibited": "A+ 40, B+ 40, AX- 40",
    "not inhibited": "A+ 40, B+ 40, X- 40",
    "second order": "A+ 60 | A+ 30, B>A- 30",
    "second apart": "A+ 60 | A+ 20, A- 20, B>0- 20",
    "familiar": "A- 60 | A+ 60",
    "unfamiliar": "C- 60 | A+ 60",
    "over-expected": "A+ 30, B+ 30 | AB+ 60",
    "as expected": "A+ 30, B+ 30 | A+ 30, B+ 30",
    "elsewhere": "@1: A+ 60 | @2: A- 60",
    "preconditioned": "A>B- 60 | B+ 60",
    "not preconditioned": "A>0- 30, B- 30 | B+ 60",
    "sated": "{salt=0} A+salt 60, B+ 60",
}
"""Group -> schedule."""
GROUPS: dict[str, Schedule] = {name: parse(text, NEEDS) for name, text in TEXTS.items()}


class Test(NamedTuple):
    """What is shown to read a value."""

    trial: Trial
    context: str
    step: int
    """Step at which the value is read."""


TESTS = {
    "nothing": Test(Trial(("",)), CONTEXT, 2),
    "nothing first": Test(Trial(("",)), CONTEXT, 1),
    "A": Test(Trial(("A",)), CONTEXT, 2),
    "B": Test(Trial(("B",)), CONTEXT, 2),
    "BX": Test(Trial(("BX",)), CONTEXT, 2),
    "A in 2": Test(Trial(("A",)), "2", 2),
    "A first": Test(Trial(("A", "")), CONTEXT, 1),
    "B first": Test(Trial(("B", "")), CONTEXT, 1),
}
BASELINE = {name: "nothing first" if test.step == 1 else "nothing" for name, test in TESTS.items()}


class Reading(NamedTuple):
    """One term of an effect."""

    sign: int
    group: str
    test: str
    mark: int = END


EFFECTS: dict[str, tuple[Reading, ...]] = {
    "acquisition": (Reading(1, "kept", "A", MIDDLE), Reading(-1, "unpaired", "A", MIDDLE)),
    "extinction": (Reading(1, "kept", "A"), Reading(-1, "extinguished", "A")),
    "overshadowing": (Reading(1, "alone", "A"), Reading(-1, "compound", "A")),
    "blocking": (Reading(1, "not blocked", "B"), Reading(-1, "blocked", "B")),
    "unblocking": (Reading(1, "unblocked", "B"), Reading(-1, "blocked", "B")),
    "conditioned inhibition": (
        Reading(1, "inhibited", "B"),
        Reading(-1, "inhibited", "BX"),
        Reading(-1, "not inhibited", "B"),
        Reading(1, "not inhibited", "BX"),
    ),
    "second order": (Reading(1, "second order", "B first"), Reading(-1, "second apart", "B first")),
    "latent inhibition": (Reading(1, "unfamiliar", "A", SOON), Reading(-1, "familiar", "A", SOON)),
    "over-expectation": (Reading(1, "as expected", "A"), Reading(-1, "over-expected", "A")),
    "renewal": (Reading(1, "elsewhere", "A"), Reading(-1, "elsewhere", "A in 2")),
    "sensory preconditioning": (Reading(1, "preconditioned", "A first"), Reading(-1, "not preconditioned", "A first")),
}
REVALUED = "instant revaluation"
"""The effect that is no sum of cached values: group ``sated`` at the end, under a deficit of salt and without."""

V = TypeVar("V")


def effect(name: str, read: Mapping[tuple[str, str, int], V]) -> V:
    """Size of an effect from V by (group, test, mark): numbers, arrays or tensors."""
    total: V | int = 0
    for term in EFFECTS[name]:
        total = total + term.sign * read[term.group, term.test, term.mark]  # type: ignore[operator]
    return total  # type: ignore[return-value]


def in_order(plan: Schedule) -> list[tuple[Trial, Phase]]:
    """Every trial of a group in its order, with its phase."""
    return [(trial, phase) for phase in plan.phases for trial in phase.order]


def whole(plans: Sequence[Schedule]) -> str:
    """One schedule in which everything occurs that is shown to any group or in any test."""
    return " | ".join(map(str, [*plans, "A>0- | B>0-"]))
