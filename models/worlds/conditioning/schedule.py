"""Schedules of conditioning, written as text: which cues are shown, in which context, and what follows them.

    A+ 10, AB+ 10, B?                       ten times A and the outcome, ten times both, once B alone to see its value
    @1: A+ 20 | @2: A- 20 | @1: A?          acquisition in one context, extinction in another, and a test in the first
    {salt=0} A+salt 20 | {salt=1} A?        another outcome, and a need that changes

    schedule    phase { ("|" or new line) phase }
    phase       [ "@" context ":" ]  [ "{" need "=" number { "," need "=" number } "}" ]  trial { "," trial }
    trial       shown { ">" shown }  outcome  [ count ]
    shown       capital letters: cues that are shown together; or 0: nothing
    outcome     "+" { "+" } [ need ]: as many units as there are signs;  "-": nothing;  "?": nothing, and not taught

``B>A-`` shows B, then A, then nothing follows. A count that is left out is 1, a context 1, a need that an outcome
serves ``food``. Trials of a phase are intermixed, as evenly as their counts allow (:attr:`Phase.order`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn

from imprint.models.errors import ImprintError, near_miss

FOOD, CONTEXT, NOTHING = "food", "1", "0"
BLANK = r"[ \t]*"
MOST = 100_000
"""Largest count of a trial."""
LARGEST = 9
"""Largest outcome, in units."""


class ScheduleError(ImprintError):
    """A schedule that cannot be read; the message shows where, what was expected and what was found."""


@dataclass(frozen=True)
class Trial:
    """Cues one after the other, and what follows them."""

    shown: tuple[str, ...]
    """Letters of the cues of each step, the last right before the outcome; an empty text shows nothing."""
    size: int = 0
    """Units of the outcome; 0: nothing follows."""
    outcome: str = FOOD
    """The need that the outcome serves."""
    test: bool = False
    """Whether it is there to be read only, and teaches nothing."""
    count: int = 1
    """How often it is given."""

    @property
    def leads(self) -> dict[str, int]:
        """Cue -> how many steps before the outcome it is shown."""
        return {cue: len(self.shown) - step for step, cues in enumerate(self.shown) for cue in cues}

    @property
    def follows(self) -> str:
        """The outcome as written, tests as nothing: ``-``, ``+``, ``++salt``, ..."""
        return "+" * self.size + (self.outcome if self.outcome != FOOD else "") if self.size else "-"

    def __str__(self) -> str:
        shown = ">".join(cues or NOTHING for cues in self.shown)
        return f"{shown}{'?' if self.test else self.follows} {self.count}"


@dataclass(frozen=True)
class Phase:
    """Trials that are intermixed."""

    trials: tuple[Trial, ...]
    context: str = CONTEXT
    """Where they are given."""
    needs: Mapping[str, float] = field(default_factory=dict)
    """Need -> deficit during the phase, where the phase says."""

    @cached_property
    def order(self) -> tuple[Trial, ...]:
        """Every trial in the order in which it is given: the i-th of c stands at (i + 1/2) / c of the phase."""
        places = [
            ((i + 0.5) / trial.count, k, trial) for k, trial in enumerate(self.trials) for i in range(trial.count)
        ]
        return tuple(trial for _, _, trial in sorted(places, key=lambda place: place[:2]))

    def __str__(self) -> str:
        needs = ", ".join(f"{name}={level!r}" for name, level in self.needs.items())
        return f"@{self.context}: {f'{{{needs}}} ' if needs else ''}{', '.join(map(str, self.trials))}"


@dataclass(frozen=True)
class Schedule:
    """Phases one after the other."""

    phases: tuple[Phase, ...]

    @property
    def trials(self) -> list[Trial]:
        """All trials as they are written, phase by phase."""
        return [trial for phase in self.phases for trial in phase.trials]

    @property
    def cues(self) -> tuple[str, ...]:
        """Every cue that occurs, by letter."""
        return tuple(sorted({cue for trial in self.trials for cue in trial.leads}))

    @property
    def contexts(self) -> tuple[str, ...]:
        """Every context, in the order in which they come."""
        return tuple(dict.fromkeys(phase.context for phase in self.phases))

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Everything that follows cues, as written: ``-``, and the outcomes that occur, or ``+`` if none does."""
        occur = sorted({trial.follows for trial in self.trials} - {"-"})
        return ("-", *(occur or ["+"]))

    @property
    def longest(self) -> int:
        """Most steps that a trial shows one after the other."""
        return max(len(trial.shown) for trial in self.trials)

    def __str__(self) -> str:
        return " | ".join(map(str, self.phases))


def parse(text: str, needs: Collection[str] | None = None) -> Schedule:
    """The schedule that ``text`` says. ``needs``: those that outcomes can serve; None: any.

    Raises :class:`ScheduleError`, which shows the place, for what does not follow the grammar, for a cue that a trial
    shows twice, and for an outcome or a level of a need that is not in ``needs``.
    """
    return _Reader(text, needs).schedule()


class _Reader:
    """Reads a schedule from left to right."""

    def __init__(self, text: str, needs: Collection[str] | None) -> None:
        self.text, self.needs, self.at = text, needs, 0

    def schedule(self) -> Schedule:
        phases: list[Phase] = []
        while True:
            self.take(r"[\s|]*") if not phases else self.take(r"\s*")
            if phases and self.at == len(self.text):
                break
            phases.append(self.phase())
            if not self.take(r"[|\n]", blank=True) and self.at < len(self.text):
                self.fail("',', '|', a new line or the end")
        return Schedule(tuple(phases))

    def phase(self) -> Phase:
        context, needs = CONTEXT, {}
        if self.take("@"):
            context = self.need(r"[A-Za-z0-9_]+", "the name of a context after '@'")
            self.need(":", f"':' after the context {context!r}", blank=True)
        self.take(r"\s*")
        if self.take(r"\{"):
            needs = self.levels()
        trials = [self.trial()]
        while self.take(",", blank=True):
            trials.append(self.trial())
        return Phase(tuple(trials), context, needs)

    def levels(self) -> dict[str, float]:
        """Needs after an opening brace."""
        levels: dict[str, float] = {}
        while True:
            self.take(r"\s*")
            start = self.at
            name = self.need(r"[a-z_]+", "the name of a need")
            self.known(name, start)
            if name in levels:
                self.fail(f"each need once, and {name!r} stands here twice", start)
            self.need("=", f"'=' after the need {name!r}", blank=True)
            self.take(r"\s*")
            levels[name] = float(self.need(r"\d{1,6}(\.\d{1,4})?", f"a deficit of {name}, such as 0 or 0.5"))
            if self.need(r"[,}]", "',' or '}'", blank=True) == "}":
                return levels

    def trial(self) -> Trial:
        self.take(r"\s*")
        shown = [self.shown()]
        while self.take(">", blank=True):
            shown.append(self.shown())
        start = self.at
        sign = self.need(r"\++|-|\?", "'+', '-' or '?' after the cues", blank=True)
        size, outcome = sign.count("+"), FOOD
        if size > LARGEST:
            self.fail(f"an outcome of at most {LARGEST} units", start)
        if size:
            start = self.at
            outcome = self.take(r"[a-z_]+") or FOOD
            self.known(outcome, start)
        start = self.at
        count = int(self.take(r"\d{1,9}", blank=True) or 1)
        if not 1 <= count <= MOST:
            self.fail(f"a count from 1 to {MOST}", start)
        self.once(shown, start)
        return Trial(tuple(shown), size, outcome, sign == "?", count)

    def shown(self) -> str:
        self.take(r"[^\S\n]*")
        cues = self.need(r"[A-Z]+|0", "cues, which are capital letters, or 0 for nothing")
        return "" if cues == NOTHING else "".join(sorted(cues))

    def once(self, shown: list[str], start: int) -> None:
        """Refuses a trial that shows a cue twice."""
        every = "".join(shown)
        if twice := [cue for cue in every if every.count(cue) > 1]:
            self.fail(f"every cue of a trial once, and {twice[0]} is shown twice", start)

    def known(self, name: str, start: int) -> None:
        """Refuses a need that is not among those that there are."""
        if self.needs is not None and name not in self.needs:
            listed = ", ".join(sorted(self.needs))
            self.fail(f"an outcome or need that there is: {listed}", start, near_miss(name, self.needs))

    def take(self, pattern: str, *, blank: bool = False) -> str:
        """What matches here, and goes past it; an empty text if nothing does. ``blank``: after spaces, which stay."""
        match = re.compile(rf"{BLANK if blank else ''}({pattern})").match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match[1]

    def need(self, pattern: str, expected: str, *, blank: bool = False) -> str:
        """What matches here; raises where nothing does."""
        return self.take(pattern, blank=blank) or self.fail(expected)

    def fail(self, expected: str, start: int | None = None, near: str = "") -> NoReturn:
        at = self.at if start is None else start
        while start is None and self.text[at : at + 1] in {" ", "\t"}:
            at += 1
        found = repr(self.text[at]) if at < len(self.text) else "the end"
        if not near and start is None and self.text[at : at + 1].islower():
            near = f" Did you mean {self.text[at].upper()!r}?"
        before = self.text[:at].rpartition("\n")[2]
        line = before + self.text[at:].partition("\n")[0]
        what = f"schedule, position {at + 1}: expected {expected}; found {found}.{near}"
        raise ScheduleError(f"{what}\n    {line}\n    {' ' * len(before)}^")
