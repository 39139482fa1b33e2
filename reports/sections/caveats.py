"""What this run cannot say, read off the data rather than recited."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from imprint.reports.parts import Table
from imprint.reports.reading.agents import unsure
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records
from imprint.reports.sections.base import Section
from imprint.reports.words import LOCATE_WORDS, measured, percent, quoted

FEW_SEEDS = 8
LARGE_RESIDUAL = 0.2
LARGE_ERROR = 0.05


class Caveats(Section):
    """Sentences, and the list of what could not be measured."""

    order: ClassVar[int] = 90
    title: ClassVar[str] = "Caveats"
    short: ClassVar[str] = "Caveats"

    def collect(self, run: RunData) -> dict[str, Any]:
        """Sentences and a table of what is missing."""
        return {
            "sentences": [*replication(run), *instruments(run), *part(run), *cells(run), *scope(run)],
            "tables": unmeasured(run),
        }


def replication(run: RunData) -> list[str]:
    """Too few training seeds, or seeds that were lost."""
    count = len(run.seeds)
    found = []
    if count <= 1:
        found.append("One training seed or none recorded: nothing here says how another training run would come out.")
    elif count < FEW_SEEDS:
        found.append(f"Only {count} training seeds: intervals over seeds are rough below {FEW_SEEDS}.")
    words = {w for w in last_age(run.per_seed("latch", "latch"))["verdict"] if w}
    if len(words) > 1:
        found.append(
            f"Training seeds disagree ({quoted(sorted(words))}): the pooled verdict does not hold for each of them."
        )
    return found


def instruments(run: RunData) -> list[str]:
    """Readout, and how far attributions fall short of adding up."""
    readout = str(run.part("evaluation").get("readout") or "linear")
    found = [
        f"Concepts are read with a linear readout ({readout}): a concept coded otherwise can be there and be missed."
    ]
    values = run.arrays("attribution", ("completeness_error",)).values
    if values:
        error = np.abs(np.asarray(values["completeness_error"], dtype=float))
        gap = (
            np.nan_to_num(np.abs(values["value"] - values["baseline_value"]))
            if {"value", "baseline_value"} <= values.keys()
            else error * 0
        )
        scale = float(np.median(gap)) or 1.0
        worst = float(np.nanmax(error)) / scale if np.isfinite(error).any() else float("nan")
        if measured(worst):
            judged = "small" if worst <= LARGE_ERROR else "read the overlays as approximate"
            found.append(
                f"Attributions miss the change of value that they should add up to by at most {percent(worst)} of "
                f"its median: {judged}."
            )
    return found


def part(run: RunData) -> list[str]:
    """What lies between the numbers: unexplained shares of a value, or lost competence of agents."""
    return unsure(run) if run.agents else shares(run)


def shares(run: RunData) -> list[str]:
    """What no single concept explains."""
    rows = last_age(run.pooled("latch", "share")).drop_duplicates("concept", keep="last")
    part = {row.concept: row.estimate for row in records(rows) if measured(row.estimate)}
    found = []
    if part.get("(residual)", 0.0) > LARGE_RESIDUAL:
        found.append(
            f"{percent(part['(residual)'])} of the value's variance follows neither the intended concept nor a proxy "
            "(another concept, appearance, noise, or something unnamed)."
        )
    if part.get("(interaction)", 0.0) > LARGE_RESIDUAL:
        found.append(
            f"{percent(part['(interaction)'])} of the value's variance comes from concepts together, "
            "and belongs to none of them alone."
        )
    return found


def cells(run: RunData) -> list[str]:
    """Cells of the grid without a clear answer."""
    words = run.pooled("locate", "selectivity")["verdict"]
    count = int((words == "undetermined").sum())
    if not count:
        return []
    return [
        f"{count:,} of {len(words):,} cells of the what-when-where grid are undetermined: "
        f"{LOCATE_WORDS['undetermined']}."
    ]


def scope(run: RunData) -> list[str]:
    """One world, one learner, one place where the value is read."""
    names = ("environment", "agent") if run.agents else ("world", "learner")
    kinds = [str(run.part(key).get("kind") or "") for key in names]
    if not all(kinds):
        return [f"{names[0].capitalize()} and {names[1]} are not recorded, so how far the result carries is not known."]
    first = f"One {names[0]} ({kinds[0]}) and one kind of {names[1]} ({kinds[1]}): the result need not carry over."
    if run.agents:
        return [
            first,
            "Only the intended goal and the proxies that the setup names are told apart: an agent that pursues a third "
            "thing looks incapable, or as if it pursued what lies on the way.",
            "Erasing removes what can be read linearly at one place; an agent may find its goal by another code.",
        ]
    return [
        first,
        "The verdict weighs only the intended concept and the proxies that the setup names; "
        "a proxy nobody thought of shows up as residual at best.",
    ]


def unmeasured(run: RunData) -> list[Table]:
    """Everything over seeds that could not be measured, with its reason."""
    rows = run.findings
    lost = rows[rows["seed"].isna() & (rows["estimate"].isna() | (rows["verdict"] == "not measurable"))]
    if lost.empty:
        return []
    table = lost[["analysis", "metric", "concept", "site", "age", "control", "why"]].assign(
        why=lost["why"].replace("", "no reason recorded")
    )
    return [Table("caveats-unmeasured", "What was not measured, and why", table)]
