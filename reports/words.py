"""Numbers and verdicts in words.

Missing is not zero: whatever is NaN reads ``not measured``. Shares are given in per cent, scores with two decimals, and
an interval always stands beside its estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

NOT_MEASURED = "not measured"

LATCH_WORDS = {
    "intended": "the value depends on the concept its author meant, and on little else that was looked for",
    "proxy": "the value depends on something that merely went along with the intended concept in training",
    "mixed": "the value depends on several concepts, and none of them dominates",
    "none": "the value depends on none of the concepts that were looked for",
    "undetermined": "the intervals are too wide, or straddle a threshold, so the rule gives no answer",
}

LOCATE_WORDS = {
    "present": "readable here, and better than from every floor: learned",
    "given by input": "readable, but no better than from the raw input history: not learned",
    "given untrained": "readable, but no better than in randomly initialised twins: not learned",
    "absent": "shown to be no better than chance by an equivalence test",
    "undetermined": "neither shown present nor shown absent",
    "not measurable": "the data cannot answer (for example one class only)",
}

MARKS = {
    "present": "●",
    "given by input": "i",
    "given untrained": "u",
    "absent": "–",
    "undetermined": "?",
    "not measurable": "×",
}


def measured(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return value is not None and not pd.isna(value) and math.isfinite(float(value))


def number(value: Any, *, signed: bool = False) -> str:
    """Two decimals, three below 0.1, none from 100 on; thousands separated. ``not measured`` for NaN."""
    if not measured(value):
        return NOT_MEASURED
    whole = isinstance(value, int | np.integer)
    value = float(value) + 0.0  # no minus before zero
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e7):
        return f"{value:{'+' if signed else ''}.2e}".replace("-", "\u2212")
    size = abs(value)
    digits = 0 if whole or value == 0 or size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", "\u2212")


def percent(value: Any) -> str:
    """A share as a percentage; ``not measured`` for NaN."""
    if not measured(value):
        return NOT_MEASURED
    digits = 1 if abs(100 * float(value)) < 9.95 else 0
    shown = round(100 * float(value), digits) + 0.0
    return f"{shown:.{digits}f}\u00a0%".replace("-", "\u2212")


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    shown = abs(100 * value)
    return f"{shown:.{1 if shown < 9.95 else 0}f} percentage points"


def interval(row: Mapping[str, Any] | pd.Series, *, share: bool = False, seeds: bool = False) -> str:
    """``0.62 (95 % interval 0.55 to 0.70)``; says so when estimate or interval was not measured."""
    show = percent if share else number
    text = show(row["estimate"])
    if text == NOT_MEASURED:
        return text
    both = measured(row["low"]) and measured(row["high"])
    parts = [f"95\u00a0% interval {show(row['low'])} to {show(row['high'])}" if both else "no interval"]
    if seeds and measured(row.get("seeds")):
        parts.append(plural(int(row["seeds"]), "training seed"))
    return f"{text} ({', '.join(parts)})"


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``6 seeds``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listing(names: Iterable[str]) -> str:
    """``a, b and c``."""
    items = list(names)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def quoted(names: Iterable[str]) -> str:
    """Names in quotation marks, as a list in words."""
    return listing(f"\u201c{name}\u201d" for name in names)


def age_words(age: Any) -> str:
    """``birth`` or ``76,800 experiences``."""
    if not measured(age):
        return "no single age"
    return "birth" if int(age) == 0 else f"{int(age):,} experiences"


def age_tick(age: Any) -> str:
    """Short age for an axis: ``birth``, ``960``, ``76.8k``."""
    value = int(age)
    if value == 0:
        return "birth"
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def counts(rows: pd.DataFrame) -> str:
    """Sample sizes behind ``rows``: ``n = 1,500 rows, 6 training seeds``; ranges where they differ."""
    parts = []
    for column, noun in (("n", "rows"), ("seeds", "training seeds")):
        values = rows[column].dropna() if column in rows else pd.Series(dtype="Int64")
        if values.empty:
            parts.append(f"{noun} not recorded")
            continue
        low, high = int(values.min()), int(values.max())
        shown = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        parts.append(f"n = {shown} {noun}" if column == "n" else f"{shown} {noun if high != 1 else noun[:-1]}")
    return ", ".join(parts)


def verdict_kind(verdict: str) -> str:
    """Key into :data:`LATCH_WORDS`: ``proxy:red`` -> ``proxy``."""
    return verdict.split(":", 1)[0].strip().lower()
