"""Which pixels move the value: integrated gradients over the episodes, and on whose pixels they fall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures.series import Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.pictures import data_uri, overlay, strip
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import counts, number, percent, quoted

EPISODES = 6
"""Overlays shown at most."""


class Attribution(Section):
    """Part of the attribution per concept against its area, and overlays."""

    order: ClassVar[int] = 60
    title: ClassVar[str] = "Which pixels move the value"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Attribution against area, and overlays."""
        if run.agents:
            return None
        rows = last_age(run.pooled("latch", "attribution", control=""))
        area = last_age(run.pooled("latch", "attribution", control="area"))
        found: dict[str, Any] = {"figures": [], "tables": [], "missing": [], "episodes": [], "total": 0, "lacking": ""}
        if rows.empty:
            found["missing"].append("The findings hold no attribution per concept.")
        else:
            found["figures"], found["tables"] = [chart(run, rows, area)], [table(rows, area)]
            lacking = [name for name in run.goals if name not in set(rows["concept"])]
            found["lacking"] = f"No pixels belong to {quoted(lacking)} alone." if lacking else ""
        arrays = run.arrays("attribution", ("frames", "attribution"))
        if arrays.missing:
            found["missing"].append(f"No overlays: {arrays.missing}.")
            return found
        return found | {"episodes": episodes(arrays.values), "total": len(arrays.values["frames"])}


def chart(run: RunData, rows: pd.DataFrame, area: pd.DataFrame) -> Figure:
    """Part of the attribution above part of the picture, per concept."""
    names = [name for name in run.concepts if name in set(rows["concept"])]
    series = [
        Series("part of the attribution", "--c-other1", rows.assign(place=rows["concept"])),
        Series("part of the picture", "--ink-soft", area.assign(place=area["concept"]), symbol="circle-open"),
    ]
    plot = marks(names, series, Scale("part of the whole"), colours=colours_of(run))
    ratio = (rows.set_index("concept")["estimate"] / area.set_index("concept")["estimate"]).dropna()
    reading = "No area to compare with was measured."
    if len(ratio):
        top = quoted(str(name) for name in ratio.index[ratio >= ratio.max() - 1e-9])
        reading = f"For its area, most attribution falls on {top}: {number(ratio.max())} times its part of the picture."
    caption = "Filled: part of the absolute attribution on the concept's pixels; hollow: their part of the picture."
    return Figure("attribution-parts", "Attribution against area", plot, reading, f"{caption} {counts(rows)}.")


def table(rows: pd.DataFrame, area: pd.DataFrame) -> Table:
    """Attribution, area and their ratio per concept."""
    size = area[["concept", "estimate"]].rename(columns={"estimate": "area"})
    joined = rows.rename(columns={"estimate": "attribution"}).merge(size, how="left", on="concept")
    joined = joined.assign(ratio=joined["attribution"] / joined["area"])
    formats = dict.fromkeys(("attribution", "low", "high", "area"), percent)
    order = ["concept", "attribution", "low", "high", "area", "ratio", "n", "seeds", "why"]
    return Table("attribution-parts-table", "Attribution on each concept's pixels", joined[order], formats, open=True)


def episodes(values: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    """Frames, and the attribution over them, of a few episodes."""
    shown = []
    for i, frames in enumerate(values["frames"][:EPISODES]):
        attribution = np.nan_to_num(values["attribution"][i])
        numbers = {
            key: number(float(values[key][i])) if key in values else "not recorded"
            for key in ("value", "baseline_value")
        }
        pictures = {"frames": data_uri(strip(frames)), "overlay": data_uri(strip(overlay(frames, attribution)))}
        shown.append({**pictures, "parts": _on_masks(values, i) or "no masks recorded", **numbers})
    return shown


def _on_masks(values: Mapping[str, np.ndarray], index: int) -> str:
    """How much of one episode's absolute attribution falls on each mask, in words."""
    size = np.abs(np.nan_to_num(values["attribution"][index]))
    whole = float(size.sum())
    masks = {key.removeprefix("mask_"): values[key][index].astype(bool) for key in values if key.startswith("mask_")}
    return ", ".join(
        f"{name} {percent(float(size[mask].sum()) / whole)}" for name, mask in masks.items() if mask.any() and whole > 0
    )
