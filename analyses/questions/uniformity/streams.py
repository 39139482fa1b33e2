"""Three streams of symbols that have nothing in common but their alphabet's size.

    pixels   handwritten digits of scikit-learn, pixel after pixel, row after row, 17 shades
    text     the documentation of the language's keywords and topics that comes with Python (``pydoc_data``): letters
             without case, and marks for a space, a stop, a comma, any digit, quotes, and anything else
    arm      a planar arm of two joints under wandering torques: torque 1, torque 2, angle 1, angle 2 in turn, each in
             32 steps of its range over the stream

Each stream has a part for training and a later one for the test. What a symbol is called is arbitrary, and so is what
a module's outputs are wired to: for each seed, every stream has a code of its own for what comes in and another for
what is to be foretold.

Letters: n symbols.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.handwriting import FIGURE, splits

SYMBOLS, WINDOW = 32, 8
"""Size of the alphabet, and how many symbols back a module is shown."""
STREAMS = ("pixels", "text", "arm")
MARKS = " .,0'"
TICKS, HELD_OUT = 12_000, 0.25


@cache
def text() -> Tensor:
    """The documentation as symbols ``[n]``."""
    from pydoc_data.topics import topics

    whole = " ".join(" ".join(topics[name] for name in sorted(topics)).lower().split())
    letters = {chr(ord("a") + i): i for i in range(26)} | {mark: 26 + i for i, mark in enumerate(MARKS)}
    letters |= dict.fromkeys("123456789", letters["0"]) | dict.fromkeys('"`', letters["'"])
    return torch.tensor([letters.get(character, SYMBOLS - 1) for character in whole])


def arm(rng: torch.Generator, ticks: int = TICKS) -> Tensor:
    """Torques and angles in turn, ``[4 ticks]``.

    torque <- .95 torque + .3 xi
    speed <- speed + .1 (torque - angle - coupling - .5 speed),   angle <- angle + .1 speed
    """
    noise = torch.randn(ticks, 2, generator=rng).double().numpy()
    torque, speed, angle = np.zeros(2), np.zeros(2), np.zeros(2)
    seen = np.zeros((ticks, 4))
    for tick in range(ticks):
        torque = 0.95 * torque + 0.3 * noise[tick]
        coupling = 0.5 * np.sin(angle[0] - angle[1]) * np.array([1.0, -1.0])
        speed = speed + 0.1 * (torque - angle - coupling - 0.5 * speed)
        angle = angle + 0.1 * speed
        seen[tick] = [*torque, *angle]
    low, high = np.quantile(seen, [0.001, 0.999], axis=0)
    steps = np.floor((seen - low) / (high - low) * SYMBOLS).clip(0, SYMBOLS - 1)
    return torch.from_numpy(steps.astype(np.int64)).flatten()


def stream(name: str, seed: int, *, held_out: bool) -> Tensor:
    """The symbols of a stream ``[n]``, as they come."""
    if name == "pixels":
        split = splits([seed])
        images = (split.tests if held_out else split.x)[0]
        return (images * 16).round().long().flatten()
    whole = text() if name == "text" else arm(generator("arm", seed))
    cut = int(len(whole) * (1 - HELD_OUT))
    return whole[cut:] if held_out else whole[:cut]


def windows(symbols: Tensor, name: str) -> Tensor:
    """Places ``[m]`` that have ``WINDOW`` symbols before them; of pixels, within one image."""
    places = torch.arange(WINDOW, len(symbols))
    return places[places % FIGURE**2 >= WINDOW] if name == "pixels" else places


def code(name: str, seed: int, side: str) -> Tensor:
    """How the symbols of a stream are called on that ``side`` (in or out) of a module, ``[32]``."""
    return torch.randperm(SYMBOLS, generator=generator("code", name, side, seed))
