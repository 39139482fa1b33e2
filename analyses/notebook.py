"""How a result shows itself in a notebook: a heading, sentences and tables as HTML, with every name taken literally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd


def card(heading: str, sentences: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> str:
    """One block of HTML; tables are shown with three decimals, and those without rows left out."""
    parts = [f"<h4>{escape(heading)}</h4>", *(f"<p>{escape(text)}</p>" for text in sentences if text)]
    for name, table in tables.items():
        if len(table):
            shown = table.to_html(
                index=False, border=0, na_rep="not measured", float_format="{:.3f}".format, escape=True
            )
            parts.append(f"<p><b>{escape(name)}</b></p>{shown}")
    return "\n".join(parts)
