"""waves: bars that travel, as activity does over a retina before the eyes open, or a photograph that drifts past.

**Description.** Four frames of 12 x 12, one channel. In the scene ``waves`` a bright bar, long as the picture and at
right angles to its way, travels at a constant speed; its width and where it starts are drawn. In the scenes ``china``
and ``flower`` a photograph drifts past a window in the same way (:mod:`imprint.models.photographs`), so that the
picture drifts as it does for an eye that moves. Frames have about mean 0 and variance 1 in each scene.

**Factors.** ``direction``: of motion, 0 to 7 in steps of 45 degrees from rightwards, clockwise; ``speed``: pixels per
frame along each axis that the direction has (diagonals go faster by the root of two).

**Controls** (``scrambled``), which have the same values in their frames:

    pixels   one permutation of the pixels, the same in all frames of all episodes: what follows what is kept, and what
             lies beside what is not
    frames   the frames of each episode in an order of their own: the other way round
    noise    every pixel of every frame drawn alone, normal, mean 0 and variance 1, whatever the factors

``jitter`` makes waves that are weakly correlated along one axis: every column of the picture has the bar early or late
by a distance of its own (sd in pixels), so that pixels above one another light up together as before and pixels beside
one another do not. ``blur`` (sd in pixels) and ``contrast`` dim a photograph, as closed lids do.

**Constants**: none. **Training correlations**: none, both factors are drawn uniformly. **Senses**: ``brightness``
(mean of the frame), ``motion`` (mean absolute change since the frame before, 0 in the first). **Body**: none.

**Split.** Bars are drawn anew and independently. A photograph is cut into tiles of 32 x 32, by where the window starts:
these are the groups. The held-out world of one photograph is the other.

Bars stand for the fronts of retinal waves (Meister et al. 1991, Science 252:939; as training data: Ligeralde et al.
2023; May et al. 2025). Deviations: fronts are straight, of one sign, and one at a time. Version 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.photographs import NAMES, photograph
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

SIDE, STEPS, TILE = 12, 4, 32
WAYS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Rows and columns per frame at a speed of one, by direction."""
SPEEDS = (1, 2)
WIDTHS = (1.0, 3.0)
"""Range of the sd of a bar's Gaussian profile, in pixels."""
MEASURED = 2048
"""Episodes from which mean and sd of the bars are known, which are taken away from all frames."""


class Waves(World):
    """Travelling bars and drifting photographs; the module docstring describes the world."""

    class Settings(FrozenSettings):
        scene: Literal["waves", "china", "flower"] = "waves"
        """What is seen."""
        scrambled: Literal["none", "pixels", "frames", "noise"] = "none"
        """Which structure is taken away."""
        jitter: float = Field(0.0, ge=0.0, le=1e3)
        """Standard deviation, in pixels, of how far the bar is early or late in each column."""
        blur: float = Field(0.0, ge=0.0, le=100.0)
        """Standard deviation, in pixels, of the Gaussian through which a photograph is seen."""
        contrast: float = Field(1.0, gt=0.0, le=1e3)
        """By what all frames are multiplied."""
        pixel_noise: float = Field(0.05, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""

    settings: Settings
    factors = {"direction": tuple(range(len(WAYS))), "speed": SPEEDS}
    moments = {"first": 0, "second": 1, "last": STEPS - 1}
    decision = "second"
    constants = ()

    def __init__(self, settings: Waves.Settings | None = None) -> None:
        super().__init__(settings)
        self.permutation = torch.randperm(SIDE * SIDE, generator=generator("waves", "pixels"))
        """Of the pixels, where they are scrambled."""
        self.mean, self.sd = 0.0, 1.0
        if self.settings.scene == "waves" and self.settings.scrambled != "noise":
            rng = generator("waves", "moments")
            bars = self._bars(self._velocity(self.balanced_factors(MEASURED, rng)), self.draw_noise(MEASURED, rng))
            self.mean, self.sd = float(bars.mean()), float(bars.std())

    @property
    def natural(self) -> bool:
        """Whether a photograph is seen."""
        return self.settings.scene in NAMES

    # -- what is drawn ---------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Place of the window or of the bar, the bar's width, early and late columns, order of frames, pixel noise."""
        noise = {"pixels": torch.randn(n, STEPS, 1, SIDE, SIDE, generator=rng)}
        if self.settings.scrambled != "noise":
            noise |= self._window(n, rng) if self.natural else self._bar(n, rng)
        if self.settings.scrambled == "frames":
            noise["order"] = torch.rand(n, STEPS, generator=rng).argsort(1)
        return noise

    @staticmethod
    def _bar(n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Where the bar is half-way, its width, and how late it is in each column, in units of ``jitter``."""
        start, width = torch.rand(n, 2, generator=rng).unbind(1)
        lateness = torch.randn(n, SIDE, generator=rng)
        return {"start": start, "width": WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * width, "lateness": lateness}

    def _window(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Where the window starts on the photograph, and the tile that is there."""
        photo, reach = photograph(self.settings.scene), max(SPEEDS) * (STEPS - 1)
        row, column = (reach + torch.randint(0, side - SIDE - 2 * reach, (n,), generator=rng) for side in photo.shape)
        tile = row // TILE * -(-photo.shape[1] // TILE) + column // TILE
        return {"place": torch.stack([row, column], 1), "group": tile + 10_000 * NAMES.index(self.settings.scene)}

    # -- pictures --------------------------------------------------------------------------------------------------

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 4, 1, 12, 12]``."""
        s, pixels = self.settings, noise["pixels"]
        if s.scrambled == "noise":
            return s.contrast * pixels
        velocity = self._velocity(concepts)
        frames = self._drifting(velocity, noise["place"]) if self.natural else self._bars(velocity, noise)
        frames = (frames - self.mean) / self.sd
        if s.scrambled == "pixels":
            frames = frames.flatten(2)[..., self.permutation].reshape(frames.shape)
        if s.scrambled == "frames":
            frames = frames[torch.arange(len(frames))[:, None], noise["order"]]
        return s.contrast * frames[:, :, None] + s.pixel_noise * pixels

    @staticmethod
    def _velocity(concepts: pd.DataFrame) -> Tensor:
        """Rows and columns per frame, int64 ``[n, 2]``."""
        way = torch.tensor(WAYS)[torch.tensor(concepts["direction"].to_numpy(dtype="int64"))]
        return way * torch.tensor(concepts["speed"].to_numpy(dtype="int64"))[:, None]

    def _bars(self, velocity: Tensor, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, T, 12, 12]`` of a bar, 0 to 1, that is somewhere in the picture half-way."""
        v = velocity.float()
        speed = v.norm(dim=1)
        ahead = v / speed[:, None]
        centre = torch.arange(SIDE) - (SIDE - 1) / 2
        along = ahead[:, 0, None, None] * centre[:, None] + ahead[:, 1, None, None] * centre
        along = along - (noise["start"][:, None, None] - 0.5) * SIDE - self.settings.jitter * noise["lateness"][:, None]
        time = torch.arange(STEPS) - (STEPS - 1) / 2
        distance = along[:, None] - (speed[:, None] * time)[..., None, None]
        return torch.exp(-0.5 * (distance / noise["width"][:, None, None, None]).square())

    def _drifting(self, velocity: Tensor, place: Tensor) -> Tensor:
        """Frames ``[n, T, 12, 12]`` of the photograph in a window that starts at ``place``."""
        photo = photograph(self.settings.scene, self.settings.blur)
        corner = place[:, None] - velocity[:, None] * torch.arange(STEPS)[:, None]
        row = corner[..., 0, None] + torch.arange(SIDE)
        column = corner[..., 1, None] + torch.arange(SIDE)
        return photo[row[..., None], column[..., None, :]]

    # -- steering --------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``brightness``, ``motion``: ``[n, 4]`` each."""
        frames = batch.observation.flatten(2)
        change = (frames[:, 1:] - frames[:, :-1]).abs().mean(2)
        every = {"brightness": frames.mean(2), "motion": torch.cat([torch.zeros_like(change[:, :1]), change], 1)}
        return Senses({name: value for name, value in every.items() if names is None or name in names})

    def held_out(self) -> World:
        """The same with the other photograph; waves themselves, since each is new."""
        if not self.natural:
            return self
        return self.with_settings(scene=NAMES[1 - NAMES.index(self.settings.scene)])
