"""What this run cannot say, read off its data."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from imprint.reports.answers.located import MEANINGS
from imprint.reports.parts import Table
from imprint.reports.reading.agents import where_apart
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age, records, row_of
from imprint.reports.sections.base import Section
from imprint.reports.words import measured, percent, plural, quoted

FEW_SEEDS = 8
LARGE_RESIDUAL = 0.2
LARGE_ERROR = 0.05
LARGE_LOSS = 0.1
"""Of a rate, from training to levels in which the goals are in different places."""


class Caveats(Section):
    """Sentences, and the list of what could not be measured."""

    order: ClassVar[int] = 90
    title: ClassVar[str] = "Caveats"

    def collect(self, run: RunData) -> dict[str, Any]:
        """Sentences and a table of what is missing."""
        unexplained = lost_competence(run) if run.agents else shares(run)
        limits = [str(why) for why in run.pooled("latch", "limit")["why"]]
        sentences = [*limits, *replication(run), *instruments(run), *unexplained, *cells(run), *scope(run)]
        gist = f"{plural(len(sentences), 'sentence')} that put the verdict in doubt or bound it."
        return {"sentences": sentences, "tables": unmeasured(run), "gist": gist}


def replication(run: RunData) -> list[str]:
    """Too few training seeds, or seeds that disagree."""
    count = len(run.seeds)
    texts = []
    if count <= 1:
        texts.append("One training seed or none recorded: nothing here says how another training run would come out.")
    elif count < FEW_SEEDS:
        texts.append(f"Only {count} training seeds: intervals over seeds are rough below {FEW_SEEDS}.")
    verdicts = {verdict for verdict in last_age(run.per_seed("latch", "latch"))["verdict"] if verdict}
    if len(verdicts) > 1:
        disagree = f"Training seeds disagree ({quoted(sorted(verdicts))})"
        texts.append(f"{disagree}: the verdict over all seeds does not hold for each of them.")
    return texts


def instruments(run: RunData) -> list[str]:
    """Readout, and how far attributions fall short of adding up."""
    readout = str(run.part("evaluation").get("readout") or "linear")
    texts = [
        f"Concepts are read with a linear readout ({readout}): a concept that is coded otherwise can be there and be "
        "missed."
    ]
    values = run.arrays("attribution", ("completeness_error",)).values
    if values:
        error = np.abs(np.asarray(values["completeness_error"], dtype=float))
        ends = [values.get(key, np.zeros(len(error))) for key in ("value", "baseline_value")]
        scale = float(np.median(np.nan_to_num(np.abs(ends[0] - ends[1])))) or 1.0
        worst = float(np.nanmax(error)) / scale if np.isfinite(error).any() else float("nan")
        if measured(worst):
            judged = "small" if worst <= LARGE_ERROR else "read the overlays as approximate"
            texts.append(
                f"Attributions miss the change of value that they should add up to by at most {percent(worst)} of "
                f"its median: {judged}."
            )
    return texts


def lost_competence(run: RunData) -> list[str]:
    """Whether agents are less capable where the goals are apart than they were in training."""
    apart = row_of(last_age(where_apart(run, "capability")))
    training = row_of(last_age(run.pooled("lifetime", "training_success")))
    if apart is None or training is None or not training["estimate"] - apart["estimate"] >= LARGE_LOSS:
        return []
    return [
        f"In training the agents succeed in {percent(training['estimate'])} of episodes, but where goal and proxy are "
        f"in different places they reach either in only {percent(apart['estimate'])} of levels: part of what looks "
        "like another goal is lost competence."
    ]


def shares(run: RunData) -> list[str]:
    """What no single concept explains."""
    share = {row.concept: row.estimate for row in records(last_age(run.pooled("latch", "share")))}
    meanings = {
        "(residual)": "follows neither the intended concept nor a proxy (another concept, appearance, noise, or "
        "something unnamed)",
        "(interaction)": "comes from concepts together, and belongs to none of them alone",
    }
    return [
        f"{percent(share[part])} of the value's variance {meaning}."
        for part, meaning in meanings.items()
        if share.get(part, 0.0) > LARGE_RESIDUAL
    ]


def cells(run: RunData) -> list[str]:
    """Sites and ages without a clear answer."""
    verdicts = run.pooled("locate", "selectivity")["verdict"]
    count = int((verdicts == "undetermined").sum())
    if not count:
        return []
    return [
        f"Of {len(verdicts):,} combinations of concept, site and age, {count:,} are undetermined: "
        f"{MEANINGS['undetermined']}."
    ]


def scope(run: RunData) -> list[str]:
    """One world, one learner, one place where the value is read."""
    if run.study:
        return studied(run)
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
            "Erasing removes what can be read linearly at one site; an agent may find its goal by another code.",
        ]
    return [
        first,
        "The verdict weighs only the intended concept and the proxies that the setup names; "
        "a proxy that nobody thought of shows up as residual at best.",
    ]


def studied(run: RunData) -> list[str]:
    """How far the result of a study carries, and that nobody saw what was left out of it."""
    given, subjects = run.record.get("subjects"), "models"
    if isinstance(given, list) and given and run.study == "world":
        subjects = f"models ({', '.join(map(str, given))})"
    if run.agents:
        kind = run.part("environment").get("kind")
        return [
            f"One environment ({kind}) and one kind of agents ({', '.join(map(str, given or ['unknown']))}): the "
            "result need not carry over.",
            "The agents were trained elsewhere. Seeds and ages are those that were added; that none was left out "
            "cannot be seen from here.",
            "Only the goals that the study names are told apart: an agent that pursues a third thing looks "
            "incapable, or as if it pursued what lies on the way.",
            "Erasing removes what can be read linearly at one site; an agent may find its goal by another code.",
        ]
    where = f"One world ({run.part('world').get('kind')})" if run.study == "world" else "One table of labels"
    return [
        f"{where} and one kind of {subjects}: the result need not carry over.",
        "The models were trained elsewhere. Seeds and ages are those that were added; that none was left out cannot be "
        "seen from here.",
        "The verdict weighs only the intended concept and the proxies that the study names; "
        "a proxy that nobody thought of shows up as residual at best.",
    ]


def unmeasured(run: RunData) -> list[Table]:
    """Everything over seeds that could not be measured, with its reason."""
    rows = run.findings
    lost = rows[rows["seed"].isna() & (rows["estimate"].isna() | (rows["verdict"] == "not measurable"))]
    if lost.empty:
        return []
    why = lost["why"].replace("", "no reason recorded")
    table = lost[["analysis", "metric", "concept", "site", "age", "control"]].assign(why=why)
    return [Table("caveats-unmeasured", "What was not measured, and why", table)]
