"""A memory that starts empty: no gradient, and nothing to recall before something was written.

    W = sum over writes  p p^T / N,  no self-connections         N units, patterns p of -1 and 1
    s <- sign(W s)    ``SETTLING`` times, all units at once; a unit with no drive takes a random side

Hopfield 1982 (doi:10.1073/pnas.79.8.2554). A pattern is cued with half of its units, the others at random; recall is
the part of the other units that come out right, which is 1 / 2 by chance. Capacity is about .14 N (Amit, Gutfreund &
Sompolinsky 1985).

Letters: S seeds, m patterns, N units.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator

UNITS, SETTLING, CUES = 400, 20, 50
LOADS = (0.0, 0.02, 0.05, 0.1, 0.14, 0.2, 0.3, 0.5)
"""Patterns that are written, per unit."""


def recall(patterns: Tensor, written: int, rng: torch.Generator) -> float:
    """Part of the units that were not cued that come out right, ``patterns`` ``[m, N]``, the first are written."""
    stored = patterns[:written]
    weight = stored.T @ stored / patterns.shape[1]
    weight.fill_diagonal_(0.0)
    shown = patterns[: max(written, 1)].repeat(CUES, 1)[:CUES]
    side = torch.rand(shown.shape, generator=rng).sub(0.5).sign()
    cued = torch.rand(shown.shape, generator=rng) < 0.5
    state = torch.where(cued, shown, side)
    for _ in range(SETTLING):
        drive = state @ weight
        state = torch.where(drive == 0, side, drive.sign())
    return float((state == shown)[~cued].float().mean())


def measure_memory(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: recall by load."""
    rows = []
    for done, seed in enumerate(seeds):
        rng = generator("memory", seed)
        patterns = torch.randint(0, 2, (int(max(LOADS) * UNITS), UNITS), generator=rng).float() * 2 - 1
        for load in LOADS:
            about = {"part": "memory", "arm": f"{load:g}", "measure": "recall", "seed": seed}
            rows.append({**about, "value": recall(patterns, round(load * UNITS), rng)})
        say(done, len(seeds), "memories are written")
    return pd.DataFrame(rows)
