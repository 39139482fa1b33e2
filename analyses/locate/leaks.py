"""Leak checks: a concept is not called present on rows that are not independent.

Wherever a concept is present, the rows are searched for leaks (:mod:`imprint.probes.samples.leaks`). Equal rows on both
sides of a split, one recording under two group names, and neighbouring rows that predict one another all make a probe
look better than it is, so ``present`` becomes ``undetermined`` with the reason. Rows whose order has been lost, and
whose groups were not given, cannot be recognised.

Equal rows can be mended, and are seldom worth a veto: the cell is scored again with equal rows kept together
(:func:`kept_together`), and ``present`` is withdrawn only where that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.sparse import csgraph
from torch import Tensor

from imprint.analyses.locate.verdict import is_present
from imprint.models.errors import NotMeasurableError
from imprint.probes.samples.controls import Ints, type_ids
from imprint.probes.samples.leaks import LeakSearch

BLOCKS, BLOCK_ROWS = 20, 100
"""Leaks are looked for in 20 evenly spread runs of 100 neighbouring rows each, or in all rows if there are fewer."""
LEAK_ALPHA = 0.01
"""Rate of false alarms of one kind of leak, over all concepts found."""
UNSOUGHT = "not looked for"
"""Stands in place of a kind of leak when the rows looked at cannot show any."""
EQUAL = ("duplicates", "shared groups")
"""Leaks that keeping equal rows together mends."""
DEPENDENT = "dependent rows"
"""The leak that makes a score no evidence, and cannot be mended without groups."""
JOINED = 0.5
"""Groups are joined where they hold equal rows, unless one of them then has more than this part of all rows."""


def leaks_of(
    activations: Mapping[str, Tensor],
    concepts: pd.DataFrame,
    table: pd.DataFrame,
    *,
    groups: Any,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Leaks of every concept that ``table`` calls present, at the site where it is read best.

    ``activations`` are on the CPU. Of a concept that does not vary among the rows looked at, for instance because its
    rare class is not among them, the row says that none were looked for.
    """
    present = table[table["verdict"].map(is_present)].sort_values("score", ascending=False).drop_duplicates("concept")
    rows = rows_examined(len(concepts))
    labels = {str(name): concepts[name] for name in concepts.columns}
    together: dict[tuple[str, bytes], list[str]] = {}
    for concept, site in zip(present["concept"], present["site"], strict=True):
        labelled = labels[concept].iloc[rows].notna().to_numpy()
        together.setdefault((site, labelled.tobytes()), []).append(concept)
    leaks: list[dict[str, Any]] = []
    for (site, known), names in together.items():
        own = rows[np.frombuffer(known, dtype=bool)]
        of_row = None if groups is None else np.asarray(groups)[own]
        found = _leaks_among(
            activations[site][torch.from_numpy(own)], [labels[c].iloc[own] for c in names], of_row, len(present), rng
        )
        for concept, kinds in zip(names, found, strict=True):
            leaks += [{"concept": concept, "site": site, **kind} for kind in kinds]
    return leaks


def _leaks_among(
    x: Tensor, labels: Sequence[pd.Series], groups: Any, tests: int, rng: np.random.Generator
) -> list[list[dict[str, Any]]]:
    """The leaks of each of some labels, with labels that vary among the rows ``x``."""

    def unsought(why: str) -> list[dict[str, Any]]:
        return [{"kind": UNSOUGHT, "why": why, "rows": 0, "p_value": float("nan")}]

    try:
        search = LeakSearch(x, groups=groups)
    except NotMeasurableError as error:
        return [unsought(str(error)) for _ in labels]
    answers = search.of_many(labels, alpha=LEAK_ALPHA / tests, rng=rng)
    return [
        unsought(str(found))
        if isinstance(found, NotMeasurableError)
        else [{"kind": k.kind, "why": k.why, "rows": len(k.rows), "p_value": k.p_value} for k in found]
        for found in answers
    ]


def rows_examined(n: int) -> Ints:
    """Numbers of the rows that are looked at, ascending."""
    if n <= BLOCKS * BLOCK_ROWS:
        return np.arange(n, dtype=np.int64)
    starts = np.linspace(0, n - BLOCK_ROWS, BLOCKS).astype(np.int64)
    return (starts[:, None] + np.arange(BLOCK_ROWS)).ravel()


def kept_together(x: torch.Tensor, groups: Ints) -> tuple[Ints, Ints]:
    """Rows ``[m]`` of activations ``[n, D]``, and their groups ``[m]``, so that no two groups hold equal rows.

    Groups that hold equal rows are joined. Where that would join most of them (all-zero rows occur everywhere), rows
    are left out instead: all that are equal to a row of an earlier group.
    """
    content, size = type_ids(x), int(groups.max()) + 1
    holds = sparse.csr_array((np.ones(len(groups)), (groups, content)), shape=(size, int(content.max()) + 1))
    both: Any = sparse.block_array([[None, holds], [holds.T, None]])  # type: ignore[arg-type]  # its stub knows no None
    _, component = csgraph.connected_components(both.tocsr(), directed=False)
    whole = np.unique(component[:size][groups], return_inverse=True)[1].astype(np.int64)
    if np.bincount(whole).max() <= JOINED * len(groups):
        return np.arange(len(groups), dtype=np.int64), whole
    earliest = np.full(int(content.max()) + 1, size, dtype=np.int64)
    np.minimum.at(earliest, content, groups)
    rows = np.flatnonzero(groups == earliest[content])
    return rows, np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)


def refused(
    table: pd.DataFrame, leaks: Sequence[Mapping[str, Any]], again: Mapping[tuple[str, str], tuple[str, float]]
) -> pd.DataFrame:
    """The table with ``present`` taken back on rows that are not independent; other leaks are added to the reason.

    ``again``: (concept, site) -> verdict and score with equal rows kept together.
    """
    for leak in leaks:
        at = (table["concept"] == leak["concept"]) & table["verdict"].map(is_present)
        if leak["kind"] in EQUAL:
            for row in table.index[at]:
                verdict, score = again[leak["concept"], table.loc[row, "site"]]
                kept = f"with equal rows kept together the score is {score:.3f}"
                if is_present(verdict):
                    table.loc[row, "why"] += f"; {leak['kind']}, which change nothing: {kept}"
                else:
                    table.loc[row, "verdict"] = "undetermined"
                    table.loc[row, "why"] = f"{leak['kind']}: {leak['why']} ({kept}: {verdict})"
        elif leak["kind"] == DEPENDENT:
            table.loc[at, "verdict"] = "undetermined"
            table.loc[at, "why"] = f"{leak['kind']}: {leak['why']}"
        elif leak["kind"] == UNSOUGHT:
            table.loc[at, "why"] += f"; leaks were not looked for ({leak['why']})"
        elif leak["kind"] == "unit is label":
            table.loc[at & (table["site"] == leak["site"]), "why"] += f"; {leak['why']}"
    return table
