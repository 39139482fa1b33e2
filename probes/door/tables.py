"""Tables of labels from files, as they stand there: nothing is taken for missing, an index or a number that is not one.

``.csv`` (also ``.tsv``; whatever separates its columns), ``.parquet``, and the folder of a Hugging Face data set.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.door.files import existing, huggingface

SEPARATORS = ",;\t|"
"""Signs that may separate columns."""
MISSING = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "-nan"})
"""Words that mean a missing number in a column of numbers; in a column of text they are classes like others."""
NAMELESS = re.compile(r"(Unnamed: \d+)?")
"""What pandas and spreadsheets call a column without a name."""


def read_labels(path: Path) -> pd.DataFrame:
    """The labels of a ``.csv``, ``.tsv`` or ``.parquet`` file or a Hugging Face folder, as they stand there.

    In CSV an empty field is missing, and so is a word such as ``NA`` in a column of numbers; among text it is a class.
    A column without a name that counts the rows is left out. The index of a parquet file is a column if it has a name.
    Raises :class:`ImprintError` for columns without a name and names that occur twice.
    """
    import pyarrow

    suffix = existing(path, "labels", (".csv", ".tsv", ".parquet"), folders=True)
    try:
        frame = _READERS.get(suffix, _csv)(path)
    except ImprintError:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        empty = path.is_file() and not path.stat().st_size
        why = "it is empty; expected a header and one line for each row" if empty else str(error).rstrip(".")
        raise DamagedFileError(f"{path} cannot be read as {suffix[1:]}: {why}.") from None
    if frame.empty:
        raise ImprintError(f"{path} holds no rows.")
    names = [str(name) for name in frame.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ImprintError(f"{path} has two columns called {twice[0]!r}; give each its own name.")
    return frame


def _csv(path: Path) -> pd.DataFrame:
    sign = _separator(path)
    whole = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, sep=sign, encoding="utf-8-sig").fillna("")
    header, body = [str(name).strip() for name in whole.iloc[0]], whole.iloc[1:].reset_index(drop=True)
    if not len(body):
        raise ImprintError(f"{path} holds no rows.")
    if sign == ";":
        body = body.apply(_with_points)
    frame = pd.concat([_typed(body[place]) for place in body], axis=1)
    frame.columns = pd.Index(header)
    nameless = [NAMELESS.fullmatch(name) is not None for name in header]
    for place in np.flatnonzero(nameless):
        column = pd.Series(frame.iloc[:, int(place)])
        counted = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
        if not any(np.array_equal(counted, np.arange(len(frame)) + first) for first in (0, 1)):
            raise ImprintError(f"{path}: column {place + 1} has no name; give it one, or leave it out.")
    return frame.loc[:, np.logical_not(nameless)]


def _separator(path: Path) -> str:
    """The sign that separates the columns: the first that cuts the header and the next lines into as many parts."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line, _ in zip(file, range(5), strict=False)]
    for sign in SEPARATORS:
        widths = {len(row) for row in csv.reader(lines, delimiter=sign) if row}
        if len(widths) == 1 and widths.pop() > 1:
            return sign
    return ","


def _with_points(column: pd.Series) -> pd.Series:
    """A column whose numbers all have a decimal comma, with points instead."""
    given = column[column != ""]
    decimal = given.str.fullmatch(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*|\s*[+-]?\d+\s*")
    return column.str.replace(",", ".") if len(given) and decimal.all() else column


def _typed(column: pd.Series) -> pd.Series:
    """A column of text as numbers, truth values or text; an empty field is missing."""
    given = column[column != ""]
    known = given[~given.str.strip().str.lower().isin(MISSING)]
    codes = known.str.match(r"\s*[+-]?0\d").any()  # 007 is a name: as a number it would be the same as 7
    if len(known) and not codes and pd.to_numeric(known, errors="coerce").notna().all():
        return pd.to_numeric(known).reindex(column.index)
    if len(given) == len(column) and given.str.lower().isin(["true", "false"]).all():
        return given.str.lower() == "true"
    return column.where(column != "")


def _parquet(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if name is not None]
    if clash := [name for name in named if name in frame.columns]:
        raise ImprintError(f"{path}: the index and a column are both called {clash[0]!r}; give each its own name.")
    return frame.reset_index(level=named) if named else frame


_READERS = {"": lambda path: huggingface(path)[1], ".parquet": _parquet}
"""Reader of each suffix but those of separated text; a folder has none."""
