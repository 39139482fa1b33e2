"""Tables and charts of the question anatomy."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.anatomy.measure import TAGS
from imprint.analyses.questions.base import Chart, Exhibit, chart_over_seeds, exhibit_of_seeds


def exhibits(means: pd.DataFrame, table: pd.DataFrame, logs: pd.DataFrame) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed, ``logs``: log10 of bits."""
    frame = _means(logs)
    relay, learn, steer = (float(frame[frame["tag"] == tag]["value"].mean()) for tag in ("grey", "learn", "steer"))
    nearer = "learn" if abs(relay - learn) < abs(relay - steer) else "steer"
    span = {tag: means[means["tag"] == tag]["value"] for tag in ("learn", "steer")}
    reading = (
        f"Modules that learn change by {span['learn'].min():,.0f} to {span['learn'].max():,.0f} bits, modules that "
    )
    reading += (
        f"steer by {span['steer'].min():.0f} to {span['steer'].max():.0f}; the relay by {10**relay:,.0f}, nearer "
    )
    reading += f"to those that {nearer} (in orders of magnitude)."
    caption = (
        "Bits to a resolution of 1/256 of a module's scale. Mean and 95 % interval over seeds. Planted: a learner "
    )
    caption += "tagged as steering, and a learner that has not lived. "
    ordered = means.sort_values("value", ascending=False)
    chart = chart_over_seeds("points", "module", "value", ("module", "bits of change"), colour="tag")
    return [
        Exhibit("bits", "Bits of change after birth", ordered, reading, caption, chart),
        _orders(logs),
        exhibit_of_seeds(table),
    ]


def _means(logs: pd.DataFrame) -> pd.DataFrame:
    frame = logs.mean().rename("value").rename_axis("module").reset_index().sort_values("value", ascending=False)
    return frame.assign(tag=frame["module"].map(TAGS))[["module", "tag", "value"]]


def _orders(logs: pd.DataFrame) -> Exhibit:
    frame = _means(logs)
    tall = frame[frame["tag"] == "learn"]["value"].min() - frame[frame["tag"] == "steer"]["value"].max()
    reading = f"On a scale of orders of magnitude there are {tall:.1f} between the nearest members of the two clusters."
    chart = Chart("bars", "module", "value", "module", "log10 of bits (none: 0)", colour="tag")
    return Exhibit("orders", "The same in orders of magnitude", frame, reading, "Mean over seeds.", chart)
