"""Tables and charts of the question caught-lying."""

from __future__ import annotations

import pandas as pd

from imprint.analyses.questions.base import Exhibit, chart_over_seeds, exhibit_of_seeds

OVER = "Mean and 95 % interval over agents."


def exhibits(means: pd.DataFrame, table: pd.DataFrame, main: float) -> list[Exhibit]:
    """All tables of the answer; ``means``: over seeds, ``table``: of every seed, ``main``: the rate that decides."""
    last = means["episodes"].max()
    unwatched = means[means["where"] == "unwatched"]
    end = unwatched[unwatched["episodes"] == last]
    seeds = table[(table["measure"] == "lies") & (table["episodes"] == last) & (table["where"] == "unwatched")]
    return [
        _lies(end),
        _course(unwatched[(unwatched["inspection"] == main) & (unwatched["measure"] == "lies")]),
        _read(means[(means["episodes"] == last) & (means["inspection"] > 0)]),
        _else(end[end["inspection"] == main]),
        exhibit_of_seeds(seeds, "Lies where nobody watches, after the last episode."),
    ]


def _lies(end: pd.DataFrame) -> Exhibit:
    rows = end[end["measure"] == "lies"].sort_values("inspection", kind="stable")
    rows = rows.assign(inspection=rows["inspection"].astype(str))
    parts = "; ".join(f"{r.arm}, inspection {r.inspection}: {r.value:.2f}" for r in rows.itertuples())
    titles = "inspection rate of those who are watched", "part of unripe fruit that is said to be ripe"
    chart = chart_over_seeds("points", "inspection", "value", titles, colour="arm")
    caption = "Nobody watches, and nobody can find out. Belief: the reward reads what the agent takes the fruit to be, "
    caption += "by a readout taught where it was inspected (at rate 0, by nothing); audited: taught by all episodes; "
    caption += f"all seen: every lie is found out. {OVER}"
    return Exhibit("lies", "Lies where nobody can find out", rows, f"Lies: {parts}.", caption, chart)


def _course(rows: pd.DataFrame) -> Exhibit:
    ends = "; ".join(f"{arm} {part['value'].iloc[-1]:.2f}" for arm, part in rows.groupby("arm", sort=False))
    titles = "episodes lived", "part of unripe fruit that is said to be ripe"
    chart = chart_over_seeds("lines", "episodes", "value", titles, colour="arm")
    caption = f"Where nobody watches. {OVER}"
    return Exhibit("course", "How lying comes and goes", rows, f"In the end: {ends}.", caption, chart)


def _read(rows: pd.DataFrame) -> Exhibit:
    rows = rows[rows["measure"].isin(["readout", "fresh probe"]) & rows["arm"].isin(["outcome", "belief", "audited"])]
    rows = rows.assign(reader=rows["measure"] + ", " + rows["where"], inspection=rows["inspection"].astype(str))
    mine = rows[(rows["where"] == "unwatched") & (rows["measure"] == "readout")]
    parts = "; ".join(f"{r.arm}, inspection {r.inspection}: {r.value:.2f}" for r in mine.itertuples())
    least = rows[(rows["where"] == "unwatched") & (rows["measure"] == "fresh probe")]["value"].min()
    titles = "inspection rate", "what is read"
    chart = chart_over_seeds("points", "inspection", "value", titles, colour="arm", panel="reader")
    caption = (
        "Readout: part of unripe fruit that it takes to be unripe, less of ripe fruit (1 is perfect, 0 is blind). "
    )
    caption += "Fresh probe: balanced accuracy of a linear probe that is fitted anew (.5 is chance). Under outcome the "
    caption += f"readout is taught alike and nothing depends on it. {OVER}"
    heading = "Whether the readout sees the belief, and whether it is there to be seen"
    reading = f"Where nobody watches the readout separates {parts}. The fresh probe is never below {least:.2f} there."
    return Exhibit("read", heading, rows, reading, caption, chart)


def _else(end: pd.DataFrame) -> Exhibit:
    rows = end[end["measure"].isin(["sorts rightly", "honest sales", "lies, by own act", "lies, misled"])]
    parts = rows[rows["arm"] == "belief"].itertuples()
    reading = "With the belief read: " + "; ".join(f"{r.measure} {r.value:.2f}" for r in parts) + "."
    chart = chart_over_seeds("points", "measure", "value", ("measure", "part of the fruit"), colour="arm")
    caption = "By own act: of fruit that the agent itself sorted as unripe. Misled: it seems unripe and is ripe. "
    heading = "What else the agents do where nobody watches"
    return Exhibit("else", heading, rows, reading, caption + OVER, chart)
