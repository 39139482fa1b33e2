"""The rule that names the ground truth of a competence, from the competence with and without each signal.

A competence is a score above chance: how well a concept is read, how much of what is done succeeds, what a value
depends on. It is measured whole, at birth, in what comes in from outside (the raw input alone), and after each
*lesion*: the same learner, trained anew while one signal tells nothing. In order:

    not there              the competence is shown to be below the least that is worth the name
    given by the input     the raw input is shown to have more than half of it
    there at birth         so is the newborn
    learned                a lesion is shown to leave less than half of it; named are the signals whose lesion does
    more than one signal suffices   every single lesion is shown to leave more than half, all together less
    learned, open from what         all together do, and of some signal by itself it is not known
    undetermined           none of these is shown, or the competence is not shown to be above 0

"Shown" compares ends of 95 % intervals that lie nearest to one another, half of the competence's own interval included.
A number without an interval shows nothing.

The ground truth is what remains of the named signals when those that were learned themselves (a readout that teaches
another one) are left out. A signal whose lesion neither takes nor leaves more than half may belong to it; it is kept
as open. (Question of post 2, section 2.6, of Byrnes, "Intro to brain-like-AGI safety"; the rule is
ours.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from imprint.analyses.statistics import Estimate

HALF = 0.5
"""Part of a competence that decides: more is kept, less is lost."""
ALL = "all signals"
"""Name of the lesion of everything at once: a learner that never learns."""

Origin = Literal[
    "learned",
    "more than one signal suffices",
    "learned, open from what",
    "given by the input",
    "there at birth",
    "not there",
    "undetermined",
]


@dataclass(frozen=True)
class Source:
    """A signal that may teach."""

    name: str
    module: str
    """Where it comes from, in words."""
    learned: bool = False
    """Whether it is itself the output of something that learns."""
    about: str = ""
    """What it is, in words that need no setup; empty where the name says it."""

    @property
    def words(self) -> str:
        """The name, and what it is."""
        return f"{self.name} ({self.about})" if self.about else self.name


@dataclass(frozen=True)
class Competence:
    """What was measured of one competence, all of it above chance."""

    name: str
    whole: Estimate
    sources: tuple[Source, ...]
    lesions: Mapping[str, Estimate]
    """Name of a source, or :data:`ALL` -> the competence that is left."""
    birth: Estimate | None = None
    given: Estimate | None = None
    """How much of it the raw input has."""
    least: float = 0.0
    """The least competence that is worth the name."""
    age: float = float("nan")
    """Age at which it is first shown; NaN where that is not known."""


@dataclass(frozen=True)
class Audited:
    """What the rule says of one competence."""

    competence: Competence
    origin: Origin
    truths: tuple[Source, ...] = ()
    """Signals that it was learned from and that were not learned themselves."""
    by_way_of: tuple[Source, ...] = ()
    """Learned signals without which it is not learned either."""
    lesions: tuple[str, ...] = field(default=())
    """Lesions that prevent it."""
    unsettled: tuple[Source, ...] = ()
    """Further signals of which the lesions do not show whether it takes them, where some are named."""

    @property
    def answer(self) -> frozenset[str]:
        """The ground truth as a set of names; the origin where nothing was learned."""
        return frozenset(source.name for source in self.truths) or frozenset({self.origin})


def audit(competence: Competence) -> Audited:
    """Apply the rule of this module."""
    whole = competence.whole
    if not whole.low > 0 or whole.high < competence.least:
        return Audited(competence, "not there" if whole.high < competence.least or whole.high <= 0 else "undetermined")
    for origin, part in _without_learning(competence):
        if part is not None and part.low > HALF * whole.high:
            return Audited(competence, origin)
    lost = [name for name, left in competence.lesions.items() if left.high < HALF * whole.low]
    spared = [name for name, left in competence.lesions.items() if left.low > HALF * whole.high]
    named = [source for source in competence.sources if source.name in lost]
    unsettled = [source for source in competence.sources if source.name not in (*lost, *spared)]
    if not named:
        taught: Origin = "learned, open from what" if unsettled else "more than one signal suffices"
        return Audited(competence, taught if ALL in lost else "undetermined", lesions=(*lost,))
    truths, ways = ([source for source in named if source.learned is learned] for learned in (False, True))
    return Audited(competence, "learned", (*truths,), (*ways,), (*lost,), (*unsettled,))


def _without_learning(competence: Competence) -> tuple[tuple[Origin, Estimate | None], ...]:
    return ("given by the input", competence.given), ("there at birth", competence.birth)
