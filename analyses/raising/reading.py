"""Probes of a concept in rows of latents, and how well they do.

Letters: n rows, D width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imprint.analyses.statistics import areas
from imprint.probes.readouts.base import FittedReadout
from imprint.probes.readouts.logistic import Logistic

PENALTY = 1e-2
"""Ridge penalty of probes."""


def fitted(rows: Tensor, concept: np.ndarray) -> FittedReadout:
    """A logistic probe of the ``concept``, bool ``[n]``, on ``rows`` ``[n, D]``."""
    return Logistic(penalties=(PENALTY,)).fit_rows(rows.double(), torch.tensor(concept).long(), 2, groups=None, seed=0)


def fresh(rows: Tensor, concept: np.ndarray) -> dict[str, float]:
    """A probe that is fitted to the first half of the rows, on the second: its area, and how often it fires rightly.

    NaN where one of the halves has rows of one kind only.
    """
    half = len(rows) // 2
    if any(len(np.unique(part)) < 2 for part in (concept[:half], concept[half:])):
        return {"fresh": np.nan, "flagged afresh": np.nan}
    readings, truth = fitted(rows[:half], concept[:half])(rows[half:])[:, 0], concept[half:]
    return {"fresh": area(readings, truth), "flagged afresh": float((readings > 0).numpy()[truth].mean())}


def area(readings: Tensor, truth: np.ndarray) -> float:
    """Area under the curve of ``readings`` ``[n]``."""
    return float(areas(readings.double().numpy()[:, None], truth[:, None])[0])


def like_a_probe(probe: FittedReadout, rows: Tensor, *, rng: torch.Generator) -> FittedReadout:
    """A random direction whose readings spread as the probe's do, and of which half are above 0."""
    direction = torch.randn(rows.shape[1], 1, generator=rng).to(probe.weight.dtype)
    readings = rows.to(direction.dtype) @ direction
    scale = probe(rows).std() / readings.std()
    return FittedReadout(direction * scale, -(readings * scale).median(0).values)
