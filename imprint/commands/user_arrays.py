"""``imprint locate`` and ``imprint latch`` on a user's own arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console

from imprint.commands.progress import Bars
from imprint.commands.text import chosen, console, error_console, say, table, write_csv
from imprint.models.errors import ImprintError, unknown_name
from imprint.probes.door.arrays import real_array
from imprint.probes.door.files import SUFFIXES, as_float_rows, existing, open_activations
from imprint.probes.door.tables import read_labels
from imprint.reports.parts import Table
from imprint.reports.words import bracketed, cell, percent

if TYPE_CHECKING:
    from imprint.analyses.latch.latch import Latch

UNANSWERED = ("not measurable", "undetermined")
"""Verdicts that need their reason beside them."""
EXPLAINED = "^given |, not "
"""Others that do: what gives a concept, and presence with a restriction."""
LARGE = 2**27
"""Bytes from which arrays are streamed from disk; what needs rows at random, such as leaks, is not looked for then."""
BESIDE = "goes with|without a label"
"""Reasons that are caveats."""


@dataclass(frozen=True)
class UserData:
    """Arrays and labels with the same rows."""

    arrays: Mapping[str, Any] | Iterable[Mapping[str, Any]]
    """Name -> array, or a stream of such mappings for what does not fit in memory."""
    labels: pd.DataFrame
    """Without the column of groups."""
    groups: np.ndarray | None
    acts: Path
    """File of the arrays."""
    concepts: Path
    """File of the labels."""

    @classmethod
    def read(cls, acts: Path, concepts: Path, groups: str | None) -> UserData:
        """Both files, checked; ``groups`` names a column of the labels."""
        if not acts.exists():
            existing(acts, "activations", SUFFIXES)
        labels, kept_together = _without_groups(read_labels(concepts), groups, concepts)
        arrays = _read(acts, len(labels), concepts)
        return cls(arrays, labels, kept_together, acts, concepts)

    def named(self, what: str) -> Mapping[str, Any]:
        """The arrays by name. Raises :class:`ImprintError` where they are a stream, in which ``what`` needs no pass."""
        if not isinstance(self.arrays, Mapping):
            raise ImprintError(f"{what} needs arrays in one file; {self.acts} is read in batches.")
        return self.arrays


def locate_arrays(
    acts: Path,
    concepts: Path,
    *,
    groups: str | None,
    untrained: Path | None,
    inputs: str | None,
    given: Sequence[str],
    mask: str | None,
    ignore: Sequence[str],
    nulls: int,
    alpha: float,
    seed: int,
    csv: Path | None,
    report: Path | None,
    only: tuple[Sequence[str], Sequence[str]],
) -> dict[str, Any]:
    """Print which concepts can be read from which arrays; the cells shown, best sites and rates.

    ``given``: concepts within whose strata all others are read. ``mask``: the column that says which rows are used.
    ``ignore``: labels that mean none. ``only`` (concepts, sites) chooses what is shown; the grid that is measured and
    corrected, and the CSV, are whole.
    """
    from imprint.analyses.locate.locate import locate

    read = _streamed(acts, concepts, groups, untrained, inputs) or _loaded(acts, concepts, groups, untrained, inputs)
    columns = [name for name in read.labels.columns if name != mask]
    shown = (_only("concept", columns, only[0], concepts), _only("site", read.sites, only[1], acts))
    with Bars(error_console()) as bars:
        frame = locate(
            read.activations,
            read.labels,
            groups=read.groups,
            untrained=read.untrained,
            inputs=read.inputs,
            given=given or None,
            mask=mask,
            ignore=[*ignore, *(number for text in ignore if (number := _number(text)) is not None)] or None,
            nulls=nulls,
            alpha=alpha,
            seed=seed,
            progress=bars,
        )
    if csv is not None:
        write_csv(csv, frame)
    _print_located(frame, *shown)
    if report is not None:
        from imprint.reports.pages.located import report_located

        say(console(), f"page: {report_located(frame, report)}")
    cells = frame[frame["concept"].isin(shown[0]) & frame["site"].isin(shown[1])]
    return {"cells": cells, **{name: frame.attrs.get(name) for name in ("best", "rates", "leaks")}}


@dataclass(frozen=True)
class _Given:
    """What ``locate`` is given."""

    activations: Any
    labels: pd.DataFrame
    groups: np.ndarray | None
    untrained: Any
    inputs: np.ndarray | None
    sites: tuple[str, ...]


def _loaded(acts: Path, concepts: Path, groups: str | None, untrained: Path | None, inputs: str | None) -> _Given:
    """Arrays in memory."""
    data = UserData.read(acts, concepts, groups)
    arrays: Any = data.arrays
    raw = None
    if inputs is not None:
        if inputs not in data.named("--inputs"):
            raise unknown_name(f"array of {acts.name} named by --inputs", inputs, data.named("--inputs"))
        arrays = dict(data.named("--inputs"))
        raw = arrays.pop(inputs)
    sites = tuple(arrays if isinstance(arrays, Mapping) else next(iter(arrays)))
    twin = None if untrained is None else _twin(untrained, sites, data)
    return _Given(arrays, data.labels, data.groups, twin, raw, sites)


def _streamed(
    acts: Path, concepts: Path, groups: str | None, untrained: Path | None, inputs: str | None
) -> _Given | None:
    """A stream from disk, of arrays that are large; else nothing."""
    from imprint.probes.subjects.on_disk import disk_stream

    if not acts.is_file() or acts.suffix.lower() not in SUFFIXES:
        return None
    stream = disk_stream(acts)
    if stream.total_bytes <= LARGE:
        return None
    labels, kept_together = _without_groups(read_labels(concepts), groups, concepts)
    if len(stream) != len(labels):
        raise ImprintError(
            f"{acts} holds {len(stream)} rows, {concepts} has {len(labels)}; row i of both must be one example."
        )
    raw = None if inputs is None else stream.rows(inputs).numpy()
    sites = tuple(site for site in stream.sites if site != inputs)
    twins = None if untrained is None else [disk_stream(untrained).only(sites)]
    return _Given(stream.only(sites), labels, kept_together, twins, raw, sites)


def _number(text: str) -> float | None:
    """The number that a text is, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def _only(what: str, there: Iterable[Any], wanted: Sequence[str], path: Path) -> list[str]:
    names = [str(name) for name in there]
    if not names and not wanted:
        raise ImprintError(f"{path} holds no {what} besides what the options took out.")
    return chosen(f"{what} of {path.name}", wanted, names)


def _read(path: Path, rows: int, labels: Path) -> Mapping[str, Any] | Iterable[Mapping[str, Any]]:
    """Arrays of a file or folder, rows by units, checked against the labels; or a stream, checked as it is read."""
    opened = open_activations(path, rows)
    if not isinstance(opened, Mapping):
        return opened.stream() if hasattr(opened, "stream") else opened
    arrays = {name: real_array(f"{path}: {name!r}", array) for name, array in opened.items()}
    _check_rows(path, arrays, rows, labels)
    return as_float_rows(arrays)


def _twin(path: Path, sites: Sequence[str], data: UserData) -> Any:
    """The arrays of a randomly initialised twin, one for every site."""
    twin = _read(path, len(data.labels), data.concepts)
    if not isinstance(twin, Mapping) or not isinstance(data.arrays, Mapping):
        return [[twin] if isinstance(twin, Mapping) else twin]
    for site in sites:
        if site not in twin:
            raise unknown_name(f"array of {path.name} (--untrained needs every site)", site, twin)
    return {site: twin[site] for site in sites}


def _print_located(whole: pd.DataFrame, concepts: Sequence[str], sites: Sequence[str]) -> None:
    page = console()
    frame = whole[whole["concept"].isin(concepts) & whole["site"].isin(sites)]
    columns = ("concept", "site", "score", "null", "untrained", "inputs", "selectivity", "q", "verdict")
    floors = ["null", "untrained", "inputs", "selectivity", "q_value", "verdict"]
    rows = [
        (row["concept"], row["site"], bracketed(row["score"], row["low"], row["high"]), *map(cell, row[floors]))
        for _, row in frame.iterrows()
    ]
    page.print(table("what can be read where", columns, rows, right=columns[3:8]))
    _print_reasons(page, frame)
    _print_best(page, {concept: best for concept, best in whole.attrs["best"].items() if concept in concepts})


def _print_reasons(page: Console, frame: pd.DataFrame) -> None:
    """Why a cell has no answer: one line a reason, with the sites it holds for."""
    said = (
        frame["verdict"].isin(UNANSWERED) | frame["verdict"].str.contains(EXPLAINED) | frame["why"].str.contains(BESIDE)
    )
    open_rows = frame[said]
    for (concept, verdict, why), same in open_rows.groupby(["concept", "verdict", "why"], sort=False):
        say(page, f"{verdict}: {concept} at {', '.join(same['site'])}: {why}")


def _print_best(page: Console, best_sites: Mapping[str, Mapping[str, Any]]) -> None:
    rows = []
    for concept, best in best_sites.items():
        if best.get("site") is None:
            rows.append((concept, "none", "", "", best.get("why", "")))
            continue
        selectivity = bracketed(best["selectivity"], best["selectivity_low"], best["selectivity_high"])
        rows.append((concept, best["site"], bracketed(best["score"], best["low"], best["high"]), selectivity, ""))
    page.print()
    columns = ("concept", "site", "score", "selectivity", "")
    page.print(table("best site, chosen on one half of the groups and scored on the other", columns, rows))


def latch_arrays(
    acts: Path, concepts: Path, *, value: str, intended: str, proxies: Sequence[str], groups: str | None, seed: int
) -> Latch:
    """Print what given values depend on, and return it."""
    from imprint.analyses.latch.latch import latch_from_arrays

    data = UserData.read(acts, concepts, groups)
    values = _values(value, data)
    labels = data.labels.drop(columns=value, errors="ignore")
    for name in (intended, *proxies):
        if name not in labels.columns:
            raise unknown_name(f"concept of {concepts.name}", name, map(str, labels.columns))
    latch = latch_from_arrays(values, labels, intended=intended, proxies=list(proxies), groups=data.groups, seed=seed)
    page = console()
    say(page, f"verdict: {latch.verdict}", "bold")
    say(page, latch.why)
    formats = dict.fromkeys(("share", "dominance", "low", "high", "carries", "probability"), percent)
    words = pd.DataFrame({"word": latch.probabilities.keys(), "probability": latch.probabilities.values()})
    tables = (
        Table("", "probability of each word", words, formats),
        Table("", "part of the variance that these concepts explain", latch.dominance, formats),
        Table("", "share of the value's variance", latch.shares, formats),
        Table("", "effects (sd of the value)", latch.effects),
    )
    for shown in tables:
        if shown.cells:
            page.print()
            page.print(table(shown.heading, shown.header, shown.cells))
    return latch


def _values(name: str, data: UserData) -> np.ndarray:
    """The value ``[n]``: a column of the labels or one of the arrays."""
    if name in data.labels.columns:
        column = data.labels[name]
        if not pd.api.types.is_numeric_dtype(column):
            raise ImprintError(f"{data.concepts}: the value {name!r} holds {column.dtype}; expected numbers.")
        values = column.to_numpy(dtype=np.float64)
    elif name in (arrays := data.named("a value")):
        rows = np.asarray(arrays[name], dtype=np.float64).reshape(len(data.labels), -1)
        if rows.shape[1] != 1:
            raise ImprintError(f"{data.acts}: the value {name!r} has {rows.shape[1]} numbers a row; expected one.")
        values = rows[:, 0]
    else:
        where = f"value among the columns of {data.concepts.name} and arrays of {data.acts.name}"
        raise unknown_name(where, name, [*data.labels, *arrays])
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ImprintError(f"the value {name!r} is NaN or infinite, first in row {row}.")
    return values


def _check_rows(path: Path, arrays: Mapping[str, np.ndarray], rows: int, labels: Path) -> None:
    """Every array has ``rows`` rows of finite numbers, or an error that names the array."""
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != rows:
            came = "a single number" if array.ndim == 0 else f"{len(array)} rows"
            raise ImprintError(f"{path}: {name!r} has {came}, {labels} has {rows}; row i of both must be one example.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array.reshape(rows, -1)).all(axis=1))[0])
            raise ImprintError(f"{path}: {name!r} holds NaN or infinities, first in row {row}; drop or repair them.")


def _without_groups(labels: pd.DataFrame, column: str | None, path: Path) -> tuple[pd.DataFrame, np.ndarray | None]:
    """``labels`` without the column of groups, and the groups as integers ``[n]``; ``path`` is that of the labels."""
    if column is None:
        return labels, None
    if column not in labels.columns:
        raise unknown_name(f"column of {path.name}", column, map(str, labels.columns))
    if bool(labels[column].isna().any()):
        raise ImprintError(f"{path}: the groups in {column!r} are missing in some rows; every row needs its group.")
    groups = pd.factorize(labels[column])[0]
    return labels.drop(columns=column), np.asarray(groups, dtype=np.int64)
