"""Two pathways that grow before birth on made-up activity: a learner that predicts, and a map that does not learn to.

**The learner** predicts the next frame (any learner whose objective is the mean squared error of the next frame). It
lives some steps on prenatal episodes of an arm, and then a few steps on one photograph that drifts past; its error is
that on the other photograph. Half of the seeds are born to each photograph.

    waves     travelling bars
    frames    the same bars, frames of an episode in another order           (no time)
    pixels    the same bars, pixels of all frames permuted                   (no space)
    noise     independent pixels
    weak      bars whose columns are early or late, each by itself           (space along one axis only)
    nothing   no life before birth; goes on with natural steps alone, until it has lived as many as ``waves`` in all
    twin      as ``nothing``, other initial weights                          (what differs where nothing does)

**The map** stands for the superior colliculus, which belongs to the steering side: cell c is wired to the retina by
chemical gradients, coarsely, a Gaussian of sd ``COARSE`` around its place with weights that vary at random, and Hebbian
learning with competition sharpens it while waves pass:

    y = W x,  competing = softmax over cells of SHARP (K y) / max (K y),     K: excitation among neighbours, sd NEAR
    W <- W + RATE (competing x^T times the chemical gradient, rows normalised to 1, - W)

What reads the map is fixed: cell c means place c. Its error is the root mean square distance, along each axis, between
a spot on the retina and the places of the cells that answer. Weak waves are weak along the horizontal axis.

The map is a model of retinotopic refinement in the manner of Willshaw & von der Malsburg (1976, Proc R Soc B 194:431).
Deviations: rates instead of spikes, one population, competition by a softmax.

Letters: S seeds, n frames, P pixels (and as many cells).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.raising.womb import errors, live, newborn, shown, waves
from imprint.models.chance import generator
from imprint.models.errors import NotMeasurableError
from imprint.models.photographs import NAMES
from imprint.models.worlds.waves import SIDE

NATURAL, TEST, LEARNING = 25, 400, 3e-3
"""Natural steps after which the error is compared, episodes of the examination, and learning rate."""
WEAK = 4.0
"""Standard deviation, in pixels, of how early or late a column is in weak waves."""
ARMS: dict[str, dict[str, Any] | None] = {
    "waves": {},
    "frames": {"scrambled": "frames"},
    "pixels": {"scrambled": "pixels"},
    "noise": {"scrambled": "noise"},
    "weak": {"jitter": WEAK},
    "nothing": None,
    "twin": None,
}
COARSE, NEAR, SHARP, RATE = 3.0, 1.0, 12.0, 0.3
"""Of the map: sd of chemical gradients and of neighbourhoods in pixels, sharpness of competition, rate."""
ROUNDS, FRAMES = 60, 64
"""Of the map: updates, and frames of each."""


def measure(*, seeds: Sequence[int], prenatal: int, learner: str, say: Say) -> pd.DataFrame:
    """Rows of pathway, arm, measure, seed and value; ``prenatal``: steps before birth."""
    table = [*learners(seeds, prenatal, learner, say), *maps(seeds)]
    return pd.DataFrame(table)


# -- the learner -------------------------------------------------------------------------------------------------------


def learners(seeds: Sequence[int], prenatal: int, kind: str, say: Say) -> list[dict[str, Any]]:
    """Rows of errors of every arm's learners, and of repeating the last frame."""
    homes = [NAMES[seed % 2] for seed in seeds]
    natural = [waves(scene=home) for home in homes]
    tests = [world.held_out().sample(TEST, rng=generator("exam", s)) for world, s in zip(natural, seeds, strict=True)]
    exam = torch.stack([batch.observation for batch in tests])
    after = shown(natural, seeds, NATURAL + prenatal, when="after")
    copy = (exam[:, :, 1:] - exam[:, :, :-1]).square().mean((1, 2, 3, 4, 5))
    rows = _rows(seeds, "copy", {"error": copy})
    for number, (arm, settings) in enumerate(ARMS.items()):

        def told(step: int, total: int, arm: str = arm, number: int = number) -> None:
            say(number * total + step, len(ARMS) * total, f"learners, {arm}")

        cohort = newborn(kind, seeds, rate=LEARNING, line="twin" if arm == "twin" else "birth")
        if settings is not None:
            live(cohort, shown([waves(**settings)] * len(seeds), seeds, prenatal, when="before"), told)
        found = {"error at birth": errors(cohort, exam)}
        live(cohort, after[:NATURAL], lambda *_: None)
        found["error"] = errors(cohort, exam)
        if arm == "nothing":
            live(cohort, after[NATURAL:], told)
            found["error, equal total"] = errors(cohort, exam)
        if not bool(cohort.alive.all()):
            raise NotMeasurableError(f"a learner of arm {arm} diverged: its parameters stopped being finite")
        rows += _rows(seeds, arm, found)
    return rows


def _rows(seeds: Sequence[int], arm: str, found: dict[str, Tensor], pathway: str = "learner") -> list[dict[str, Any]]:
    return [
        {"pathway": pathway, "arm": arm, "measure": name, "seed": seed, "value": value}
        for name, values in found.items()
        for seed, value in zip(seeds, values.tolist(), strict=True)
    ]


# -- the map -----------------------------------------------------------------------------------------------------------


def gaussian(sd: float) -> Tensor:
    """Gaussian of the distance between any two places, ``[P, P]``."""
    at = places()
    return torch.exp(-0.5 * torch.cdist(at, at).square() / sd**2)


def places() -> Tensor:
    """Row and column of every pixel, ``[P, 2]``."""
    line = torch.arange(SIDE, dtype=torch.float32)
    return torch.cartesian_prod(line, line)


def coarse(seeds: Sequence[int]) -> Tensor:
    """Weights ``[S, P, P]`` (cell, pixel) by chemical gradients, times random numbers, rows normalised."""
    chance = [torch.rand(SIDE**2, SIDE**2, generator=generator("map", seed)) for seed in seeds]
    weight = gaussian(COARSE) * torch.stack(chance)
    return weight / weight.sum(2, keepdim=True)


def refined(weight: Tensor, frames: Tensor) -> Tensor:
    """The map ``[S, P, P]`` after Hebbian learning on ``frames`` ``[rounds, S, n, P]`` of activity from 0 up."""
    near, gradient = gaussian(NEAR), gaussian(COARSE)
    for active in frames:
        answer = active @ weight.mT @ near
        answer = answer / answer.amax(2, keepdim=True).clamp_min(1e-6)
        competing = torch.softmax(SHARP * answer, 2) * active.amax(2, keepdim=True)
        part = competing / competing.sum(1, keepdim=True).clamp_min(1e-6)
        mean = (part.mT @ active + 1e-6) * gradient
        weight = weight + RATE * (mean / mean.sum(2, keepdim=True) - weight)
    return weight


def misplaced(weight: Tensor) -> dict[str, Tensor]:
    """Root mean square distance ``[S]``, along each axis, from spots to where a fixed reader takes them to be."""
    at, spots = places(), gaussian(1.0)
    inner = ((at >= 3) & (at < SIDE - 3)).all(1)
    answer = spots[inner] @ weight.mT
    answer = answer / answer.sum(2, keepdim=True)
    off = torch.einsum("snp,npa->sna", answer, (at - at[inner][:, None]).square()).mean(1).sqrt()
    return {"misplaced, vertical": off[:, 0], "misplaced, horizontal": off[:, 1]}


def maps(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of how far every arm's maps are off."""
    born = coarse(seeds)
    rows = _rows(seeds, "nothing", misplaced(born), "map")
    for arm in ("waves", "weak", "pixels", "noise"):
        seen = shown([waves(**(ARMS[arm] or {}), pixel_noise=0.0)] * len(seeds), seeds, ROUNDS, when="map")
        frames = seen[:, :, : FRAMES // 4].flatten(2, 3).flatten(3)
        active = frames.clamp_min(0.0)
        rows += _rows(seeds, arm, misplaced(refined(born, active)), "map")
    return rows
