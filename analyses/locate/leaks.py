"""Leak checks: a concept is not called present on rows that are not independent.

Wherever a concept is present, the rows are searched for leaks (:mod:`imprint.probes.samples.leaks`). Equal rows on both
sides of a split, one recording under two group names, and neighbouring rows that predict one another all make a probe
look better than it is, so ``present`` becomes ``undetermined`` with the reason. Rows whose order has been lost, and
whose groups were not given, cannot be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.models.errors import NotMeasurableError
from imprint.probes.samples.controls import Ints
from imprint.probes.samples.leaks import find_leaks

BLOCKS, BLOCK_ROWS = 20, 100
"""Leaks are looked for in 20 evenly spread runs of 100 neighbouring rows each, or in all rows if there are fewer."""
LEAK_ALPHA = 0.01
"""Rate of false alarms of one kind of leak, over all concepts found."""
UNSOUGHT = "not looked for"
"""Stands in place of a kind of leak when the rows looked at cannot show any."""
DEPENDENCE = ("duplicates", "shared groups", "dependent rows")
"""Leaks that make rows dependent, so that a score on them is no evidence."""


def leaks_of(
    activations: Mapping[str, Tensor],
    concepts: pd.DataFrame,
    table: pd.DataFrame,
    *,
    groups: Any,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Leaks of every concept that ``table`` calls present, at the site where it is read best.

    ``activations`` are on the CPU. Of a concept that does not vary among the rows looked at, for instance because its
    rare class is not among them, the row says that none were looked for.
    """
    present = table[table["verdict"] == "present"].sort_values("score", ascending=False).drop_duplicates("concept")
    rows = rows_examined(len(concepts))
    labels = {str(name): concepts[name] for name in concepts.columns}
    of_row = None if groups is None else np.asarray(groups)[rows]
    leaks: list[dict[str, Any]] = []
    for concept, site in zip(present["concept"], present["site"], strict=True):
        x, y = activations[site][torch.from_numpy(rows)], labels[concept].iloc[rows]
        where = {"concept": concept, "site": site}
        try:
            found = find_leaks(x, y, groups=of_row, alpha=LEAK_ALPHA / len(present), rng=rng)
        except NotMeasurableError as error:
            leaks.append({**where, "kind": UNSOUGHT, "why": str(error), "rows": 0, "p_value": float("nan")})
            continue
        leaks += [{**where, "kind": k.kind, "why": k.why, "rows": len(k.rows), "p_value": k.p_value} for k in found]
    return leaks


def rows_examined(n: int) -> Ints:
    """Numbers of the rows that are looked at, ascending."""
    if n <= BLOCKS * BLOCK_ROWS:
        return np.arange(n, dtype=np.int64)
    starts = np.linspace(0, n - BLOCK_ROWS, BLOCKS).astype(np.int64)
    return (starts[:, None] + np.arange(BLOCK_ROWS)).ravel()


def refused(table: pd.DataFrame, leaks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table with ``present`` taken back on rows that are not independent; other leaks are added to the reason."""
    for leak in leaks:
        at = (table["concept"] == leak["concept"]) & (table["verdict"] == "present")
        if leak["kind"] in DEPENDENCE:
            table.loc[at, "verdict"] = "undetermined"
            table.loc[at, "why"] = f"{leak['kind']}: {leak['why']}"
        elif leak["kind"] == UNSOUGHT:
            table.loc[at, "why"] += f"; leaks were not looked for ({leak['why']})"
        elif leak["kind"] == "unit is label":
            table.loc[at & (table["site"] == leak["site"]), "why"] += f"; {leak['why']}"
    return table
