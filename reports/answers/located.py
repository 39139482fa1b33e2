"""The answer about whether a concept can be read at a site: the mark of each verdict in a figure, and its meaning."""

from __future__ import annotations

MEANINGS = {
    "present": "readable here, and better than every floor: learned",
    "present, not linear": "readable and better than every floor, but not by a linear readout",
    "present, not used": "readable and better than every floor, and the value is shown not to differ with it",
    "given by input": "readable, and shown to be as readable from the raw input: not learned",
    "given untrained": "readable, and randomly initialised twins are shown to be as good: not learned",
    "given another concept": "readable, but shown not to be among rows that agree in another concept, which is named",
    "absent": "an equivalence test shows it to be no better readable than shuffled labels",
    "undetermined": "neither shown to be present nor shown to be absent",
    "not measurable": "the data cannot answer, for example because only one class occurs",
}
PRESENT = tuple(word for word in MEANINGS if word.startswith("present"))
"""The words of presence."""
MARKS = dict(zip(MEANINGS, "●nviuc–?×", strict=True))
