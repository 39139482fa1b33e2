"""Rows of the tables of a run, read without pandas, which takes longer to import than two hundred runs to list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imprint.models.errors import ImprintError
from imprint.reports.viewer.places import Place

LARGEST = 64 * 1024**2
"""Bytes of a table that is read at most."""
MOST = 2_000_000
"""Rows of a table that is read at most."""
FINDINGS = "findings.parquet"
COLUMNS = ("analysis", "metric", "concept", "age", "control", "estimate", "low", "high", "seeds", "verdict")
TEXTS = ("analysis", "metric", "concept", "control", "verdict")
"""Columns whose few different texts need not be made anew for every row."""
METRICS = "^(latch|probability|dominance|goal|proxy)$"
"""Metrics of which a listing needs the rows; a pattern, since arrays made here would have pyarrow import pandas."""


def pooled_rows(place: Place) -> list[dict[str, Any]]:
    """Rows over seeds of :data:`METRICS`, or those of the only seed; text that is missing is empty.

    Raises :class:`ImprintError`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _table(place, FINDINGS, (*COLUMNS, "seed"), TEXTS)
    try:
        rows = _of_metrics(table.filter(pc.is_null(table["seed"])))  # first, since most rows are of single seeds
        if not rows and len(pc.unique(table["seed"].drop_null())) == 1:
            rows = _of_metrics(table)
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise ImprintError(f"{FINDINGS} holds no findings ({error})") from None
    return [{**row, **{name: row[name] or "" for name in TEXTS}} for row in rows]


def _of_metrics(table: Any) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pc.match_substring_regex(table["metric"].cast(pa.string()), METRICS)
    return list(table.filter(wanted).select(COLUMNS).to_pylist())


def columns_of(place: Place, name: str, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Some columns of a table, those that it has. Raises :class:`ImprintError`."""
    return dict(_table(place, name, columns).to_pydict())


def _table(place: Place, name: str, columns: Sequence[str], texts: Sequence[str] = ()) -> Any:
    """Some columns of a table; ``texts``: those whose few texts are kept once, which it must have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = place.file(name)
    if file is None:
        raise ImprintError(f"{name} is not in the folder")
    try:
        if file.stat().st_size > LARGEST:
            raise ImprintError(f"{name} is larger than {LARGEST // 1024**2} MB, so it was not read")
        with pq.ParquetFile(file, read_dictionary=texts) as stored:
            if stored.metadata.num_rows > MOST:
                raise ImprintError(f"{name} has more than {MOST:,} rows, so it was not read")
            there = set(stored.schema_arrow.names)
            return stored.read([column for column in columns if column in there], use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, ImprintError):
            raise
        raise ImprintError(f"{name} cannot be read ({str(error).partition(chr(10))[0]})") from None
