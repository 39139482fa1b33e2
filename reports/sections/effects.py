"""What happens to the value when one thing in the world is changed and everything else, noise included, is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from imprint.reports.figures import axes, plots
from imprint.reports.parts import Figure, Table
from imprint.reports.pictures import data_uri, strip
from imprint.reports.reading.run import RunData
from imprint.reports.reading.tables import last_age
from imprint.reports.sections.base import Section
from imprint.reports.words import age_words, counts, interval, measured, number

PAIRS = 12
"""Counterfactual pairs shown at most."""
NEEDED = ("before", "after", "value_before", "value_after", "concept", "from_value", "to_value")


class Effects(Section):
    """Mean counterfactual effects, and a gallery of real pairs."""

    order: ClassVar[int] = 40
    title: ClassVar[str] = "What moves the value"
    short: ClassVar[str] = "Counterfactuals"

    def collect(self, run: RunData) -> dict[str, Any] | None:
        """Forest of effects, and pairs of pictures."""
        if run.agents:
            return None
        rows = last_age(run.pooled("latch", "effect")).drop_duplicates("concept", keep="last")
        rows = rows.set_index("concept").reindex([c for c in run.concepts if c in set(rows["concept"])]).reset_index()
        found: dict[str, Any] = {"figures": [], "tables": [], "missing": [], "pairs": []}
        if len(rows):
            shown = rows[["concept", "estimate", "low", "high", "n", "seeds", "why"]]
            found["figures"].append(forest(run, rows))
            found["tables"].append(Table("effects-means", "Counterfactual effects", shown))
        else:
            found["missing"].append("The findings hold no counterfactual effects.")
        arrays = run.arrays("gallery", NEEDED)
        if arrays.missing:
            found["missing"].append(f"No gallery: {arrays.missing}.")
            return found
        total = len(arrays.values["concept"])
        return found | {"pairs": gallery(arrays.values), "total": total, "source": source(arrays.values)}


def forest(run: RunData, rows: pd.DataFrame) -> Figure:
    """Mean effects with their intervals."""
    colours = axes.palette(run.intended, run.proxies, [c for c in run.concepts if c not in run.proxies])
    seeds = last_age(run.per_seed("latch", "effect"))
    plot = plots.forest(rows, seeds, colours, "mean change (sd of the value)")
    known = rows.assign(size=rows["estimate"].abs()).dropna(subset=["size"]).sort_values("size")
    reading = "No effect was measured."
    if len(known):
        reading = f"Changing “{known.iloc[-1]['concept']}” moves the value most: {interval(known.iloc[-1])} sd."
    caption = f"Dots: mean effect at {age_words(rows['age'].max())}; lines: 95 % interval; circles: single seeds."
    return Figure("effects-forest", "Mean counterfactual effect", plot, reading, f"{caption} {counts(rows)}.")


def source(values: Mapping[str, np.ndarray]) -> str:
    """Which learner the pictures are of, in words."""
    if not {"seed", "age"} <= values.keys():
        return ""
    return f"Training seed {int(values['seed'].flat[0])} at {age_words(values['age'].flat[0])}."


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


def in_turn(names: list[str]) -> list[int]:
    """Indices so that every name has its turn before any has its second."""
    seen: dict[str, int] = {}
    ranked = []
    for index, name in enumerate(names):
        ranked.append((seen.get(name, 0), index))
        seen[name] = seen.get(name, 0) + 1
    return [index for _, index in sorted(ranked)]
