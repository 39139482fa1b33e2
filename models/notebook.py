"""How a result shows itself in a notebook: one sentence, then one table, as HTML that needs nothing else.

Styles stand in the elements and there is no script, so that viewers which strip both (GitHub's among them) show the
same; colours are the viewer's own, for light and dark. Every name is taken literally.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

ROWS = 20
"""Rows of a table that are shown."""
CELL = "padding:.2em .8em .2em 0;border-bottom:1px solid rgba(128,128,128,.35);vertical-align:top"


def card(first: str, sentences: Sequence[str], table: pd.DataFrame, caption: str = "") -> str:
    """One block of HTML: a ``first`` sentence that answers, further ones, and a table, of which 20 rows are shown.

    Numbers have three decimals, and what is missing says so. An empty table is left out.
    """
    parts = [f'<p style="margin:0 0 .4em"><strong>{escape(first)}</strong></p>']
    parts += [f'<p style="margin:0 0 .4em">{escape(text)}</p>' for text in sentences if text]
    if len(table):
        parts.append(_table(table, caption))
    return f'<div style="max-width:60em">{"".join(parts)}</div>'


def _table(table: pd.DataFrame, caption: str) -> str:
    numeric = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in table.dtypes]
    sides = [f"text-align:{'right' if number else 'left'};{CELL}" for number in numeric]
    names = zip(table.columns, sides, strict=True)
    head = "".join(f'<th scope="col" style="{side}">{escape(str(name))}</th>' for name, side in names)
    rows = [
        "".join(f'<td style="{side}">{escape(_text(value))}</td>' for value, side in zip(row, sides, strict=True))
        for row in table.head(ROWS).itertuples(index=False, name=None)
    ]
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    more = len(table) - len(rows)
    said = " ".join(text for text in (caption, f"({more:,} more rows)" if more > 0 else "") if text)
    below = f'<p style="margin:0;font-size:.85em">{escape(said)}</p>' if said else ""
    style = "border-collapse:collapse;font-size:.9em;margin:.2em 0"
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}'


def _text(value: Any) -> str:
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return "not measured"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def ranged(table: pd.DataFrame, name: str, low: str = "low", high: str = "high") -> pd.Series:
    """Estimates with their intervals as text, ``0.62 [0.55, 0.70]``; estimates alone where there is no interval."""
    rows = zip(table[name], table[low], table[high], strict=True)
    texts = [f"{_text(e)} [{_text(a)}, {_text(b)}]" if pd.notna(a) and pd.notna(b) else _text(e) for e, a, b in rows]
    return pd.Series(texts, index=table.index, dtype=object)
