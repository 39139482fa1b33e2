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
from imprint.reports.words import age_words, listing, measured, number, plural

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
    short: ClassVar[str] = "Policy field"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Arrows for every map and edit, and how much each edit turned them."""
        if not run.agents:
            return None
        told = run.arrays("fields", ("why",)).values
        arrays = run.arrays("fields", NEEDED)
        why = str(told["why"]).rstrip(".") if told else arrays.missing or misfit(arrays.values)
        if why:
            return {"missing": [f"No policy field: {why}."], "maps": []}
        values = arrays.values
        changes = turned(values)
        place = aligned(values["picture"], np.isfinite(values["move"][:, 0]).all(axis=-1))
        return {
            "maps": [map_of(values, m, place) for m in range(min(MAPS, len(values["move"])))],
            "total": len(values["move"]),
            "reading": reading(changes),
            "source": source(values),
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
    best, found = MATCH, None
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
                best, found = fit, (side, offset)
    return found


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
    wanted = ["intact", *(f"without {goal}" for goal in values["goals"])]
    edits = [str(edit) for edit in values["edits"]]
    return sorted(range(len(edits)), key=lambda x: wanted.index(edits[x]) if edits[x] in wanted else len(wanted))


def arrows(move: np.ndarray) -> list[str]:
    """SVG paths of the mean moves ``[H, W, 2]``; a dot where the mean move is shorter than a twentieth of a cell."""
    found = []
    for row, column in np.argwhere(np.isfinite(move).all(axis=-1)):
        down, right = (float(v) for v in move[row, column])
        size = float(np.hypot(down, right))
        x, y = (column + 0.5) * CELL, (row + 0.5) * CELL
        if size < 0.05:
            found.append(f"M{x:.1f} {y:.1f}h0")
            continue
        reach, head = 0.42 * CELL * min(size, 1.0), 0.2 * CELL * max(min(size, 1.0), 0.35)
        ux, uy = right / size, down / size
        ends = [
            (x + ux * reach + head * (-ux * 0.8 + s * uy), y + uy * reach + head * (-uy * 0.8 - s * ux))
            for s in (0.7, -0.7)
        ]
        tip = f"{x + ux * reach:.1f} {y + uy * reach:.1f}"
        start = f"{x - ux * reach:.1f} {y - uy * reach:.1f}"
        (ax, ay), (bx, by) = ends
        found.append(f"M{start}L{tip}M{ax:.1f} {ay:.1f}L{tip}L{bx:.1f} {by:.1f}")
    return found


def turned(values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Per map and edit, the mean distance between the ends of the arrows before and after; columns map, edit, ..."""
    edits = [str(edit) for edit in values["edits"]]
    columns = ["map", "edit", "mean_change", "cells"]
    if "intact" not in edits:
        return pd.DataFrame(columns=columns)
    rows = []
    for m, move in enumerate(values["move"]):
        before = move[edits.index("intact")]
        for x in in_order(values):
            edit, change = edits[x], np.linalg.norm(move[x] - before, axis=-1)
            known = change[np.isfinite(change)]
            mean = float(known.mean()) if len(known) else float("nan")
            rows.append({"map": m, "edit": edit, "mean_change": mean, "cells": len(known)})
    table = pd.DataFrame(rows, columns=columns)
    return table[table["edit"] != "intact"].reset_index(drop=True)


def reading(changes: pd.DataFrame) -> str:
    """How far each edit moves the ends of the arrows, over all maps."""
    means = changes.groupby("edit", sort=False)["mean_change"].mean()
    said = [f"“{edit}” {number(mean)}" for edit, mean in means.items() if measured(mean)]
    if not said:
        return "There is no intact field to compare with."
    return f"Mean way of an arrow's end from before to after, in cells (0 none, 2 turned round): {listing(said)}."


def source(values: Mapping[str, np.ndarray]) -> str:
    """Which agent the fields are of."""
    if not {"seed", "age"} <= values.keys():
        return ""
    shown = plural(len(values["move"]), "map")
    return f"Training seed {int(values['seed'].flat[0])} at {age_words(values['age'].flat[0])}; {shown} stored."
