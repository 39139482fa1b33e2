"""Tables and charts of the question prenatal."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds
from imprint.analyses.questions.prenatal.measure import NATURAL

OVER = "Mean and 95 % interval over seeds."


def exhibits(means: pd.DataFrame, table: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed."""
    main = table[table["measure"].isin(["error", "misplaced, horizontal", "misplaced, vertical"])]
    return [_learner(means), _total(means), _map(means), exhibit_of_seeds(main)]


def _learner(means: pd.DataFrame) -> Exhibit:
    frame = means[means["measure"].isin(["error at birth", "error"]) & (means["arm"] != "twin")]
    after = frame[frame["measure"] == "error"].sort_values("value")
    listed = ", ".join(f"{row.arm} {row.value:.3f}" for row in after.itertuples())
    caption = (
        "Mean squared error of the next frame on the photograph that was never seen (variance 1). Waves: travelling "
    )
    caption += (
        "bars. Frames: the same, in another order. Pixels: the same, pixels permuted. Noise: independent pixels. "
    )
    caption += "Weak: bars whose columns are early or late. Nothing: no life before birth. Copy: no learner, the last "
    caption += f"frame is repeated. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("life before birth", "error"), colour="measure")
    return Exhibit(
        "errors",
        "What a life before birth is worth",
        frame,
        f"Errors after {NATURAL} natural steps, the smallest first: {listed}.",
        caption,
        chart,
    )


def _total(means: pd.DataFrame) -> Exhibit:
    waves = means[(means["measure"] == "error") & (means["arm"] == "waves")]
    equal = means[means["measure"] == "error, equal total"]
    frame = pd.concat([waves, equal.assign(arm="natural steps alone, as many in all")])
    one, other = float(waves["value"].iloc[0]), float(equal["value"].iloc[0])
    reading = (
        f"Waves and {NATURAL} natural steps leave an error of {one:.3f}, as many natural steps in all {other:.3f}."
    )
    return Exhibit("total", "Waves instead of natural steps", frame, reading, OVER)


def _map(means: pd.DataFrame) -> Exhibit:
    frame = means[means["pathway"] == "map"]
    wide = frame.set_index(["arm", "measure"])["value"]
    parts = [
        f"{arm} {wide[arm, 'misplaced, vertical']:.2f} and {wide[arm, 'misplaced, horizontal']:.2f}"
        for arm in dict.fromkeys(frame["arm"])
    ]
    reading = f"Pixels by which spots are misplaced, vertically and horizontally: {'; '.join(parts)}."
    caption = f"Weak waves are weak along the horizontal axis. Nothing: chemical gradients alone. {OVER}"
    chart = chart_over_seeds("points", "arm", "value", ("activity before birth", "pixels"), panel="measure")
    return Exhibit("map", "The map with a fixed reader", frame, reading, caption, chart)
