"""Leak checks: a concept is not called present on rows that are not independent.

Wherever a concept was found, the rows are searched for leaks (:mod:`imprint.probes.leaks`). Equal rows on both sides of
a split, one recording under two group names, and neighbouring rows that predict one another all make a probe look
better than it is, so ``present`` becomes ``undetermined`` with the reason. Rows whose order has been lost, and whose
groups were not given, cannot be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from imprint.probes.leaks import find_leaks

LEAK_ROWS = 2000
"""Leaks are looked for in at most this many first rows."""
LEAK_ALPHA = 0.01
"""Rate of false alarms of one kind of leak, over all concepts found."""
DEPENDENCE = ("duplicates", "shared groups", "dependent rows")
"""Leaks that make rows dependent, so that what was found is not shown."""


def leaks_of(
    activations: Mapping[str, Any], concepts: pd.DataFrame, groups: Any, table: pd.DataFrame, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Leaks of every concept that was found, at the site where it was read best."""
    found = table[table["verdict"] == "present"].sort_values("score", ascending=False).drop_duplicates("concept")
    rows = slice(LEAK_ROWS)
    labels = {str(name): concepts[name] for name in concepts.columns}
    return [
        {"concept": c, "site": s, "kind": leak.kind, "why": leak.why, "rows": len(leak.rows), "p_value": leak.p_value}
        for c, s in zip(found["concept"], found["site"], strict=True)
        for leak in find_leaks(
            np.asarray(activations[s], dtype=np.float32)[rows],
            labels[c].iloc[rows],
            groups=None if groups is None else np.asarray(groups)[rows],
            alpha=LEAK_ALPHA / len(found),
            rng=rng,
        )
    ]


def refused(table: pd.DataFrame, leaks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """No concept is called present on rows that are not independent; what else was noticed is added to the reason."""
    for leak in leaks:
        at = (table["concept"] == leak["concept"]) & (table["verdict"] == "present")
        if leak["kind"] in DEPENDENCE:
            table.loc[at, "verdict"] = "undetermined"
            table.loc[at, "why"] = f"{leak['kind']}: {leak['why']}"
        elif leak["kind"] == "unit is label":
            table.loc[at & (table["site"] == leak["site"]), "why"] += f"; {leak['why']}"
    return table
