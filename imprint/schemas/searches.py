"""What ``imprint expose`` and ``imprint organisms`` print with ``--json``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from imprint.schemas.strict import Number, Strict


class Spread(Strict):
    """A number with its interval."""

    value: Number
    low: Number
    high: Number
    n: int


class ExposedExample(Strict):
    """Rows or levels that show a candidate."""

    kind: str
    rows: list[int]
    values: list[Number]
    facts: dict[str, str]


class ExposedCandidate(Strict):
    """Something beside the declared concepts that was tested."""

    name: str
    source: Literal["world", "inside", "behaviour"]
    share: Spread
    description: str
    facts: dict[str, Number]
    examples: list[ExposedExample]
    p_value: Number
    q_value: Number
    detectable: Number
    stable: list[int]
    searches: list[int]
    """In how many of how many searches of one seed it was found."""
    causal: bool
    meaning: str
    untrained: Number


class ExposedSource(Strict):
    """What one source could do."""

    source: Literal["world", "inside", "behaviour"]
    usable: bool
    why: str
    tested: int
    detectable: Number


class ExposeOutput(Strict):
    """``imprint expose``."""

    schema_: Literal["imprint/expose/1"] = Field(alias="schema")
    intended: str
    proxies: list[str]
    tested: list[ExposedCandidate]
    """Largest share first; found are those with a q-value of at most ``level`` and a share above ``least``."""
    searched: list[ExposedSource]
    unseen: list[str]
    declared: Spread
    least: float
    level: float
    notes: list[str]


class OrganismsMade(Strict):
    """``imprint organisms make``."""

    schema_: Literal["imprint/organisms-make/1"] = Field(alias="schema")
    path: str
    count: int
    confirmed: int
    words: dict[str, int]


class OrganismsScored(Strict):
    """``imprint organisms score``."""

    schema_: Literal["imprint/organisms-score/1"] = Field(alias="schema")
    organisms: dict[str, JsonValue]
    leaderboard: list[dict[str, JsonValue]]
    words: list[dict[str, JsonValue]]
    groups: list[dict[str, JsonValue]]
    contrasts: list[dict[str, JsonValue]]
    lost: list[dict[str, JsonValue]]
    page: str
