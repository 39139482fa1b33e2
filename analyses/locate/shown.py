"""How the table of ``imprint.locate`` shows itself in a notebook: what can be read, in a sentence, then the table."""

from __future__ import annotations

import pandas as pd

from imprint.models.notebook import card, ranged

SHOWN = ("concept", "site", "score", "null", "untrained", "inputs", "q_value", "verdict")
"""Columns of the card, in this order; ``score`` with its interval."""


def shown_as_card(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, of no other type, which a notebook shows as a card; what is derived from it has pandas' own."""
    object.__setattr__(table, "_repr_html_", lambda: located_card(table))
    return table


def located_card(table: pd.DataFrame) -> str:
    """The card: each concept's best site with its probability under chance, then all cells, the surest first."""
    if not {*SHOWN, "low", "high", "selectivity"} <= set(table.columns):  # columns were taken away since
        return str(table.to_html(max_rows=20))
    ordered = table.sort_values("selectivity", ascending=False, kind="stable")
    found = ordered[ordered["verdict"].isin(("present", "present, not linear"))]
    best = found.drop_duplicates("concept")
    read = [
        f"“{row.concept}” at {row.site} (score {row.score:.2f}, {row.selectivity:.2f} above the highest floor, "
        f"q = {row.q_value:.2g})"
        for row in best.itertuples()
    ]
    others = [str(name) for name in dict.fromkeys(table["concept"]) if name not in set(best["concept"])]
    more = f"; and {len(read) - 5} more" if len(read) > 5 else ""
    first = f"Present beyond every floor: {'; '.join(read[:5])}{more}." if read else "No concept is present anywhere."
    rest = f"Present nowhere: {', '.join(others[:20])}{' ...' if len(others) > 20 else ''}." if others and read else ""
    shown = ordered.assign(score=ranged(ordered, "score"))[list(SHOWN)].rename(columns={"q_value": "q"})
    floors = [name for name in ("untrained", "inputs") if table[name].isna().all()]
    missing = f"Not measured: the floor “{'” and “'.join(floors)}”." if floors else ""
    return card(
        first, [rest, missing, *map(str, table.attrs.get("caveats", ()))], shown, "The highest selectivity first."
    )
