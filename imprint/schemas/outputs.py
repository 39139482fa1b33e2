"""What ``--json`` prints, command by command: the models behind the schema files beside this one.

Every output is one object. Its first entry, ``schema``, is ``imprint/<command>/<version>``; the version grows when an
entry is renamed, taken away or means something else, and stays when one is added. Numbers have all their digits, and
what is missing is null. ``python -m imprint.schemas.outputs`` writes the files again; a test keeps them equal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue, RootModel

from imprint.reports.viewer.entry import Entry
from imprint.schemas.searches import ExposeOutput, OrganismsMade, OrganismsScored
from imprint.schemas.strict import Number, Strict

FOLDER = Path(__file__).resolve().parent
VERSION = 1
Scalar = str | int | float | bool | None
Row = dict[str, Scalar]
Text = str | None
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Finding(Strict):
    """A row of findings (:mod:`imprint.analyses.findings`); columns that are empty in all rows are left out."""

    analysis: Text = None
    setup: Text = None
    concept: Text = None
    site: Text = None
    age: int | None = None
    seed: int | None = None
    world: int | None = None
    metric: Text = None
    estimate: Number = None
    low: Number = None
    high: Number = None
    n: int | None = None
    seeds: int | None = None
    control: Text = None
    p_value: Number = None
    q_value: Number = None
    verdict: Text = None
    why: Text = None


class Answer(Strict):
    """Verdict of a run and the findings over seeds behind it."""

    verdict: str
    sentence: str
    reason: str
    findings: list[Finding]


class Finished(Answer):
    """How a run ended."""

    run: str
    report: str
    failed: dict[str, str]
    """Cell of work -> why it failed."""


class RunOutput(Finished):
    """``imprint run``."""

    schema_: Literal["imprint/run/1"] = Field(alias="schema")


class StudyOutput(Finished):
    """``imprint study``."""

    schema_: Literal["imprint/study/1"] = Field(alias="schema")


class Repeated(Strict):
    """One of two runs on different seeds."""

    run: str
    verdict: str
    first_seed: int
    seeds: int


class ReplicateOutput(Strict):
    """``imprint replicate``."""

    schema_: Literal["imprint/replicate/1"] = Field(alias="schema")
    runs: list[Repeated]
    level: str
    reason: str
    report: str
    failed: list[dict[str, str]]


class LocatedInRun(Strict):
    """``imprint locate RUN``."""

    schema_: Literal["imprint/locate/1"] = Field(alias="schema")
    cells: list[Finding]


class LocatedInArrays(Strict):
    """``imprint locate ACTS CONCEPTS``."""

    schema_: Literal["imprint/locate/1"] = Field(alias="schema")
    cells: list[Row]
    best: dict[str, Row] | None
    rates: list[Row] | None
    leaks: list[Row] | None


class LocateOutput(RootModel[LocatedInArrays | LocatedInRun]):
    """``imprint locate``."""


class LatchOfRun(Answer):
    """``imprint latch RUN``."""

    schema_: Literal["imprint/latch/1"] = Field(alias="schema")


class LatchOfArrays(Strict):
    """``imprint latch ACTS CONCEPTS``."""

    schema_: Literal["imprint/latch/1"] = Field(alias="schema")
    verdict: str
    why: str
    probabilities: dict[str, Probability]
    words: list[str]
    leads: Annotated[list[str | float | None], Field(min_length=2, max_length=2)]
    dominance: list[Row]
    ruled_out: dict[str, bool]
    shares: list[Row]
    effects: list[Row]
    twins: list[Row]
    residual: list[Row]
    mediation: list[Row]
    attribution: list[Row]
    n: int


class LatchOutput(RootModel[LatchOfArrays | LatchOfRun]):
    """``imprint latch``."""


class AnalyseOutput(Strict):
    """``imprint analyse``."""

    schema_: Literal["imprint/analyse/1"] = Field(alias="schema")
    verdict: str
    why: str
    findings: list[Finding]
    tables: dict[str, list[dict[str, JsonValue]]]
    """Exhibit -> its rows; columns are the question's own."""
    report: str
    failed: dict[str, str]


class ComparedRuns(Strict):
    """``imprint compare RUN...``."""

    schema_: Literal["imprint/compare/1"] = Field(alias="schema")
    rows: list[Row]


class ComparedSetups(Strict):
    """``imprint compare --all``."""

    schema_: Literal["imprint/compare/1"] = Field(alias="schema")
    setups: list[Row]
    contrasts: list[Row]
    missing: dict[str, str]
    """Setup -> the command that makes its run."""
    report: str


class CompareOutput(RootModel[ComparedRuns | ComparedSetups]):
    """``imprint compare``."""


class PowerRow(Strict):
    """What simulated runs say where the truth is known."""

    dominance: Number
    seeds: int
    right_word: str
    right: Probability
    low: Probability
    high: Probability
    open: Probability
    wrong: Probability
    runs: int


class PowerOutput(Strict):
    """``imprint power``."""

    schema_: Literal["imprint/power/1"] = Field(alias="schema")
    rows: list[PowerRow]


class Planned(Strict):
    """What a sweep takes."""

    sweep: str
    cells: int
    upbringings: int
    lives: int
    shared: list[str]
    raised: list[str]


class SweepPlan(Planned):
    """``imprint sweep --dry-run``."""

    schema_: Literal["imprint/sweep/1"] = Field(alias="schema")
    cpu_hours: float
    hours: float
    bytes: float


class SweepDone(Planned):
    """``imprint sweep``."""

    schema_: Literal["imprint/sweep/1"] = Field(alias="schema")
    failed: int
    report: str
    frame: list[dict[str, JsonValue]]
    """One row for each cell; columns of the grid carry its keys."""


class SweepOutput(RootModel[SweepDone | SweepPlan]):
    """``imprint sweep``."""


class Check(Strict):
    """One thing that was looked at in a folder."""

    name: str
    state: Literal["right", "wrong", "open"]
    found: str


class VerifyOutput(Strict):
    """``imprint verify``."""

    schema_: Literal["imprint/verify/1"] = Field(alias="schema")
    path: str
    checks: list[Check]
    level: Literal["exploratory", "registered", "replicated"]
    reason: str


class ReportOutput(Strict):
    """``imprint report``."""

    schema_: Literal["imprint/report/1"] = Field(alias="schema")
    report: str
    missing: dict[str, str]
    """File of the run -> why the page lacks it."""


class ExportOutput(Strict):
    """``imprint export``."""

    schema_: Literal["imprint/export/1"] = Field(alias="schema")
    files: list[str]


class ViewListed(Strict):
    """``imprint view``."""

    schema_: Literal["imprint/view/1"] = Field(alias="schema")
    entries: list[Entry]


class ViewExported(Strict):
    """``imprint view --export``."""

    schema_: Literal["imprint/view/1"] = Field(alias="schema")
    page: str
    missing: list[str]
    """Reports that could not be made, and why."""


class ViewOutput(RootModel[ViewListed | ViewExported]):
    """``imprint view``."""


class ListOutput(Strict):
    """``imprint list``."""

    schema_: Literal["imprint/list/1"] = Field(alias="schema")
    families: dict[str, dict[str, str]]
    """Family -> member -> what it is."""


class ShowOutput(Strict):
    """``imprint show``."""

    schema_: Literal["imprint/show/1"] = Field(alias="schema")
    name: str
    about: str = ""
    setup: dict[str, JsonValue] | None = None
    """A setup with every default."""
    settings: list[dict[str, str]] | None = None
    """Of a member: name, type, default and meaning of each setting."""
    metrics: dict[str, str] | None = None
    """Metric -> what it is."""
    parts: dict[str, str] | None = None
    """Concepts of a world, interface of an environment."""


class DoctorCheck(Strict):
    """One thing that was checked in this environment."""

    name: str
    found: str
    status: Literal["ok", "note", "broken"]
    advice: str


class DoctorOutput(Strict):
    """``imprint doctor``."""

    schema_: Literal["imprint/doctor/1"] = Field(alias="schema")
    checks: list[DoctorCheck]


OUTPUTS: dict[str, type[BaseModel]] = {
    "analyse": AnalyseOutput,
    "compare": CompareOutput,
    "doctor": DoctorOutput,
    "export": ExportOutput,
    "expose": ExposeOutput,
    "latch": LatchOutput,
    "list": ListOutput,
    "locate": LocateOutput,
    "organisms-make": OrganismsMade,
    "organisms-score": OrganismsScored,
    "power": PowerOutput,
    "replicate": ReplicateOutput,
    "report": ReportOutput,
    "run": RunOutput,
    "show": ShowOutput,
    "study": StudyOutput,
    "sweep": SweepOutput,
    "verify": VerifyOutput,
    "view": ViewOutput,
}


def schema_of(command: str) -> dict[str, Any]:
    """The JSON schema of what a command prints with ``--json``."""
    schema = OUTPUTS[command].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"imprint/{command}/{VERSION}", **schema}


def text_of(command: str) -> str:
    """The schema as it stands in its file."""
    return json.dumps(schema_of(command), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in OUTPUTS:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
