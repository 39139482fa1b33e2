"""Findings: one typed table of evidence, one row per number, the same for every analysis.

Missing is not zero: what could not be measured is NaN with its count and a reason, and travels all the way to the page.

Columns (``COLUMNS`` gives types):

analysis    which analysis of a run (``locate``, ``latch``, ``behaviour``, ...) or which question
setup       run name
concept     concept, or ``(interaction)`` / ``(residual)`` for parts of the value's variance
site        ``hook@moment``; empty when not about one site
age         experiences lived; NaN when not about one age
seed        training seed; NaN for a row over all seeds
world       world of the seed, or of the row; NaN over all worlds, and where all seeds share one
metric      what ``estimate`` is
estimate, low, high     number and its 95 % interval
n, seeds    rows and training seeds behind it
control     which comparison a control row is
p_value, q_value        one-sided p and its Benjamini-Hochberg correction over the analysis's whole grid
verdict, why            a word from the analysis's list, and its reason in a sentence

Every analysis declares its metrics, name -> sentence: a question on its class, an analysis of a run in a module-level
``METRICS`` beside the code that makes its rows. Rows with other metrics are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from imprint.analyses.metrics import Metrics, metrics_of_runs
from imprint.models.errors import unknown_name

COLUMNS: dict[str, str] = {
    "analysis": "string",
    "setup": "string",
    "concept": "string",
    "site": "string",
    "age": "Int64",
    "seed": "Int64",
    "world": "Int64",
    "metric": "string",
    "estimate": "float64",
    "low": "float64",
    "high": "float64",
    "n": "Int64",
    "seeds": "Int64",
    "control": "string",
    "p_value": "float64",
    "q_value": "float64",
    "verdict": "string",
    "why": "string",
}


def findings(
    rows: Iterable[Mapping[str, Any]] | pd.DataFrame, declared: Mapping[str, Metrics] | None = None
) -> pd.DataFrame:
    """A findings table with every column in order and typed.

    ``declared``: analysis -> metrics of analyses that are none of a run's, as a question declares its own; rows of an
    analysis that nobody declares are not checked. Raises ``KeyError`` for an unknown column and
    :class:`UnknownNameError` for a metric that its analysis does not declare.
    """
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if unknown := sorted(set(table.columns) - COLUMNS.keys()):
        raise KeyError(f"findings have no column {unknown[0]!r}; columns: {', '.join(COLUMNS)}")
    table = table.reindex(columns=list(COLUMNS)).astype(COLUMNS).reset_index(drop=True)
    known = {**metrics_of_runs(), **(declared or {})}
    for analysis, metric in table[["analysis", "metric"]].dropna().drop_duplicates().itertuples(index=False):
        if analysis in known and metric not in known[analysis]:
            raise unknown_name(f"metric of {analysis}", metric, known[analysis])
    return table
