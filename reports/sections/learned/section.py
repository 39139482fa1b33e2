"""How each competence was learned: from which ground truth, from where, and what prevents it."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd

from imprint.analyses.audit.runs import OfRun, audited
from imprint.analyses.statistics import Estimate
from imprint.reports.parts import Table
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, bracketed, measured, number

NOTHING = "–"


class Learned(Section):
    """A table with a line for every competence."""

    order: ClassVar[int] = 34
    title: ClassVar[str] = "How it was learned"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """The table, and how many competences have a ground truth; nothing for studies, whose training is not ours."""
        if run.study or not run.setup:
            return None
        found = audited(run.findings, run.setup)
        if not found:
            return {"missing": ["The findings hold no competence beside a learner or agent that learned nothing."]}
        named = [one for one in found if one.audited.truths]
        gist = f"{len(named)} of {len(found)} competences have a ground truth that can be named"
        if named:
            gist += f": {'; '.join(dict.fromkeys(one.audited.truths[0].words for one in named))}"
        table = pd.DataFrame([_line(one) for one in found])
        shown = Table("learned-competences", "Every competence, and what prevents it", table, open=True)
        return {"tables": [shown], "gist": f"{gist}.", "agents": run.agents}


def _line(one: OfRun) -> dict[str, str]:
    found, competence = one.audited, one.audited.competence
    named = found.truths or found.by_way_of  # what each is stands above the table
    truth = ", ".join(source.name for source in named)
    if found.unsettled:
        truth += f"; open: {', '.join(source.name for source in found.unsettled)}"
    if found.origin == "learned, open from what":
        truth = f"one or more of: {', '.join(source.name for source in competence.sources)}"
    known = measured(competence.age) and found.origin not in ("not there", "undetermined")
    left = next(iter(competence.lesions.values()), None)
    return {
        "competence": competence.name,
        "origin": found.origin,
        "ground truth": truth or NOTHING,
        "how much": _shown(competence.whole),
        "after the lesion": NOTHING if left is None else _shown(left),
        "since": age_words(competence.age) if known else NOTHING,
        "lesion": NOTHING if left is None else one.lesion,
        "where it comes from": "; ".join(source.module for source in named) or NOTHING,
    }


def _shown(found: Estimate) -> str:
    """A number with its interval where it has one."""
    return bracketed(found.value, found.low, found.high) if found.low < found.high else number(found.value)
