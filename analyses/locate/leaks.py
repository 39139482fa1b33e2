"""Leak checks: a concept is not called present on rows that are not independent.

Wherever a concept was found, the rows are searched for leaks (:mod:`imprint.probes.samples.leaks`). Equal rows on both
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
"""Leaks are looked for in so many runs of neighbouring rows, spread evenly (all rows, when there are no more)."""
LEAK_ALPHA = 0.01
"""Rate of false alarms of one kind of leak, over all concepts found."""
UNSOUGHT = "not looked for"
"""What is said instead of a kind of leak when the rows looked at cannot show any."""
DEPENDENCE = ("duplicates", "shared groups", "dependent rows")
"""Leaks that make rows dependent, so that what was found is not shown."""


def leaks_of(
    activations: Mapping[str, Tensor],
    concepts: pd.DataFrame,
    groups: Any,
    table: pd.DataFrame,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Leaks of every concept that was found, at the site where it was read best; ``activations`` lie on the processor.

    Of a concept that does not vary among the rows looked at, for instance because its rare class is not among them, it
    is said that none were looked for.
    """
    found = table[table["verdict"] == "present"].sort_values("score", ascending=False).drop_duplicates("concept")
    rows = _spread(len(concepts))
    labels = {str(name): concepts[name] for name in concepts.columns}
    of_row = None if groups is None else np.asarray(groups)[rows]
    seen = []
    for concept, site in zip(found["concept"], found["site"], strict=True):
        x, y = activations[site][torch.from_numpy(rows)], labels[concept].iloc[rows]
        try:
            leaks = find_leaks(x, y, groups=of_row, alpha=LEAK_ALPHA / len(found), rng=rng)
        except NotMeasurableError as error:
            unsought = {"kind": UNSOUGHT, "why": str(error), "rows": 0, "p_value": float("nan")}
            seen.append({"concept": concept, "site": site, **unsought})
            continue
        seen += [
            {"concept": concept, "site": site, "kind": k.kind, "why": k.why, "rows": len(k.rows), "p_value": k.p_value}
            for k in leaks
        ]
    return seen


def _spread(n: int) -> Ints:
    """Numbers of the rows that are looked at, ascending."""
    if n <= BLOCKS * BLOCK_ROWS:
        return np.arange(n, dtype=np.int64)
    starts = np.linspace(0, n - BLOCK_ROWS, BLOCKS).astype(np.int64)
    return (starts[:, None] + np.arange(BLOCK_ROWS)).ravel()


def refused(table: pd.DataFrame, leaks: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """No concept is called present on rows that are not independent; what else was noticed is added to the reason."""
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
