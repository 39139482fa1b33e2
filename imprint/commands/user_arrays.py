"""``imprint locate`` and ``imprint latch`` on a user's own arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from imprint.commands.text import cell, console, interval, say, table, write_csv
from imprint.commands.user_files import check_rows, flat, read_arrays, read_labels, taken
from imprint.models.errors import ImprintError, unknown_name

UNANSWERED = ("not measurable", "undetermined")
"""Verdicts that need their reason beside them."""


def locate_arrays(
    acts: Path,
    concepts: Path,
    *,
    groups: str | None,
    untrained: Path | None,
    inputs: str | None,
    nulls: int,
    alpha: float,
    seed: int,
    csv: Path | None,
    only: tuple[Sequence[str], Sequence[str]],
) -> None:
    """Print which concepts can be read from which arrays.

    ``only`` (concepts, sites) chooses what is shown; the grid that is measured and corrected, and the CSV, are whole.
    """
    from imprint.analyses.locate.locate import locate

    arrays, whole = read_arrays(acts), read_labels(concepts)
    labels, kept_together = taken(whole, groups, concepts)
    check_rows(acts, arrays, len(labels), concepts)
    if inputs is not None and inputs not in arrays:
        raise unknown_name(f"array of {acts.name} named by --inputs", inputs, arrays)
    raw = flat({inputs: arrays.pop(inputs)})[inputs] if inputs is not None else None
    shown = (_only("concept", labels.columns, only[0], concepts), _only("site", arrays, only[1], acts))
    frame = locate(
        flat(arrays),
        labels,
        groups=kept_together,
        untrained=None if untrained is None else _twin(untrained, list(arrays), len(labels), concepts),
        inputs=raw,
        nulls=nulls,
        alpha=alpha,
        seed=seed,
    )
    if csv is not None:
        write_csv(csv, frame)
    _print_located(frame, *shown)


def _only(
    what: str, there: Sequence[str] | dict[str, np.ndarray] | pd.Index, wanted: Sequence[str], path: Path
) -> list[str]:
    names = [str(name) for name in there]
    for name in wanted:
        if name not in names:
            raise unknown_name(f"{what} of {path.name}", name, names)
    if not names:
        raise ImprintError(f"{path} holds no {what} besides what the options took out.")
    return [name for name in names if not wanted or name in wanted]


def _twin(path: Path, sites: Sequence[str], rows: int, labels: Path) -> dict[str, np.ndarray]:
    twin = read_arrays(path)
    for site in sites:
        if site not in twin:
            raise unknown_name(f"array of {path.name} (--untrained needs every site)", site, twin)
    chosen = {site: twin[site] for site in sites}
    check_rows(path, chosen, rows, labels)
    return flat(chosen)


def _print_located(whole: pd.DataFrame, concepts: Sequence[str], sites: Sequence[str]) -> None:
    page = console()
    frame = whole[whole["concept"].isin(concepts) & whole["site"].isin(sites)]
    columns = ("concept", "site", "score", "null", "untrained", "inputs", "selectivity", "q", "verdict")
    rows = [
        (
            row.concept,
            row.site,
            interval(row.score, row.low, row.high),
            cell(row.null),
            cell(row.untrained),
            cell(row.inputs),
            cell(row.selectivity),
            cell(row.q_value),
            row.verdict,
        )
        for row in frame.itertuples()
    ]
    page.print(table("what can be read where", columns, rows, right=columns[3:8]))
    _print_reasons(page, frame)
    _print_best(page, {concept: found for concept, found in whole.attrs["best"].items() if concept in concepts})


def _print_reasons(page: Console, frame: pd.DataFrame) -> None:
    """Under the table, why a cell has no answer: one line a reason, with the sites it holds for."""
    open_rows = frame[frame["verdict"].isin(UNANSWERED)]
    for (concept, verdict, why), same in open_rows.groupby(["concept", "verdict", "why"], sort=False):
        say(page, f"{verdict}: {concept} at {', '.join(same['site'])}: {why}")


def _print_best(page: Console, best: Mapping[str, Mapping[str, Any]]) -> None:
    rows = []
    for concept, found in best.items():
        if found.get("site") is None:
            rows.append((concept, "-", "-", "-", found.get("why", "")))
            continue
        selectivity = interval(found["selectivity"], found["selectivity_low"], found["selectivity_high"])
        score = interval(found["score"], found["low"], found["high"])
        rows.append((concept, found["site"], score, selectivity, ""))
    page.print()
    columns = ("concept", "site", "score", "selectivity", "")
    page.print(table("best site, chosen on one half of the groups and scored on the other", columns, rows))


def latch_arrays(
    acts: Path,
    concepts: Path,
    *,
    value: str,
    intended: str,
    proxies: Sequence[str],
    groups: str | None,
    seed: int,
) -> None:
    """Print what given values depend on."""
    from imprint.analyses.latch.latch import latch_from_arrays

    arrays, whole = read_arrays(acts), read_labels(concepts)
    labels, kept_together = taken(whole, groups, concepts)
    check_rows(acts, arrays, len(labels), concepts)
    values, labels = _values(value, arrays, labels, acts, concepts)
    for name in (intended, *proxies):
        if name not in labels.columns:
            raise unknown_name(f"concept of {concepts.name}", name, map(str, labels.columns))
    found = latch_from_arrays(values, labels, intended=intended, proxies=list(proxies), groups=kept_together, seed=seed)
    page = console()
    say(page, f"verdict: {found.verdict}", "bold")
    say(page, found.why)
    for title, frame in (("share of the value's variance", found.shares), ("effects", found.effects)):
        if isinstance(frame, pd.DataFrame) and not frame.empty:
            shown = frame if "concept" in frame.columns else frame.rename_axis("concept").reset_index()
            lines = [[cell(item) for item in row] for row in shown.itertuples(index=False)]
            page.print()
            page.print(table(title, [str(c) for c in shown.columns], lines))


def _values(
    name: str, arrays: dict[str, np.ndarray], labels: pd.DataFrame, acts: Path, concepts: Path
) -> tuple[np.ndarray, pd.DataFrame]:
    """The value ``[n]`` and the labels without it."""
    if name in labels.columns:
        column = labels[name]
        if not pd.api.types.is_numeric_dtype(column):
            raise ImprintError(f"{concepts}: the value {name!r} holds {column.dtype}; expected numbers.")
        values, labels = column.to_numpy(dtype=np.float64), labels.drop(columns=name)
    elif name in arrays:
        rows = np.asarray(arrays[name], dtype=np.float64).reshape(len(labels), -1)
        if rows.shape[1] != 1:
            raise ImprintError(f"{acts}: the value {name!r} has {rows.shape[1]} numbers a row; expected one.")
        values = rows[:, 0]
    else:
        raise unknown_name(
            f"value among the columns of {concepts.name} and arrays of {acts.name}", name, [*labels, *arrays]
        )
    if not np.isfinite(values).all():
        raise ImprintError(
            f"the value {name!r} is NaN or infinite, first in row {int(np.flatnonzero(~np.isfinite(values))[0])}."
        )
    return values, labels
