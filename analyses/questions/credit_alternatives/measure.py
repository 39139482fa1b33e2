"""Networks of growing depth that name handwritten digits, each taught by one learning rule.

    gap of a rule at depth L      accuracy of backpropagation less that of the rule, same seed, same depth
    angle of a layer              between the rule's change and the gradient, on all training images; 90 is unrelated

Everything but the rule and its step size is the same for all: split, initial weights, order of the images, number of
passes. Arms that are no rule of their own:

    readout only      backpropagation whose hidden layers stay as they were born
    other weights     backpropagation from other initial weights, in another order: what chance alone makes of a gap

Letters: S seeds, L hidden layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import birth, generator
from imprint.models.handwriting import CLASSES, FIGURE, splits
from imprint.models.learning.plain_steps import accuracy, angles, learned, newborn, started

BACKPROP, HELD, OTHER = "backprop", "readout only", "other weights"


def measure(
    *, arm: str, depth: int, seeds: Sequence[int], width: int, epochs: int, rate: float, cooling: bool, say: Say
) -> pd.DataFrame:
    """Rows of arm, depth, measure, when, layer, seed and value of one arm at one depth."""
    kind = BACKPROP if arm in (HELD, OTHER) else arm
    draw = "other" if arm == OTHER else "order"
    widths = (FIGURE * FIGURE, *[width] * depth, CLASSES)
    births = [generator("other birth", seed) if arm == OTHER else birth(seed) for seed in seeds]
    network, rule, split = newborn(widths, births), started(kind, widths, seeds), splits(seeds)
    rows: list[dict[str, Any]] = []

    def note(measure: str, when: str, layer: int, values: Tensor) -> None:
        about = {"arm": arm, "depth": depth, "measure": measure, "when": when, "layer": layer}
        rows.extend({**about, "seed": seed, "value": value} for seed, value in zip(seeds, values.tolist(), strict=True))

    def look(when: str) -> None:
        note("accuracy", when, depth + 1, accuracy(network, split.tests, split.answers))
        if arm not in (HELD, OTHER):
            for layer, turned in enumerate(angles(network, rule, split), start=1):
                note("angle", when, layer, turned)

    look("at birth")
    network = learned(
        network,
        rule,
        split,
        [generator(draw, seed) for seed in seeds],
        epochs=epochs,
        rate=rate,
        hidden=arm != HELD,
        cooling=cooling,
        say=lambda epoch: say(epoch, epochs, f"{arm}, {depth} hidden layers"),
    )
    look("trained")
    return pd.DataFrame(rows)
