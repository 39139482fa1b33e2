"""The answer about whether a concept can be read at a site: the mark of each verdict in a figure, and its meaning."""

from __future__ import annotations

MEANINGS = {
    "present": "readable here, and better than every floor: learned",
    "given by input": "readable, but no better than from the raw input: not learned",
    "given untrained": "readable, but no better than from randomly initialised twins: not learned",
    "absent": "an equivalence test shows it to be no better readable than shuffled labels",
    "undetermined": "neither shown to be present nor shown to be absent",
    "not measurable": "the data cannot answer, for example because only one class occurs",
}
MARKS = dict(zip(MEANINGS, "●iu–?×", strict=True))
