"""Numbers, intervals, ages and counts in words, the same for pages, terminal and Markdown.

What was not measured reads ``not measured`` and never zero. Shares and rates are given in per cent, other numbers with
two decimals or more, and an interval stands beside its estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pandas as pd

NOT_MEASURED = "not measured"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNIT: ContextVar[str] = ContextVar("unit of ages", default="experiences")
"""What the ages of the run at hand count; a study says it (:func:`counted_in`)."""


def measured(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return value is not None and not pd.isna(value) and math.isfinite(float(value))


def number(value: Any, *, signed: bool = False) -> str:
    """Two decimals, three below 0.1, four below 0.001, none from 100 on; thousands separated. ``not measured`` for NaN.

    What is smaller still, or very large, is given with its power of ten.
    """
    if not measured(value):
        return NOT_MEASURED
    whole = isinstance(value, int | np.integer)
    value = float(value) + 0.0  # no minus before zero
    size, sign = abs(value), "+" if signed else ""
    if value != 0 and (size < 5e-5 or size >= 1e7):
        mantissa, power = f"{value:{sign}.1e}".split("e")
        return f"{mantissa}\u00a0×\u00a010{str(int(power)).translate(RAISED)}".replace("-", "\u2212")
    few = 3 if size >= 1e-3 else 4
    digits = 0 if whole or value == 0 or size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else few
    return f"{value:{sign},.{digits}f}".replace("-", "\u2212")


def percent(value: Any) -> str:
    """A share as a percentage, with one decimal below 10 %; ``not measured`` for NaN."""
    if not measured(value):
        return NOT_MEASURED
    digits = 1 if abs(100 * float(value)) < 9.95 else 0
    shown = round(100 * float(value), digits) + 0.0  # no minus before zero
    return f"{shown:.{digits}f}\u00a0%".replace("-", "\u2212")


def probability(value: Any) -> str:
    """A probability that was counted on draws, which never says 0 or 1; ``not measured`` for NaN."""
    if not measured(value):
        return NOT_MEASURED
    return "> 99\u00a0%" if value > 0.99 else "< 1\u00a0%" if value < 0.01 else f"{100 * float(value):.0f}\u00a0%"


def points(value: Any) -> str:
    """The size of a difference of shares in percentage points; ``not measured`` for NaN."""
    if not measured(value):
        return NOT_MEASURED
    shown = abs(100 * float(value))
    return f"{shown:.{1 if shown < 9.95 else 0}f} percentage points"


def interval(row: Mapping[str, Any] | pd.Series, *, share: bool = False, seeds: bool = False) -> str:
    """For sentences: ``0.62 (95 % interval 0.55 to 0.70)``, in per cent for a ``share``; ``seeds`` adds their count."""
    show = percent if share else number
    if not measured(row["estimate"]):
        return NOT_MEASURED
    known = measured(row["low"]) and measured(row["high"])
    notes = [f"95\u00a0% interval {show(row['low'])} to {show(row['high'])}" if known else "no interval"]
    if seeds and measured(row.get("seeds")):
        notes.append(plural(int(row["seeds"]), "training seed"))
    return f"{show(row['estimate'])} ({', '.join(notes)})"


def bracketed(estimate: Any, low: Any, high: Any, show: Callable[[Any], str] = number) -> str:
    """For tables: ``0.62 [0.55, 0.70]``; without brackets where there is no interval."""
    known = measured(estimate) and measured(low) and measured(high)
    return f"{show(estimate)} [{show(low)}, {show(high)}]" if known else show(estimate)


def cell(value: Any) -> str:
    """A cell of a table: text as it is, ``yes`` or ``no``, or a number; ``not measured`` where there is none."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return number(value)
    return NOT_MEASURED if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``6 seeds``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listing(names: Iterable[str]) -> str:
    """``a, b and c``."""
    items = list(names)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def quoted(names: Iterable[str]) -> str:
    """Names in quotation marks: ``“a”, “b” and “c”``."""
    return listing(f"“{name}”" for name in names)


def capitalised(text: str) -> str:
    """``text`` with its first letter in upper case."""
    return text[:1].upper() + text[1:]


@contextmanager
def counted_in(unit: str) -> Iterator[None]:
    """Ages count ``unit`` in all that is written meanwhile."""
    before = UNIT.set(unit)
    try:
        yield
    finally:
        UNIT.reset(before)


def age_words(age: Any) -> str:
    """``birth`` or ``76,800 experiences``, or what else ages count."""
    if not measured(age):
        return "no single age"
    return "birth" if int(age) == 0 else f"{int(age):,} {UNIT.get()}"


def age_tick(age: Any) -> str:
    """An age short enough for an axis: ``birth``, ``960``, ``76.8k``."""
    value = int(age)
    if value == 0:
        return "birth"
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def counts(rows: pd.DataFrame) -> str:
    """Sample sizes behind ``rows``: ``n = 1,500 rows, 6 training seeds``; ranges where they differ."""
    texts = []
    for column, noun in (("n", "rows"), ("seeds", "training seeds")):
        values = rows[column].dropna()
        if values.empty:
            continue
        low, high = int(values.min()), int(values.max())
        shown = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        texts.append(f"n = {shown} {noun}" if column == "n" else f"{shown} {noun if high != 1 else noun[:-1]}")
    return ", ".join(texts) or "Sample sizes are not recorded"


def verdict_counts(verdicts: pd.Series) -> str:
    """How many training seeds have each verdict: ``4 “proxy:corner”, 1 “mixed”``; empty when none was judged."""
    tally = verdicts[verdicts != ""].value_counts()
    return ", ".join(f"{count} “{verdict}”" for verdict, count in tally.items())
