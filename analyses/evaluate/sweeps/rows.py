"""The row of one cell in the frame of a sweep, from a verdict, from the findings of a run, or from a failure.

cell                                number of the cell
one column for each key of the grid, named by it; text where not all of its values are numbers
verdict, words, probability         word, words that together are certain enough, probability of the likeliest
probability|<word>                  of every word that any cell gave probability to
leads                               concept with the largest share
dominance, dominance_low, _high     of the intended concept, with its 95 % interval
dominance|<concept>                 of every declared concept
causal_share                        of the intended concept: variance that changing it alone causes, part of all
wanting, wanting_low, _high         of agents: what erasing the intended goal costs
latch_age                           first age from which on the word of the verdict is the likeliest
seeds, diverged                     seeds behind the verdict; seeds that diverged
error                               why there are no numbers; empty where there are
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.sweeps.plan import Plan, SweptCell
from imprint.analyses.latch.decision import Judgement
from imprint.analyses.latch.pooling import Pooled
from imprint.analyses.latch.profile import split
from imprint.analyses.verdicts import UNDETERMINED, latch_age, smallest_set
from imprint.models.files import plain_data

NUMBERS = ("causal_share", "wanting", "wanting_low", "wanting_high", "latch_age")
COLUMNS = (
    *("verdict", "words", "probability", "leads", "dominance", "dominance_low", "dominance_high"),
    *(*NUMBERS, "seeds", "diverged", "error"),
)
"""Columns that every sweep has, besides those of the grid, the words and the concepts."""
TEXTS = ("verdict", "words", "leads", "error")


def judged_row(
    cell: SweptCell, by_age: Mapping[int, tuple[Pooled, Judgement]], last: int, *, diverged: int
) -> dict[str, Any]:
    """Row of verdicts at some ages, the ``last`` planned one among them."""
    pooled, judged = by_age[last]
    likeliest = {age: next(iter(word.probabilities)) for age, (_, word) in by_age.items()}
    table = judged.dominance.set_index("concept")
    return {
        "cell": cell.number,
        **_worded(judged.verdict, judged.probabilities, judged.words),
        "leads": judged.leads[0],
        **_dominating(cell, table),
        "causal_share": float(split(pooled.estimate)[2][0]),
        "latch_age": latch_age(likeliest, judged.verdict),
        "seeds": pooled.seeds,
        "diverged": diverged,
        "error": "",
    }


def row_of_run(cell: SweptCell, run: Run) -> dict[str, Any]:
    """Row of a cell that is a run of its own, from its findings."""
    table, last = run.findings, run.setup.planned[-1] if hasattr(run.setup, "planned") else None
    rows = table[(table["analysis"] == "latch") & table["seed"].isna()]
    now = rows[rows["age"] == last]
    said = rows[rows["metric"] == "probability"]
    of_age = {age: said[said["age"] == age] for age in said["age"].astype(int).unique().tolist()}
    words = {age: dict(zip(part["control"], part["estimate"], strict=True)) for age, part in of_age.items()}
    probabilities = {UNDETERMINED: 1.0} if last is None else words.get(last, {UNDETERMINED: 1.0})
    certain = run.setup.decision.certain
    leads = now[now["metric"] == "leads"]["concept"]
    wanting = now[(now["metric"] == "wanting") & (now["concept"] == cell.setup.intended)]
    wants = {} if wanting.empty else {f"wanting{end}": wanting.iloc[0][column] for end, column in ENDS}
    likeliest = {age: next(iter(chances)) for age, chances in words.items()}
    diverged = table[table["metric"] == "diverged"]
    failed = "; ".join(f"{item['cell']}: {item['error']}" for item in run.record["failed"])
    latch = run.latch_row()
    return {
        "cell": cell.number,
        **_worded(run.verdict, probabilities, smallest_set(probabilities, certain)),
        "leads": leads.iloc[0] if len(leads) else "",
        **_dominating(cell, now[now["metric"] == "dominance"].set_index("concept")),
        **wants,
        "latch_age": latch_age(likeliest, run.verdict) if len(likeliest) > 1 else np.nan,
        "seeds": 0 if latch is None or pd.isna(latch["seeds"]) else int(latch["seeds"]),
        "diverged": len(diverged[diverged["seed"].notna()]),
        "error": failed,
    }


def failed_row(cell: SweptCell, error: str, *, verdict: str | None = None, diverged: int = 0) -> dict[str, Any]:
    """Row of a cell without numbers, with the reason."""
    return {"cell": cell.number, "verdict": verdict, "seeds": 0, "diverged": diverged, "error": error}


def frame_of_cells(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each cell of the plan; numbers that a cell does not have are missing, and so are no words."""
    found = pd.DataFrame(rows).set_index("cell").reindex(range(len(plan.cells)))
    for name in COLUMNS:
        if name not in found:
            found[name] = None if name in TEXTS else np.nan
    words = sorted(name for name in map(str, found) if name.startswith("probability|"))
    concepts = dict.fromkeys(
        f"dominance|{name}" for cell in plan.cells for name in (cell.setup.intended, *cell.setup.proxies)
    )
    judged = found["probability"].notna()
    found[words] = found[words].astype(float).where(found[words].notna() | ~judged.to_numpy()[:, None], 0.0)
    keys = pd.DataFrame(
        {key: written([cell.values[key] for cell in plan.cells]) for key in plan.grid}, index=found.index
    )
    numbers = [name for name in (*COLUMNS, *concepts) if name not in (*TEXTS, "seeds", "diverged")]
    found = found.reindex(columns=[*COLUMNS, *words, *concepts]).astype(dict.fromkeys(numbers, float))
    found = found.astype({"seeds": "int64", "diverged": "int64"} | dict.fromkeys(TEXTS, "object"))
    return pd.concat([keys, found], axis=1).rename_axis("cell").reset_index()


def written(values: Sequence[Any]) -> list[Any]:
    """Values of a key as a column holds them: numbers, or else the text of each as the command line takes it."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    truth = all(isinstance(value, bool) for value in values)
    return list(values) if numeric or truth else [text_of(value) for value in values]


def text_of(value: Any) -> str:
    """A value as text: None is ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(plain_data(value, "a value"))


ENDS = (("", "estimate"), ("_low", "low"), ("_high", "high"))


def _worded(verdict: str, probabilities: Mapping[str, float], words: Sequence[str]) -> dict[str, Any]:
    about = {"verdict": verdict, "words": ", ".join(words), "probability": next(iter(probabilities.values()))}
    return {**about, **{f"probability|{word}": chance for word, chance in probabilities.items()}}


def _dominating(cell: SweptCell, table: pd.DataFrame) -> dict[str, Any]:
    """Dominance of the intended concept with its interval, and of every concept; ``table``: concept -> numbers."""
    value = "dominance" if "dominance" in table else "estimate"
    setup, row = cell.setup, {}
    if setup.intended in table.index:
        intended = table.loc[setup.intended]
        row = {"dominance": intended[value], "dominance_low": intended["low"], "dominance_high": intended["high"]}
    each = {f"dominance|{c}": table.loc[c, value] for c in (setup.intended, *setup.proxies) if c in table.index}
    return {**row, **each}
