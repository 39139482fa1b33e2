"""Orientation: how selective units become before the eyes open, and how smoothly a sheet of units is ordered.

**Selectivity.** Layered learners that predict the next frame live before eye opening on what an arm lets in. Then still
sinusoidal gratings are shown for as long as their window, at ``ANGLES`` orientations, ``PHASES`` phases and several
wavelengths, and what drives the units of the first layer (before the tanh, so that no threshold sharpens it) is read:

    r(theta) = standard deviation over phases of the drive,   at the wavelength at which its mean over theta is largest
    selectivity = | sum_theta r exp(2 i theta) | / sum_theta r            0: none, 1: one orientation alone

(one minus circular variance, Ringach et al. 2002). The number of an arm is the mean over units. Random weights have a
selectivity above 0: that is the null (arm ``untrained``).

    waves       travelling bars, eyes closed in the dark
    lids        photographs through closed lids, no waves
    both        waves and photographs through lids in turn
    natural     open eyes
    noise       independent pixels: darkness without waves, in which cells still fire
    untrained   initial weights

**Maps.** A sheet of ``SIDE`` x ``SIDE`` units, each with a preferred orientation z (a complex number of length 1, angle
2 theta), learns from inputs whose orientation is theta:

    z <- z + rate g h (exp(2 i theta) - z), then z / |z|

    h    neighbourhood of the unit that answers most, Gaussian, sd shrinks (a self-organising map), or 1
    g    plasticity: a band of sd ``BAND`` that travels over the sheet in a direction of its own, or 1

    wave       g travels while theta turns by ``TURN`` from step to step; no neighbourhood
    shuffled   the same pairs of theta and place of the band, paired anew in each passage; no neighbourhood
    lateral    h, no wave; orientations as those of the other arms
    both       g and h
    scattered  as ``wave``, the band passes over the units in a random order; what is left without any order in space

Roughness is the mean absolute difference, in degrees, of the orientations of neighbours (45 by chance); pinwheels are
counted per unit, as 2 x 2 squares around which the orientation turns by 180 degrees.

Letters: S seeds, n units, a orientations, p phases, f wavelengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.womb import live, newborn, shown, waves
from imprint.models.chance import generator
from imprint.models.errors import ImprintError
from imprint.models.learners.base import Layered
from imprint.models.learning.cohort import Cohort
from imprint.models.photographs import NAMES
from imprint.models.worlds.waves import SIDE as PIXELS
from imprint.models.worlds.waves import STEPS

ANGLES, PHASES = 12, 8
WAVELENGTHS = (4.0, 6.0, 9.0)
"""Of the gratings, in pixels."""
LIDS = {"blur": 4.0, "contrast": 0.1}
"""What closed lids leave of a photograph."""
SELECTIVE = ("waves", "lids", "both", "natural", "noise", "untrained")


def gratings() -> Tensor:
    """Still gratings of mean 0 and variance 1, ``[a, p, f, T, 1, H, W]``."""
    line = torch.arange(PIXELS) - (PIXELS - 1) / 2
    theta = math.pi * torch.arange(ANGLES) / ANGLES
    along = theta.cos()[:, None, None] * line + theta.sin()[:, None, None] * line[:, None]
    phase = 2 * math.pi * torch.arange(PHASES) / PHASES
    wave = 2 * math.pi / torch.tensor(WAVELENGTHS)
    angle = along[:, None, None] * wave[:, None, None] + phase[:, None, None, None]
    return (math.sqrt(2) * angle.cos())[:, :, :, None, None].expand(-1, -1, -1, STEPS, 1, -1, -1)


def selectivity(drive: Tensor) -> Tensor:
    """Of each unit ``[n]``, from its drive ``[a, p, f, n]``; NaN where no grating moves it."""
    r = drive.std(1, correction=0)
    best = r.mean(0).argmax(0)
    r = r.gather(1, best[None, None].expand(len(r), 1, -1))[:, 0]
    theta = 2 * math.pi * torch.arange(len(r), dtype=r.dtype) / len(r)
    vector = torch.hypot((theta.cos()[:, None] * r).sum(0), (theta.sin()[:, None] * r).sum(0))
    total = r.sum(0)
    return torch.where(total > 1e-6, vector / total.clamp_min(1e-12), torch.nan)


@torch.no_grad()
def tuned(cohort: Cohort) -> Tensor:
    """Mean selectivity ``[S]`` of the units of the first layer. Raises :class:`ImprintError` without layers."""
    grating, found = gratings(), []
    for learner in cohort.unstack():
        if not isinstance(learner, Layered):
            raise ImprintError(f"learner is {type(learner).__name__}, which has no layers; expected layers.")
        drive = learner.get_submodule(learner.chain[0])(learner.inputs(grating.flatten(0, 2))[:, -1])
        found.append(selectivity(drive.unflatten(0, grating.shape[:3])).nanmean())
    return torch.stack(found)


def let_in(arm: str, seeds: Sequence[int], steps: int) -> Tensor:
    """What an arm lets in, ``[steps, S, n, T, C, H, W]``; a seed sees the photograph to which it is born."""
    homes = [NAMES[seed % 2] for seed in seeds]
    if arm == "both":
        parts = [let_in("waves", seeds, (steps + 1) // 2), let_in("lids", seeds, steps // 2)]
        order = [part[i] for i in range(len(parts[0])) for part in parts if i < len(part)]
        return torch.stack(order)
    if arm in ("waves", "noise"):
        worlds = [waves(scrambled="noise" if arm == "noise" else "none")] * len(seeds)
    else:
        worlds = [waves(scene=home, **(LIDS if arm == "lids" else {})) for home in homes]
    return shown(worlds, seeds, steps, when="before")


def opened(*, seeds: Sequence[int], prenatal: int, learner: str, say: Say) -> pd.DataFrame:
    """Selectivity at eye opening: rows of part, arm, measure, seed and value."""
    rows: list[dict[str, Any]] = []
    for number, arm in enumerate(SELECTIVE):
        cohort = newborn(learner, seeds)
        if arm != "untrained":

            def told(step: int, total: int, number: int = number, arm: str = arm) -> None:
                say(number * total + step, len(SELECTIVE) * total, f"before eye opening, {arm}")

            live(cohort, let_in(arm, seeds, prenatal), told)
        rows += rows_of("opening", arm, "selectivity", seeds, tuned(cohort))
    return pd.DataFrame(rows)


def rows_of(part: str, arm: str, measure: str, seeds: Sequence[int], values: Tensor) -> list[dict[str, Any]]:
    """A row for each seed from values ``[S]``."""
    each = zip(seeds, values.tolist(), strict=True)
    return [{"part": part, "arm": arm, "measure": measure, "seed": seed, "value": value} for seed, value in each]


# -- maps --------------------------------------------------------------------------------------------------------------

SIDE, PASSAGES, STRIDE = 24, 300, 1.0
"""Units along one side of the sheet, passages of the wave, and units by which it advances in a step."""
BAND, TURN = 1.5, 7.5
"""Sd of the band in units, and degrees by which the orientation turns from step to step."""
RATES, SPREADS = (0.2, 0.02), (4.0, 1.0)
"""Rate of learning, and sd of the neighbourhood in units, at the first passage and at the last."""
ARMS = {"wave": (True, False), "shuffled": (True, False), "lateral": (False, True), "both": (True, True)}
ARMS |= {"scattered": (True, False)}
"""Whether plasticity travels, and whether units have a neighbourhood."""


def at() -> Tensor:
    """Row and column of each unit from the middle of the sheet, ``[n, 2]``."""
    line = torch.arange(SIDE) - (SIDE - 1) / 2
    return torch.cartesian_prod(line, line)


def sheet(arm: str, seeds: Sequence[int]) -> Tensor:
    """Preferred orientations ``[S, SIDE, SIDE]`` in radians, 0 to pi, after all passages."""
    travels, lateral = ARMS[arm]
    rngs, place = [generator("sheet", seed) for seed in seeds], at()
    z = torch.stack([torch.rand(len(place), generator=rng) for rng in rngs]) * 2 * math.pi
    z = torch.polar(torch.ones_like(z), z)
    far = torch.cdist(place, place).square()
    reach = SIDE / math.sqrt(2) + 2 * BAND
    steps = torch.arange(-reach, reach, STRIDE)
    for passage in range(PASSAGES):
        chance = torch.stack([torch.rand(2 + len(steps), generator=rng) for rng in rngs])
        way = 2 * math.pi * chance[:, 0]
        along = (place @ torch.stack([way.cos(), way.sin()])).T
        if arm == "scattered":
            along = along.gather(1, torch.stack([torch.randperm(len(place), generator=rng) for rng in rngs]))
        theta = 2 * math.pi * chance[:, 1, None] + 2 * math.radians(TURN) * torch.arange(len(steps))
        if arm == "shuffled":
            theta = theta.gather(1, chance[:, 2:].argsort(1))
        age = passage / max(PASSAGES - 1, 1)
        speed, sd = (first * (last / first) ** age for first, last in (RATES, SPREADS))
        for step, front in enumerate(steps):
            heard = torch.polar(torch.ones(len(seeds)), theta[:, step])[:, None]
            rate = speed * (torch.exp(-0.5 * ((along - front) / BAND).square()) if travels else torch.ones(z.shape))
            if lateral:
                match = (z * heard.conj()).real * (rate if travels else 1.0)
                rate = rate * torch.exp(-0.5 * far[match.argmax(1)] / sd**2)
            z = z + rate * (heard - z)
            z = z / z.abs().clamp_min(1e-6)
    theta_of_unit: Tensor = (z.angle() / 2).remainder(math.pi).unflatten(1, (SIDE, SIDE))
    return theta_of_unit


def roughness(theta: Tensor) -> Tensor:
    """Mean absolute difference ``[S]`` of the orientations of neighbours, in degrees."""
    found = []
    for axis in (1, 2):
        gap = theta.diff(dim=axis).abs()
        found.append(torch.minimum(gap, math.pi - gap).flatten(1))
    return torch.cat(found, 1).mean(1).rad2deg()


def pinwheels(theta: Tensor) -> Tensor:
    """Pinwheels per unit ``[S]``: squares of four units around which the orientation turns by 180 degrees."""
    corner = [theta[:, :-1, :-1], theta[:, :-1, 1:], theta[:, 1:, 1:], theta[:, 1:, :-1]]
    turn = torch.zeros_like(corner[0])
    for one, other in zip(corner, corner[1:] + corner[:1], strict=True):
        turn = turn + (other - one + math.pi / 2).remainder(math.pi) - math.pi / 2
    return (turn.abs() > math.pi / 2).float().mean((1, 2))


def ordered(*, seeds: Sequence[int], say: Say) -> pd.DataFrame:
    """Roughness and pinwheels of every arm's sheet: rows of part, arm, measure, seed and value."""
    rows: list[dict[str, Any]] = []
    for number, arm in enumerate(ARMS):
        theta = sheet(arm, seeds)
        rows += rows_of("sheet", arm, "roughness", seeds, roughness(theta))
        rows += rows_of("sheet", arm, "pinwheels", seeds, pinwheels(theta))
        preferred = theta.flatten(1).numpy()
        covered = [np.abs(np.exp(2j * each).mean()) for each in preferred]
        rows += rows_of("sheet", arm, "bias", seeds, torch.tensor(covered))
        say(number, len(ARMS), f"sheets, {arm}")
    return pd.DataFrame(rows)
