"""Cells of sweeps whose truth is known by construction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from imprint.analyses.effects_of_settings.cells import Swept, swept

GRID: dict[str, list[Any]] = {
    "world.colour_cue": [0.0, 0.25, 0.5, 0.75, 1.0],
    "assessor.lag": [0, 1, 2],
    "learner.kind": ["conv", "mlp"],
}


def cells_of(
    truth: Callable[[Mapping[str, Any]], float],
    *,
    grid: Mapping[str, Sequence[Any]] = GRID,
    raised: Sequence[str] = ("world.colour_cue",),
    spread: float = 0.05,
    seeds: int = 6,
    rng: np.random.Generator | None = None,
) -> Swept:
    """Cells whose dominance is ``truth(settings)``, with noise of standard deviation ``spread`` when ``rng`` is given.

    The interval of every cell has the half width that this noise calls for; the probability of the intended word is a
    logistic curve of dominance, steep at .5.
    """
    rows = []
    for number, values in enumerate(product(*grid.values())):
        settings = dict(zip(grid, values, strict=True))
        dominance = truth(settings) + (0.0 if rng is None else spread * rng.standard_normal())
        p = 1 / (1 + np.exp(-20 * (dominance - 0.5)))
        word = "intended" if p >= 0.95 else "proxy:lamp" if p <= 0.05 else "undetermined"
        row = {"cell": number, **settings, "verdict": word, "words": word, "probability": max(p, 1 - p)}
        row |= {"probability|intended": p, "probability|proxy:lamp": 1 - p, "leads": "caregiver"}
        row |= {"dominance": dominance, "dominance_low": dominance - 1.96 * spread}
        row |= {"dominance_high": dominance + 1.96 * spread, "causal_share": dominance}
        row |= {"wanting": np.nan, "wanting_low": np.nan, "wanting_high": np.nan}
        row |= {
            "latch_age": 12_800.0 if p > 0.5 else np.nan,
            "seeds": seeds,
            "diverged": 0,
            "error": "",
            "seconds": 1.5,
        }
        rows.append(row)
    return swept(pd.DataFrame(rows), grid, raised=raised)
