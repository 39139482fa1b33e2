"""Two eyes, a Hebbian cortex, and a plasticity rate that is a command: one eye is shut for a while.

A scene is K normal numbers. Each eye shows it through a matrix of its own, with noise on every pixel; an eye that is
shut shows noise alone. M cortical units y = W [left; right] learn by Oja's subspace rule (1989),

    W <- W + rate(age) mean over the batch of ( y x' - y y' W )

The rate is set from outside, as a *command* that depends on age and on nothing that was learned:

    falling     1 early in life, then falling along a logistic curve to nearly nothing
    constant    1 for life
    reopened    falling, and 1 again for a while after every deprivation is over

*Deprivation* begins at an ``onset`` and takes a ``span``, both as parts of a lifetime; of the left eye (``left``), or
of both. All cortices of a seed see the same scenes with the same noise, and go on living when eyes are open again.

    acuity      how much of the scene can be read, linearly, from the cortex through the left eye alone, when units are
                noisy: mean R2 over scene dimensions, in closed form
    deficit     1 - acuity / acuity of the cortex of the same seed and command whose eyes were never shut
    dominance   (left - right) / (left + right) of the norms of what each eye's scenes do in the cortex

The rule is the linear, competitive core of models of ocular dominance (Miller, Keller & Stryker 1989, Science 245:605).
Deviations: no map and no cortical distance; subspace normalisation in place of subtractive; no eye-specific thalamus.

Letters: S seeds, N cortices of a seed, n scenes of a batch, K scene dimensions, M units, P pixels of an eye.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator

SCENE, UNITS, PIXELS, BATCH = 6, 8, 16, 8
NOISE, UNIT_NOISE = 0.3, 0.3
"""Standard deviation of pixels, and of units when they are read."""
RATE, FLOOR = 0.01, 0.002
"""Rate at a command of 1, and the command that is left in the end."""
CLOSES, SLOPE = 0.35, 0.04
"""Age at which the command has fallen to a half, and how gradually it does, as parts of a lifetime."""
REOPENS = (0.8, 0.9)
"""When the command is 1 again."""
ONSETS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SPANS = (0.025, 0.05, 0.1, 0.2)
"""When eyes are shut, and for how long, as parts of a lifetime."""
COMMANDS = ("falling", "constant", "reopened")


class Life(NamedTuple):
    """How one cortex of every seed lives."""

    command: str
    shut: str
    """``none``, ``left`` or ``both``."""
    onset: float = math.nan
    span: float = math.nan


def command(kind: str, age: float) -> float:
    """The command at an age, a part of a lifetime."""
    if kind == "constant" or (kind == "reopened" and REOPENS[0] <= age < REOPENS[1]):
        return 1.0
    return FLOOR + (1 - FLOOR) / (1 + math.exp((age - CLOSES) / SLOPE))


def lives() -> list[Life]:
    """All ways to live: eyes open, the left one shut at any onset for any span, or both of them for the longest."""
    open_ = [Life(kind, "none") for kind in COMMANDS]
    left = [Life(kind, "left", onset, span) for kind in COMMANDS for onset in ONSETS for span in SPANS]
    return [*open_, *left, *(Life("falling", "both", onset, SPANS[-1]) for onset in ONSETS)]


class Eyes:
    """What each seed's eyes make of scenes."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.rngs = [generator("eyes", seed) for seed in seeds]
        made = [torch.randn(2, PIXELS, SCENE, generator=rng) / PIXELS**0.5 for rng in self.rngs]
        self.view = torch.stack(made)
        """``[S, 2, P, K]``: left, right."""
        self.newborn = torch.stack([0.1 * torch.randn(UNITS, 2 * PIXELS, generator=rng) for rng in self.rngs])
        """Weights at birth, ``[S, M, 2 P]``."""

    def see(self) -> tuple[Tensor, Tensor]:
        """What a batch of scenes shows without noise, and the noise, ``[S, n, 2, P]`` each."""
        drawn = [torch.randn(BATCH, SCENE + 2 * PIXELS, generator=rng) for rng in self.rngs]
        scene, noise = torch.stack(drawn).split([SCENE, 2 * PIXELS], dim=2)
        return torch.einsum("sepk,snk->snep", self.view, scene), NOISE * noise.unflatten(2, (2, PIXELS))


def raised(eyes: Eyes, ways: Sequence[Life], steps: int, say: Say) -> Tensor:
    """Weights of all cortices after a lifetime, ``[S, N, M, 2 P]``."""
    weight = eyes.newborn[:, None].repeat(1, len(ways), 1, 1)
    begins = torch.tensor([way.onset for way in ways])
    ends = torch.tensor([way.onset + way.span for way in ways])
    eye = torch.tensor([[way.shut != "none", way.shut == "both"] for way in ways])
    for step in range(steps):
        age = step / steps
        within = (begins <= age + 1e-9) & (age + 1e-9 < ends)
        opened = 1.0 - (within[:, None] & eye).float()
        shown, noise = eyes.see()
        x = (shown[:, None] * opened[None, :, None, :, None] + noise[:, None]).flatten(3)
        y = torch.einsum("wamp,wanp->wanm", weight, x)
        change = torch.einsum("wanm,wanp->wamp", y, x)
        change = change - torch.einsum("wanm,wanl,walp->wamp", y, y, weight)
        rate = torch.tensor([RATE * command(way.command, age) for way in ways])
        weight = weight + rate[None, :, None, None] * change / BATCH
        if step % 100 == 0:
            say(step, steps, "cortices grow up")
    return weight


def acuity(weight: Tensor, view: Tensor, eye: int = 0) -> Tensor:
    """Mean R2 ``[S, N]`` of the scene, read from cortices ``[S, N, M, 2 P]`` through one eye; see the module docstring.

    ``view`` ``[S, 2, P, K]``.
    """
    own = weight.unflatten(3, (2, PIXELS))[:, :, :, eye]
    carried = torch.einsum("sanp,spk->sank", own, view[:, eye])
    noise = NOISE**2 * own @ own.mT + UNIT_NOISE**2 * torch.eye(UNITS)
    explained = carried.mT @ torch.linalg.solve(carried @ carried.mT + noise, carried)
    r2: Tensor = explained.diagonal(dim1=2, dim2=3).mean(2)
    return r2


def dominance(weight: Tensor, view: Tensor) -> Tensor:
    """Of the left eye over the right, ``[S, N]``, -1 to 1."""
    carried = torch.einsum("sanep,sepk->saenk", weight.unflatten(3, (2, PIXELS)), view)
    left, right = carried.flatten(3).norm(dim=3).unbind(2)
    apart: Tensor = (left - right) / (left + right)
    return apart


def measure(*, seeds: Sequence[int], steps: int, say: Say) -> pd.DataFrame:
    """A row per way to live and seed: ``acuity``, ``other`` (that of the right eye), ``deficit``, ``dominance``."""
    eyes, ways = Eyes(seeds), lives()
    weight = raised(eyes, ways, steps, say)
    seen = [acuity(weight, eyes.view, eye) for eye in (0, 1)]
    apart = dominance(weight, eyes.view)
    undisturbed = {way.command: i for i, way in enumerate(ways) if way.shut == "none"}
    rows = []
    for i, way in enumerate(ways):
        deficit = 1 - seen[0][:, i] / seen[0][:, undisturbed[way.command]]
        numbers = zip(
            seeds, seen[0][:, i].tolist(), seen[1][:, i].tolist(), deficit.tolist(), apart[:, i].tolist(), strict=True
        )
        rows += [
            {**way._asdict(), "seed": seed, "acuity": a, "other": o, "deficit": d, "dominance": b}
            for seed, a, o, d, b in numbers
        ]
    return pd.DataFrame(rows)
