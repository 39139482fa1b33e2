"""The metrics that analyses of runs declare, read without importing what an analysis needs.

An analysis of a run declares its metrics in a module-level ``METRICS`` beside the code that makes its rows:
analysis -> name of a metric -> sentence. A question declares its own on its class.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache

from imprint.models.registry import folders_of

Metrics = Mapping[str, str]
"""Name of a metric -> what it is."""


@cache
def metrics_of_runs() -> dict[str, Metrics]:
    """Analysis of a run -> its metrics, read from every ``METRICS`` of this room without importing it."""
    files = (file for folder in folders_of("imprint.analyses") for file in sorted(folder.glob("*/*.py")))
    texts = (text for file in files if "\nMETRICS" in (text := file.read_text(encoding="utf-8")))
    found: dict[str, Metrics] = {}
    for statement in (statement for text in texts for statement in ast.parse(text).body):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "METRICS":
            for analysis, metrics in ast.literal_eval(statement.value).items():
                found[analysis] = {**found.get(analysis, {}), **metrics}
    return found
