"""loom: shapes in the sky above that grow, pass or shrink, and sometimes a shadow on the ground before them.

**Description.** Six frames of 20 x 16, seen upwards: twelve rows of sky *overhead*, six rows of *horizon*, two rows of
ground. Frames 0-1: no shape yet. Frames 2-5: a disc, dark or bright, overhead or at the horizon, that *looms* (its
radius grows), *sweeps* (it moves sideways and keeps its size) or *recedes* (it shrinks). A shadow, if there is one,
darkens the ground in all frames. A cloud, if there is one, hides the disc and not the shadow.

**Factors.** ``motion``, ``tone``, ``place``, ``shadow``, ``cloud``.
**Abstract concepts.** ``danger``: a dark disc looms overhead, seen or not.

**Training correlations.** P(danger) = ``danger_rate``, all else equally frequent; P(shadow | danger) = ``shadow_cue``
and P(shadow | no danger) = ``shadow_else``; P(cloud) = ``cloud_rate``.

**Senses** (crude): ``expansion`` (growth of the number of dark pixels since the frame before, as a part of it; 0 where
there were fewer than ``SEEN``), ``darkness`` (dark pixels overhead, 1 for a disc of radius 3), ``overhead`` (part of
the dark pixels of sky and horizon that lie overhead), ``shade`` (darkness of the ground). **Body**: none.

The looming disc is the stimulus from which mice and chicks flee without having learned to (Yilmaz & Meister 2013, Curr
Biol 23:2011; Schiff 1965); sweeping discs, and discs that shrink, are its controls. Version 1. Pixel noise sd
``pixel_noise``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

STEPS, HEIGHT, WIDTH, FIRST = 6, 20, 16, 2
"""Frames, their size, and the frame in which the disc comes into view."""
SKY, HORIZON, GROUND = slice(0, 12), slice(12, 18), slice(18, 20)
DARK, FAINT, SHADE, LIMIT, SEEN, FULL = -0.8, 0.8, -0.6, -0.45, 2, 28.0
"""Brightness of discs and shadow, brightness below which a pixel counts as dark, and numbers of dark pixels."""
MOTIONS, TONES, PLACES = ("loom", "sweep", "recede"), ("dark", "bright"), ("overhead", "horizon")


class Loom(World):
    """Shapes overhead; the module docstring describes the world."""

    class Settings(FrozenSettings):
        danger_rate: float = Field(0.3, gt=0.0, lt=1.0)
        """P(danger) in training."""
        shadow_cue: float = Field(0.9, ge=0.0, le=1.0)
        """P(shadow | danger) in training."""
        shadow_else: float = Field(0.05, ge=0.0, le=1.0)
        """P(shadow | no danger) in training."""
        cloud_rate: float = Field(0.0, ge=0.0, le=1.0)
        """P(cloud) in training."""
        pixel_noise: float = Field(0.1, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""

    settings: Settings
    factors = {"motion": MOTIONS, "tone": TONES, "place": PLACES, "shadow": (False, True), "cloud": (False, True)}
    moments = {"warned": 1, "seen": 3, "over": 5}
    decision = "warned"
    constants = ()

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``danger``."""
        looms = (concepts["motion"] == "loom") & (concepts["tone"] == "dark")
        return concepts.assign(danger=looms & (concepts["place"] == "overhead"))

    def set_danger(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Danger: a dark disc looms overhead. None: what was one recedes; nothing else changes."""
        danger = self.derive(factors)["danger"].to_numpy(dtype=bool)
        begins, ends = value & ~danger, danger & ~value
        motion = np.where(begins, "loom", np.where(ends, "recede", factors["motion"].to_numpy(dtype=object)))
        tone = np.where(begins, "dark", factors["tone"].to_numpy(dtype=object))
        place = np.where(begins, "overhead", factors["place"].to_numpy(dtype=object))
        return factors.assign(motion=list(motion), tone=list(tone), place=list(place))

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution: danger, or one of the other kinds of disc, and a shadow that goes along."""
        s, chance = self.settings, torch.rand(n, 3, generator=rng)
        kinds = [(m, t, p) for m in MOTIONS for t in TONES for p in PLACES]
        which = torch.randint(1, len(kinds), (n,), generator=rng)  # the first kind is the danger
        danger = chance[:, 0] < s.danger_rate
        drawn = [kinds[0 if dangerous else k] for dangerous, k in zip(danger.tolist(), which.tolist(), strict=True)]
        shadow = chance[:, 1] < torch.where(danger, s.shadow_cue, s.shadow_else)
        frame = pd.DataFrame(drawn, columns=["motion", "tone", "place"])
        return frame.assign(shadow=shadow.numpy(), cloud=(chance[:, 2] < s.cloud_rate).numpy())

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Place, size, direction, brightness of the day and pixel noise, none of which is a concept."""
        return {
            "row": torch.rand(n, generator=rng),
            "column": torch.rand(n, generator=rng),
            "size": torch.rand(n, generator=rng),
            "leftward": torch.randint(0, 2, (n,), generator=rng),
            "day": 0.05 * torch.randn(n, generator=rng),
            "grain": torch.randn(n, STEPS, 1, HEIGHT, WIDTH, generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 6, 1, 20, 16]``."""
        disc = self._disc(concepts, noise).float()
        visible = 1.0 - _column(concepts, "cloud").float()
        tone = torch.where(_is(concepts, "tone", "dark"), DARK, FAINT) * visible
        frames = tone[:, None, None, None] * disc
        frames[:, :, GROUND] += SHADE * _column(concepts, "shadow").float()[:, None, None, None]
        frames = frames + noise["day"][:, None, None, None]
        return frames[:, :, None] + self.settings.pixel_noise * noise["grain"]

    def _disc(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Where the disc is, hidden or not, bool ``[n, T, H, W]``."""
        step, size = (torch.arange(STEPS) - FIRST).float(), noise["size"][:, None]
        looms, sweeps = (_is(concepts, "motion", name)[:, None] for name in ("loom", "sweep"))
        last, part = 2.6 + 1.0 * size, (step / (STEPS - 1 - FIRST)).clamp(min=0.0)
        growing = 1.0 + (last - 1.0) * torch.where(looms, part, 1.0 - part)
        radius = torch.where(sweeps, 1.6 + 1.0 * size, growing)
        overhead = _is(concepts, "place", "overhead")
        row = torch.where(overhead, 4.0 + 3.0 * noise["row"], torch.full_like(noise["row"], 14.5))
        way = 2.0 * noise["leftward"].float()[:, None] - 1.0
        column = 5.0 + 5.0 * noise["column"][:, None] + torch.where(sweeps, 2.2 * way * (step - 1.5), 0.0)
        down = torch.arange(HEIGHT)[:, None] - row[:, None, None, None]
        across = torch.arange(WIDTH) - column[:, :, None, None]
        inside = down.square() + across.square() <= radius.square()[:, :, None, None]
        return inside & (step >= 0)[:, None, None]

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The disc for ``danger`` and what it is made of, and the ground for ``shadow``."""
        disc = self._disc(batch.concepts, batch.noise)[:, :, None]
        ground = torch.zeros_like(disc)
        ground[..., GROUND, :] = True
        return {**dict.fromkeys(("danger", "motion", "tone", "place"), disc), "shadow": ground}

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``expansion``, ``darkness``, ``overhead``, ``shade``: ``[n, 6]`` each."""
        dark = batch.observation[:, :, 0] < LIMIT
        above, low = (dark[:, :, part].sum((2, 3)).float() for part in (SKY, HORIZON))
        before = F.pad(above[:, :-1], (1, 0))
        growth = torch.where(before >= SEEN, (above - before) / before.clamp(min=1.0), 0.0)
        every = {
            "expansion": growth.clamp(-1.0, 1.0),
            "darkness": (above / FULL).clamp(max=1.0),
            "overhead": above / (above + low).clamp(min=1.0),
            "shade": (-batch.observation[:, :, 0, GROUND].mean((2, 3))).clamp(0.0, 1.0),
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})


def _column(concepts: pd.DataFrame, name: str) -> Tensor:
    return torch.from_numpy(concepts[name].to_numpy(dtype=bool).copy())


def _is(concepts: pd.DataFrame, name: str, value: str) -> Tensor:
    return torch.from_numpy((concepts[name] == value).to_numpy(dtype=bool).copy())
