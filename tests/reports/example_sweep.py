"""A made-up sweep whose truth is known: a border along the colour cue that a lag takes away, and an idle setting.

With lag 0 the reward latches onto the colour as soon as that goes along with the caregiver; with a lag it latches onto
the caregiver. The detector's misses do nothing. One cell failed, in one every seed diverged, in one some did.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from imprint.models.files import write_json, write_table
from tests.reports.example_question import NASTY

GRID: dict[str, list[Any]] = {
    "world.colour_cue": [0.0, 0.25, 0.5, 0.75, 1.0],
    "assessor.lag": [0, 1, 2],
    "steering.0.miss": [0.0, 0.1, 0.3],
    "assessor.closes_at": [None, 12800, 38400],
}
FAILED, DIVERGED, PARTLY = 7, 40, 80
"""Numbers of cells."""


def frame_of() -> pd.DataFrame:
    """The table of cells."""
    rng, rows = np.random.default_rng(0), []
    for number, values in enumerate(product(*GRID.values())):
        cue, lag, _, closes = values
        dominance = 0.85 - (0.9 * cue if lag == 0 else 0.15 * cue) - 0.1 * (closes == 12800)
        dominance += 0.02 * rng.standard_normal()
        p = float(1 / (1 + np.exp(-14 * (dominance - 0.5))))
        word = "intended" if p >= 0.95 else "proxy:her_colour" if p <= 0.05 else "undetermined"
        row = {"cell": number, **dict(zip(GRID, values, strict=True)), "verdict": word, "words": word}
        row |= {"probability": max(p, 1 - p), "probability|intended": p, "probability|proxy:her_colour": 1 - p}
        row |= {"leads": "caregiver" if p > 0.5 else "her_colour", "dominance": dominance}
        row |= {"dominance_low": dominance - 0.06, "dominance_high": dominance + 0.06}
        row |= {"dominance|caregiver": dominance, "dominance|her_colour": 1 - dominance, "causal_share": dominance}
        row |= {"latch_age": 6400.0 + 12800 * lag if p > 0.5 else np.nan, "seeds": 6, "diverged": 0}
        rows.append({**row, "error": "", "seconds": 1.5})
    frame = pd.DataFrame(rows)
    lost = frame.columns[frame.columns.get_loc("words") + 1 : frame.columns.get_loc("seeds")]
    numbers = [name for name in lost if name != "leads"]
    frame.loc[[FAILED, DIVERGED], numbers] = np.nan
    frame.loc[[FAILED, DIVERGED], ["verdict", "words", "leads"]] = ""
    frame.loc[FAILED, "error"] = f"a worker was killed {NASTY}"
    frame.loc[DIVERGED, "diverged"] = 6
    frame.loc[PARTLY, "diverged"] = 2
    key = "assessor.closes_at"  # a column that is not all numbers holds texts
    frame[key] = ["null" if value is None or np.isnan(value) else str(int(value)) for value in frame[key]]
    return frame


def write(folder: Path, frame: pd.DataFrame | None = None) -> Path:
    """The folder of the sweep."""
    path = folder / "nursery-sweep-1a2b3c4d"
    record = {"base": {"name": "nursery"}, "grid": GRID, "lives": 30, "raised": ["world.colour_cue"]}
    record |= {"shared": [key for key in GRID if key != "world.colour_cue"], "versions": {"imprint": "0.1.0"}}
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "sweep.json", record)
    write_table(path / "cells.parquet", frame_of() if frame is None else frame)
    return path
