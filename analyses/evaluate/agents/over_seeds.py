"""Numbers of several agents, over them."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.evaluate.procedure import independent
from imprint.analyses.findings import findings
from imprint.analyses.statistics import mean_of_known

RATES = ("capability", "goal", "proxy", "habit", "interchange")
"""Metrics that are parts of levels."""


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Every number that several seeds (or twins) have, over them."""
    table = table[table["analysis"].isin(["behaviour", "critic", "causal", "lifetime"])]
    keys = ["analysis", "metric", "concept", "control", "age"]
    rows = []
    for key, part in table.groupby(keys, dropna=False, sort=False):
        about = dict(zip(keys, key, strict=True))
        known = part["n"].dropna()
        levels = int(known.min()) if len(known) and about["metric"] in RATES else 0
        over = mean_of_known(independent(part), levels, share=about["metric"] in ("latch_index", "r2"))
        why = "; ".join(dict.fromkeys(part["why"].dropna())) if not over.n else ""
        counts = {"n": int(known.sum()) if len(known) else None, "seeds": int(part["estimate"].notna().sum())}
        rows.append({**about, **over.row(), **counts, "why": why or None})
    return findings(rows)
