"""What a search for unnamed proxies returns: candidates, and what could not have been found.

A *candidate* is something beside the declared concepts (the intended one and its proxies) that the value may depend on.
Three sources give candidates: the ``world`` (its factors, nuisances and derived facts), the ``inside`` of the subject
(directions of its activations), and ``behaviour`` (levels or episodes that expose it). Every source tests all that it
tried, and what it *found* are the candidates whose share of the value's variance is shown to exceed
:attr:`Exposed.least`, at a false discovery rate of :attr:`Exposed.level` over all that the source tested.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd

from imprint.analyses.statistics import NAN, Estimate
from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import write_bytes
from imprint.models.notebook import card, ranged

Source = Literal["world", "inside", "behaviour"]
SOURCES: tuple[Source, ...] = get_args(Source)
FILE = "exposed.json"
"""Where the answer about a run is kept in its folder."""
AGAIN = "The latch test again"
"""How the note begins that says what the latch test found with candidates as proxies."""
COLUMNS = (
    "name",
    "source",
    "share",
    "low",
    "high",
    "p_value",
    "q_value",
    "found",
    "causal",
    "facts",
    "stable",
    "detectable",
    "description",
)
"""Columns of :meth:`Exposed.frame`."""


@dataclass(frozen=True)
class Example:
    """Rows (or levels) that show a candidate."""

    kind: str
    """``strongest``, ``minimal pair`` (as alike as can be, but for the candidate) or ``level``."""
    rows: tuple[int, ...]
    """Row numbers of the examined batch, or seeds of levels."""
    values: tuple[float, ...]
    """The value of each row."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Fact -> what it is in these rows; of a pair only what differs, as ``red / green``."""


@dataclass(frozen=True)
class Candidate:
    """Something beside the declared concepts that the value depends on."""

    name: str
    """Unique within an answer: a fact (``lamp``), a pair of facts (``lamp x side``), or a feature (``late, ica 3``)."""
    source: Source
    share: Estimate
    """Part of the value's variance that goes with it beyond the declared concepts, and is lost when it is changed."""
    description: str
    """What it is and what was done to test it, in words."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """Fact of the world that it names -> part of the candidate's own variance that the fact explains, the largest
    first."""
    examples: tuple[Example, ...] = ()
    p_value: float = NAN
    """Of the hypothesis that the share is at most ``least``; one-sided."""
    q_value: float = NAN
    """Share of false candidates to expect among all that are at least as clear (Benjamini-Hochberg, by source)."""
    detectable: float = NAN
    """Smallest share that would have been found with a probability of .8."""
    stable: tuple[int, int] = (1, 1)
    """In how many of how many seeds it was found."""
    searches: tuple[int, int] = (1, 1)
    """In how many of how many searches of one seed, from other rows and with other draws, it was found."""
    causal: bool = True
    """Whether something was changed; False for an association."""
    meaning: str = ""
    """What the first fact is, in the world's words; empty where the world does not say."""
    untrained: float = NAN
    """Mean share in untrained networks; NaN where they were not asked."""

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ImprintError(f"a candidate's source is {self.source!r}; expected one of {', '.join(SOURCES)}.")
        object.__setattr__(self, "facts", dict(sorted(self.facts.items(), key=lambda item: -item[1])))

    def row(self) -> dict[str, Any]:
        """A row of :meth:`Exposed.frame`, without ``found``."""
        named = "; ".join(f"{fact} {score:.2f}" for fact, score in self.facts.items())
        seeds = f"{self.stable[0]} of {self.stable[1]}"
        numbers = {"p_value": self.p_value, "q_value": self.q_value, "detectable": self.detectable}
        words = {"name": self.name, "source": self.source, "description": self.description, "causal": self.causal}
        return {**words, **self.share.row("share", count=None), **numbers, "facts": named, "stable": seeds}


@dataclass(frozen=True)
class Searched:
    """What one source could do."""

    source: Source
    usable: bool
    why: str
    """How it searched, or why it could not."""
    tested: int = 0
    """How many candidates it tested; its false discovery rate is over these."""
    detectable: float = NAN
    """Smallest share that it would have found with a probability of .8."""


@dataclass(frozen=True)
class Exposed:
    """What a value depends on beside the declared concepts, ranked by share."""

    intended: str
    """The intended concept."""
    proxies: tuple[str, ...]
    """The other declared concepts."""
    tested: tuple[Candidate, ...]
    """All that was tested, the largest share first."""
    searched: tuple[Searched, ...]
    """What each of the three sources could do; a source that is not named was not asked."""
    unseen: tuple[str, ...] = ()
    """What could not be seen, in sentences."""
    declared: Estimate = field(default_factory=lambda: Estimate(NAN, NAN, NAN, 0))
    """Part of the value's variance that the declared concepts explain together."""
    least: float = 0.02
    """Share that a candidate must exceed."""
    level: float = 0.05
    """False discovery rate."""
    notes: tuple[str, ...] = ()
    """What else was noticed, in sentences."""

    def __post_init__(self) -> None:
        names = [candidate.name for candidate in self.tested]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ImprintError(f"two candidates are called {twice[0]!r}; expected a name of its own for each.")
        order = sorted(self.tested, key=lambda c: -c.share.value if math.isfinite(c.share.value) else math.inf)
        object.__setattr__(self, "tested", tuple(order))

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """What was found, the largest share first."""
        return tuple(candidate for candidate in self.tested if self.found(candidate))

    def found(self, candidate: Candidate) -> bool:
        """Whether a candidate's share is shown to exceed ``least``."""
        return candidate.q_value <= self.level and candidate.share.value > self.least

    @property
    def facts(self) -> dict[str, float]:
        """Fact -> largest share of a tested candidate times the part of it that the fact explains, largest first.

        A ranking of all facts that any candidate names, whether it was found or not.
        """
        scores: dict[str, float] = {}
        for candidate in self.tested:
            for fact, score in candidate.facts.items():
                share = max(candidate.share.value, 0.0) * score
                scores[fact] = max(scores.get(fact, 0.0), share if math.isfinite(share) else 0.0)
        return dict(sorted(scores.items(), key=lambda item: -item[1]))

    @property
    def usable(self) -> tuple[Source, ...]:
        """Sources that could be used."""
        return tuple(each.source for each in self.searched if each.usable)

    @property
    def sentence(self) -> str:
        """What the value depends on beside what was asked about, in a sentence; first what most seeds share."""
        *others, last = (self.intended, *self.proxies)
        asked = f"{', '.join(others)} and {last}" if others else last
        if not self.usable:
            return f"None of the sources could be used, so nothing is known beside {asked}."
        if self.candidates:
            usual = sorted(self.candidates, key=lambda c: any(2 * of[0] < of[1] for of in (c.stable, c.searches)))
            named = "; ".join(f"{c.name} ({c.share.value:.0%} of the variance{_in_seeds(c)})" for c in usual[:3])
            rest = len(usual) - 3
            return f"Beside {asked}, the value depends on {named}{f'; and {rest} more' if rest > 0 else ''}."
        smallest = [each.detectable for each in self.searched if each.usable and math.isfinite(each.detectable)]
        bound = f"; a share of {min(smallest):.0%} would have been found" if smallest else ""
        return f"Beside {asked}, nothing was found that the value depends on{bound}."

    def joined(self, more: Iterable[Candidate], searched: Searched, unseen: Sequence[str] = ()) -> Exposed:
        """The same answer with the candidates of another source."""
        others = tuple(each for each in self.searched if each.source != searched.source)
        kept = tuple(candidate for candidate in self.tested if candidate.source != searched.source)
        told = (*self.unseen, *(text for text in unseen if text not in self.unseen))
        return replace(self, tested=(*kept, *more), searched=(*others, searched), unseen=told)

    def frame(self) -> pd.DataFrame:
        """All that was tested, a row each; columns in ``COLUMNS``."""
        rows = [{**candidate.row(), "found": self.found(candidate)} for candidate in self.tested]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"found": bool})

    def _repr_html_(self) -> str:
        every = self.frame()
        every["share"] = ranged(every, "share")
        columns = ["name", "source", "share", "q_value", "facts", "stable"]
        searched = "; ".join(f"{each.source}: {each.why}" for each in self.searched)
        shown = every.loc[every["found"], columns]
        return card(self.sentence, [*self.notes, *self.unseen], shown, caption=f"Searched. {searched}")

    def write(self, file: str | Path) -> Path:
        """Write it as JSON, which :func:`read_exposed` reads; the path."""
        write_bytes(Path(file), json.dumps(_plain(asdict(self)), indent=1).encode("utf-8"))
        return Path(file)


def _in_seeds(candidate: Candidate) -> str:
    found, seeds = candidate.stable
    return f", {found} of {seeds} seeds" if seeds > 1 else ""


def read_exposed(file: str | Path) -> Exposed:
    """What :meth:`Exposed.write` wrote. Raises :class:`DamagedFileError` for anything else."""
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
        tested = tuple(
            Candidate(
                **{
                    **each,
                    "share": _estimate(each["share"]),
                    "examples": tuple(
                        Example(**{**e, "rows": tuple(e["rows"]), "values": tuple(e["values"])})
                        for e in each["examples"]
                    ),
                    "stable": tuple(each["stable"]),
                    "searches": tuple(each.get("searches", (1, 1))),
                    **{name: _number(each[name]) for name in ("p_value", "q_value", "detectable")},
                    "untrained": _number(each.get("untrained")),
                }
            )
            for each in data["tested"]
        )
        searched = tuple(Searched(**{**s, "detectable": _number(s["detectable"])}) for s in data["searched"])
        lists = {name: tuple(data[name]) for name in ("proxies", "unseen", "notes")}
        return Exposed(
            **{**data, **lists, "tested": tested, "searched": searched, "declared": _estimate(data["declared"])}
        )
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedFileError(f"{file} cannot be read as an answer of expose: {error}") from None


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)


def _estimate(value: Mapping[str, Any]) -> Estimate:
    return Estimate(_number(value["value"]), _number(value["low"]), _number(value["high"]), int(value["n"]))


def _plain(value: Any) -> Any:
    """JSON has no NaN: a number that is missing is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
