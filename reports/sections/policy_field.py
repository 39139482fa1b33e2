"""Where the policy leads from every cell of a map, before and after something is erased from the activations.

An arrow is the policy's mean move in a cell: as long as a cell where one action is certain, a dot where moves cancel.

Letters: M maps, X edits, H and W cells, G goals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.parts import Table
from imprint.reports.pictures import data_uri
from imprint.reports.reading.run import RunData
from imprint.reports.sections.base import Section
from imprint.reports.words import listing, measured, number, plural

MAPS = 4
"""Maps shown at most."""
ALIKE = 12.0
"""Two cells look alike when their mean colours differ by less, of 255."""
MATCH = 1.7
"""Least fit of a picture: part of free cells that look alike, plus part of the others that look different."""
CELL = 40
"""Width of a cell in the drawing's own units."""
NEEDED = ("move", "picture", "goal_cell", "edits", "goals")


class PolicyField(Section):
    """A row of panels per map, one panel per edit."""

    order: ClassVar[int] = 8
    title: ClassVar[str] = "Where the policy leads"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Arrows for every map and edit, and how much each edit turned them."""
        if not run.agents or run.study:
            return None
        refused = run.arrays("fields", ("why",)).values
        arrays = run.arrays("fields", NEEDED)
        why = str(refused["why"]).rstrip(".") if refused else arrays.missing or misfit(arrays.values)
        if why:
            return {"missing": [f"No policy field: {why}."], "maps": []}
        values = arrays.values
        changes, total = turned(values), len(values["move"])
        place = aligned(values["picture"], np.isfinite(values["move"][:, 0]).all(axis=-1))
        return {
            "maps": [map_of(values, m, place) for m in range(min(MAPS, total))],
            "reading": reading(changes),
            "source": f"{arrays.subject} {plural(total, 'map')} stored.".strip(),
            "tables": [Table("policy-field-changes", "How far each edit moves the arrows", changes)],
        }


def misfit(values: Mapping[str, np.ndarray]) -> str:
    """Why the arrays do not fit together; empty when they do."""
    move, picture = values["move"], values["picture"]
    edits, goals = values["edits"].size, values["goals"].size
    if move.ndim != 5 or move.shape[-1] != 2 or move.shape[1] != edits or 0 in move.shape:
        return f"moves have shape {list(move.shape)}, expected [M, {edits}, H, W, 2]"
    if picture.dtype != np.uint8 or picture.ndim != 4 or picture.shape[3] != 3 or len(picture) != len(move):
        return f"pictures are {picture.dtype} {list(picture.shape)}, expected uint8 [{len(move)}, H, W, 3]"
    if values["goal_cell"].shape != (len(move), goals, 2):
        return f"goal cells have shape {list(values['goal_cell'].shape)}, expected [{len(move)}, {goals}, 2]"
    return ""


def aligned(pictures: np.ndarray, free: np.ndarray) -> tuple[int, int] | None:
    """Pixels along a cell and cells before the first one: ``pictures`` ``[M, H', W', 3]``, ``free`` ``[M, H, W]``.

    Pictures may be framed by walls. A fit is believed when free cells look alike and the others look different; of
    equal fits the one with the largest cells counts. None when there is none, for then no cell's place is known.
    """
    height, width = free.shape[1:]
    best, place = MATCH, None
    for side in range(2, min(pictures.shape[1:3]) + 1):
        if pictures.shape[1] % side or pictures.shape[2] % side:
            continue
        means = pictures.reshape(len(pictures), pictures.shape[1] // side, side, -1, side, 3).mean((2, 4))
        for offset in (0, 1):
            cells = means[:, offset : offset + height, offset : offset + width]
            if cells.shape[:3] != free.shape:
                continue
            like = np.abs(cells - np.median(cells[free], axis=0)).max(axis=-1) < ALIKE
            fit = float(like[free].mean()) + (1.0 if free.all() else 1.0 - float(like[~free].mean()))
            if fit >= best:
                best, place = fit, (side, offset)
    return place


def map_of(values: Mapping[str, np.ndarray], m: int, place: tuple[int, int] | None) -> dict[str, Any]:
    """One map: its picture, its size in cells, and the arrows of every edit."""
    tall, wide = values["move"].shape[2:4]
    offset = 0
    if place is not None:
        offset, (tall, wide) = place[1], np.array(values["picture"].shape[1:3]) // place[0]
    goals = [
        {"name": str(name), "x": (int(cell[1]) + 0.5) * CELL, "y": (int(cell[0]) + 0.5) * CELL}
        for name, cell in zip(values["goals"], values["goal_cell"][m], strict=True)
        if (cell >= 0).all()
    ]
    return {
        "picture": "" if place is None else data_uri(values["picture"][m]),
        "box": [-offset * CELL, -offset * CELL, int(wide) * CELL, int(tall) * CELL],
        "goals": goals,
        "panels": [{"name": str(values["edits"][x]), "arrows": arrows(values["move"][m, x])} for x in in_order(values)],
    }


def in_order(values: Mapping[str, np.ndarray]) -> list[int]:
    """Indices of the edits: intact, without each goal in turn, then the others."""
    first = ["intact", *(f"without {goal}" for goal in values["goals"])]
    edits = [str(edit) for edit in values["edits"]]
    return sorted(range(len(edits)), key=lambda x: first.index(edits[x]) if edits[x] in first else len(first))


def arrows(move: np.ndarray) -> list[str]:
    """SVG paths of the mean moves ``[H, W, 2]`` (down, right), one per cell in which they are finite."""
    return [
        arrow(complex(column + 0.5, row + 0.5) * CELL, complex(move[row, column, 1], move[row, column, 0]))
        for row, column in np.argwhere(np.isfinite(move).all(axis=-1))
    ]


def arrow(centre: complex, move: complex) -> str:
    """An SVG path around ``centre`` in the direction of ``move``; a dot where the move is under a twentieth of a cell.

    Points are complex numbers, right + i down.
    """
    size = abs(move)
    if size < 0.05:
        return f"M{_point(centre)}h0"
    way, length = move / size, min(size, 1.0)
    half, head = 0.42 * CELL * length * way, 0.2 * CELL * max(length, 0.35) * way
    tip = centre + half
    barbs = [_point(tip + head * complex(-0.8, side)) for side in (-0.7, 0.7)]
    return f"M{_point(centre - half)}L{_point(tip)}M{barbs[0]}L{_point(tip)}L{barbs[1]}"


def _point(at: complex) -> str:
    return f"{at.real:.1f} {at.imag:.1f}"


def turned(values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Per map and edit, the mean distance between the ends of the arrows before and after; columns map, edit, ..."""
    edits = [str(edit) for edit in values["edits"]]
    rows = []
    for m, move in enumerate(values["move"] if "intact" in edits else ()):
        before = move[edits.index("intact")]
        for x in (x for x in in_order(values) if edits[x] != "intact"):
            change = np.linalg.norm(move[x] - before, axis=-1)
            known = change[np.isfinite(change)]
            mean = float(known.mean()) if len(known) else float("nan")
            rows.append({"map": m, "edit": edits[x], "mean_change": mean, "cells": len(known)})
    return pd.DataFrame(rows, columns=["map", "edit", "mean_change", "cells"])


def reading(changes: pd.DataFrame) -> str:
    """How far each edit moves the ends of the arrows, over all maps."""
    means = changes.groupby("edit", sort=False)["mean_change"].mean()
    texts = [f"“{edit}” {number(mean)}" for edit, mean in means.items() if measured(mean)]
    if not texts:
        return "There is no intact field to compare with."
    return f"Mean change of the policy's move, in cells (0: none; 2: reversed): {listing(texts)}."
