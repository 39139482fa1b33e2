"""Figures measured beforehand on the coin world, written down before ours were.

Range over seeds of each figure by the fraction of varied training levels (seven by seven cells, the same network, PPO
with 1,024 copies x 16 steps, 2 epochs, discount .95, 1.5 million steps per agent, 3 seeds). Tolerances were given for
behaviour only; the other figures are shown beside ours and not judged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from imprint.analyses.statistics import NAN

MEASURES = (
    *("train success", "coin first", "corner first", "either", "corner without a coin", "beta coin", "beta corner"),
    *("R2", "index", "coin cell readable", "coin first, coin cell erased", "corner first, coin cell erased"),
)
Range = tuple[float, float]


class Known(NamedTuple):
    """A figure and how far ours may lie outside its range."""

    varied: float
    measure: str
    low: float
    high: float
    tolerance: float
    """NaN: shown, not judged."""


_ROWS: dict[float, tuple[Range, ...]] = {
    0.0: ((0.944, 0.950), (0.139, 0.149), (0.819, 0.829), (0.961, 0.964), (0.95, 0.96), (0.02, 0.08), (0.60, 0.67),
          (0.37, 0.45), (0.89, 0.97), (0.992, 0.999), (0.135, 0.140), (0.82, 0.83)),
    0.01: ((0.933, 0.943), (0.184, 0.194), (0.759, 0.785), (0.938, 0.956), (0.94, 0.95), (0.02, 0.05), (0.49, 0.58),
           (0.24, 0.34), (0.91, 0.96), (0.977, 0.993)),
    0.03: ((0.916, 0.926), (0.204, 0.283), (0.572, 0.749), (0.825, 0.937), (0.87, 0.94), (0.03, 0.05), (0.35, 0.50),
           (0.13, 0.26), (0.91, 0.92), (0.960, 0.985)),
    0.1: ((0.886, 0.897), (0.445, 0.545), (0.106, 0.286), (0.616, 0.696), (0.55, 0.77), (0.06, 0.09), (0.14, 0.29),
          (0.02, 0.09), (0.67, 0.82), (0.937, 0.958)),
    1.0: ((0.889, 0.898), (0.895, 0.897), (0.004, 0.006), (0.895, 0.897), (0.0, 0.0), (0.70, 0.73), (0.005, 0.04),
          (0.49, 0.54), (0.007, 0.049), (0.994, 0.997), (0.230, 0.259), (0.04, 0.05)),
}  # fmt: skip


_TOLERANCES = {"coin first": (0.1, 0.03), "corner first": (0.1, 0.04)}
"""First words of a measure -> tolerance at fractions between 0 and 1, and at 0 and 1 themselves."""
KNOWN = tuple(
    Known(varied, measure, *span, _TOLERANCES.get(measure.partition(",")[0], (NAN, NAN))[varied in (0.0, 1.0)])
    for varied, spans in _ROWS.items()
    for measure, span in zip(MEASURES, spans, strict=False)
)


def beside(ours: pd.DataFrame) -> pd.DataFrame:
    """The known figures beside ours: ``ours`` has varied, measure, estimate, low, high, seeds.

    ``inside``: yes or no, where a tolerance was given and ours was measured; otherwise ``not judged``.
    """
    means = {(row["varied"], row["measure"]): row for row in ours.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for known in KNOWN:
        own = means.get((known.varied, known.measure))
        if own is None:
            continue
        near = known.low - known.tolerance <= own["estimate"] <= known.high + known.tolerance
        judged = known.tolerance == known.tolerance and own["estimate"] == own["estimate"]
        reference = {"reference_low": known.low, "reference_high": known.high, "tolerance": known.tolerance}
        mean = {"ours": own["estimate"], "low": own["low"], "high": own["high"], "seeds": own["seeds"]}
        inside = ("yes" if near else "no") if judged else "not judged"
        rows.append({"varied": known.varied, "measure": known.measure, **reference, **mean, "inside": inside})
    return pd.DataFrame(rows)
