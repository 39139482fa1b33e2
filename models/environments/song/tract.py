"""The vocal tract of a songbird: a posture of five articulators makes a sound, and many postures make the same one.

Two sound sources, the two sides of the syrinx, share one airstream (Suthers 1990, Nature 347:473); a pair of muscles
works against each other on both. Articulators lie in 0 to 1:

    tension    = (1 + pull - slack) / 2                                         both muscles at once change nothing
    pitch_s    = LOW_s + RANGE tension + BEND pressure                          parts of the axis
    amplitude_s = pressure (1 - CLOSED (1 - gape)) share_s                      share 1 - side on the left, side right
    sound(f)   = sum_s amplitude_s sum_h  bell(f - pitch_s - overtone_h) / h  +  breath

The pitches of the two sides overlap, and pressure trades against the opening of the beak; so different postures sound
alike (multifunctional control: Elemans et al. 2015, Nature Communications 6:8978). In a ``plain`` body the slackening
muscle and the right side are cut, so that most of this freedom is gone. A toy with these redundancies, not a model of
any bird: no resonances, no respiration, one moment a frame.

*Features* are crude numbers of a sound and of nothing else: loudness, the centre and the spread of its spectrum.

Letters: n sounds, F frequency bins.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

ARTICULATORS = ("pressure", "gape", "pull", "slack", "side")
PLAIN = ("pressure", "gape", "pull")
"""Articulators that do something in a plain body."""
BINS = 24
LOW, RANGE, BEND, CLOSED, BREATH = (0.1, 0.2), 0.45, 0.1, 0.6, 0.05
OVERTONES, WIDTH = (0.0, 0.25), 0.06
"""Distance of the overtone and width of a line, in parts of the axis."""
AUDIBLE, LOUD = 1e-3, 1.5
"""Loudness below which there is no pitch, and number of full lines that are as loud as can be."""


def spectrum(posture: Mapping[str, Tensor], *, plain: bool = False) -> Tensor:
    """The sound of each posture, ``[n, F]``, in 0 to 1."""
    pressure, gape, pull, slack, side = (posture[name] for name in ARTICULATORS)
    tension = pull if plain else 0.5 * (1.0 + pull - slack)
    side = torch.zeros_like(side) if plain else side
    axis = (torch.arange(BINS) + 0.5) / BINS
    out = pressure * (1.0 - CLOSED * (1.0 - gape))
    sound = (BREATH * out)[:, None].expand(-1, BINS)
    for low, share in zip(LOW, (1.0 - side, side), strict=True):
        pitch = low + RANGE * tension + BEND * pressure
        for number, overtone in enumerate(OVERTONES, start=1):
            line = torch.exp(-0.5 * ((axis - pitch[:, None] - overtone) / WIDTH).square())
            sound = sound + (out * share / number)[:, None] * line
    return sound.clamp(0.0, 1.0)


def features(sound: Tensor) -> dict[str, Tensor]:
    """``loudness`` (relative to a full line), ``centre`` and ``spread`` of sounds ``[n, F]``; each ``[n]``, 0 to 1."""
    axis = (torch.arange(BINS) + 0.5) / BINS
    exact = sound.double()
    total = exact.sum(1)
    share = exact / total.clamp(min=AUDIBLE)[:, None]
    centre = (share * axis).sum(1)
    width = (share * (axis - centre[:, None]).square()).sum(1).sqrt()
    loudness = (total / (BINS * 2.5 * WIDTH * LOUD)).clamp(max=1.0)
    found = {"loudness": loudness, "centre": centre, "spread": (2.0 * width).clamp(max=1.0)}
    return {name: torch.where(loudness > AUDIBLE, value, 0.0).float() for name, value in found.items()}
