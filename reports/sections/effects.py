"""What happens to the value when one concept is changed and everything else, noise included, stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures.series import Scale, Series, marks
from imprint.reports.parts import Figure, Table
from imprint.reports.pictures import data_uri, strip
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import in_turn, last_age
from imprint.reports.sections.base import Section, colours_of
from imprint.reports.words import age_words, counts, interval, measured, number

PAIRS = 12
"""Counterfactual pairs shown at most."""
NEEDED = ("before", "after", "value_before", "value_after", "concept", "from_value", "to_value")


class Effects(Section):
    """Mean counterfactual effects, and a gallery of real pairs."""

    order: ClassVar[int] = 40
    title: ClassVar[str] = "What moves the value"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Mean effects, and pairs of pictures."""
        if run.agents:
            return None
        rows = last_age(run.pooled("latch", "effect"))
        found: dict[str, Any] = {"figures": [], "tables": [], "missing": [], "pairs": []}
        if len(rows):
            shown = rows[["concept", "estimate", "low", "high", "n", "seeds", "why"]]
            found["figures"].append(means(run, rows))
            found["tables"].append(Table("effects-means", "Counterfactual effects", shown))
        else:
            found["missing"].append("The findings hold no counterfactual effects.")
        arrays = run.arrays("gallery", NEEDED)
        if arrays.missing:
            found["missing"].append(f"No gallery: {arrays.missing}.")
            return found
        pairs, total = gallery(arrays.values), len(arrays.values["concept"])
        world = int(arrays.values["world"].flat[0]) if "world" in arrays.values else 0
        drawn = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.constants(world).items())
        source = f"{arrays.subject} In its world: {drawn}." if drawn else arrays.subject
        return found | {"pairs": pairs, "total": total, "source": source}


def means(run: RunData, rows: pd.DataFrame) -> Figure:
    """Mean effects with their intervals."""
    names = [name for name in run.concepts if name in set(rows["concept"])]
    seeds = last_age(run.per_seed("latch", "effect"))
    series = Series("effect", "--ink-soft", rows.assign(place=rows["concept"]), seeds.assign(place=seeds["concept"]))
    scale = Scale("mean change (sd of the value)", share=False)
    plot = marks(names, [series], scale, colours=colours_of(run))
    known = rows.assign(size=rows["estimate"].abs()).dropna(subset=["size"]).sort_values("size")
    reading = "No effect was measured."
    if len(known):
        top = known.iloc[-1]
        reading = f"Changing “{top['concept']}” moves the value most, by {interval(top)} standard deviations."
    caption = f"Dots: mean effect at {age_words(rows['age'].max())}; lines: 95 % interval; small circles: single seeds."
    return Figure("effects-forest", "Mean counterfactual effect", plot, reading, f"{caption} {counts(rows)}.")


def gallery(values: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Pairs to show, concepts in turn: two strips, what was changed, and what it did to the value."""
    marked = int(np.asarray(values["decision"]).reshape(-1)[0]) if "decision" in values else None
    pairs = []
    for i in in_turn([str(name) for name in values["concept"]])[:PAIRS]:
        before, after = float(values["value_before"][i]), float(values["value_after"][i])
        change = after - before
        pairs.append(
            {
                "concept": str(values["concept"][i]),
                "from": str(values["from_value"][i]),
                "to": str(values["to_value"][i]),
                "before": data_uri(strip(values["before"][i], marked=marked)),
                "after": data_uri(strip(values["after"][i], marked=marked)),
                "value_before": number(before),
                "value_after": number(after),
                "change": number(change, signed=True),
                "direction": "" if not measured(change) or change == 0 else "up" if change > 0 else "down",
            }
        )
    return pairs
