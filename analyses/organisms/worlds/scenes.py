"""scenes: three frames of 2 x 12 x 12 pixels in which eight facts are shown, each in a way that is drawn per world.

Tiles of 4 x 4 pixels are dealt out to the facts; what a tile shows is one of two ways, and which of them means True is
drawn. Five things in five of six forms:

    mark      a bright or a dark spot                       linear in the pixels
    glyph     one of two random patterns                    linear
    stripes   across or upright, bright or dark first       not linear
    pair      two halves of one sign or of opposite signs   not linear
    motion    a bar that moves to the right or to the left  in three frames together
    digit     handwriting of one of two classes, 2 x 2 tiles (:mod:`imprint.models.handwriting`)

The *place* is in which of two tiles a ring stands, the *time* in which of the first two frames a flash is seen, the
*fault* a column of pixels that is stuck or not. ``drift``, the level of one tile, is none of the facts.

``train`` is the distribution in which organisms are watched: facts go along with the intended one
(:class:`~imprint.analyses.organisms.worlds.facts.Arrangement`). In ``balanced`` all are independent.

Letters: n episodes, T = 3 steps.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.organisms.worlds.facts import FACTS, Arrangement, Bools
from imprint.models.chance import generator
from imprint.models.handwriting import FIGURE, Handwriting
from imprint.models.settings import FrozenSettings
from imprint.models.worlds.base import Batch, World

STEPS, CHANNELS, SIDE, TILE = 3, 2, 12, 4
ACROSS = SIDE // TILE
FORMS = ("mark", "glyph", "stripes", "pair", "motion", "digit")
GRAIN = 0.1
"""Standard deviation of the pixel noise."""
BLOCK = 36
"""Handwritten originals per group."""
Slot = tuple[int, int, int]
"""Channel, and row and column of tiles."""


class Scenes(World):
    """Frames that show eight facts; the module docstring describes the world."""

    class Settings(FrozenSettings):
        seed: int = Field(0, ge=0, lt=2**62)
        """Of all that is drawn for this world."""
        held_out: bool = False
        """Whether handwriting is used that nothing was trained on."""

    settings: Settings
    moments = {"last": STEPS - 1}
    decision = "last"

    def __init__(self, settings: Scenes.Settings | None = None) -> None:
        super().__init__(settings)
        rng = generator("scenes", self.settings.seed)
        self.arrangement = Arrangement.drawn(rng)
        self.factors = dict.fromkeys(self.arrangement.names, (False, True))
        forms = [FORMS[i] for i in torch.randperm(len(FORMS), generator=rng).tolist()]
        self.forms = dict(zip(self.arrangement.things, forms, strict=False))
        """Index of a thing -> how it is shown."""
        self.slots = self._deal(rng)
        """Index of a fact -> the tiles that show it; -1: the drift."""
        self.glyphs = 2.0 * torch.randint(0, 2, (2, TILE, TILE), generator=rng) - 1.0
        self.glyphs[1, 0, 0] = -self.glyphs[0, 0, 0]
        even, odd = torch.randint(0, 5, (2,), generator=rng).tolist()
        self.handwriting = Handwriting((2 * even, 2 * odd + 1), block=BLOCK, held_out=self.settings.held_out)

    def _deal(self, rng: torch.Generator) -> dict[int, tuple[Slot, ...]]:
        """Tiles for every fact, the first of a digit being its upper left one."""
        channel, row, column = torch.randint(0, 2, (3,), generator=rng).tolist()
        digit = {(channel, row + i, column + j) for i in (0, 1) for j in (0, 1)}
        every = [(c, i, j) for c in range(CHANNELS) for i in range(ACROSS) for j in range(ACROSS)]
        free = [slot for slot in every if slot not in digit]
        order = iter([free[i] for i in torch.randperm(len(free), generator=rng).tolist()])
        slots: dict[int, tuple[Slot, ...]] = {-1: (next(order),)}
        for fact, nature in enumerate(self.arrangement.natures):
            if self.forms.get(fact) == "digit":
                slots[fact] = ((channel, row, column),)
            else:
                slots[fact] = tuple(next(order) for _ in range(2 if nature == "place" else 1))
        return slots

    # -- facts ---------------------------------------------------------------------------------------------------

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """Facts of episodes that are watched."""
        return pd.DataFrame(self.arrangement.watched(n, rng), columns=list(self.factors))

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Grain, drift, first signs of stripes and pairs, and handwriting."""
        return {
            "grain": torch.randn(n, STEPS, CHANNELS, SIDE, SIDE, generator=rng),
            "drift": 2.0 * torch.rand(n, generator=rng) - 1.0,
            "sign": 2.0 * torch.randint(0, 2, (n, FACTS), generator=rng) - 1.0,
            "original": torch.rand(n, STEPS, generator=rng),
            **self.handwriting.draw_blocks(n, rng),
        }

    def tabled(self, facts: Bools, noise: Mapping[str, Tensor]) -> Batch:
        """Episodes with exactly these facts ``[n, K]`` and this noise."""
        return self._batch(pd.DataFrame(facts, columns=list(self.factors)), dict(noise))

    # -- pictures ------------------------------------------------------------------------------------------------

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 3, 2, 12, 12]``."""
        facts = torch.from_numpy(concepts[list(self.factors)].to_numpy(dtype=bool).copy())
        way = (facts == torch.tensor(self.arrangement.shown)).long()
        frames = GRAIN * noise["grain"]
        for fact, nature in enumerate(self.arrangement.natures):
            first, *rest = (_pixels(slot) for slot in self.slots[fact])
            one = way[:, fact]
            if nature == "place":
                ring = torch.zeros(TILE, TILE)
                ring[[0, 0, 1, 1, 2, 2], [0, 1, 0, 2, 1, 2]] = 1.0
                for tile, here in ((first, one == 0), (rest[0], one == 1)):
                    frames[:, :, *tile] += here[:, None, None, None] * ring
            elif nature == "time":
                frames[:, :2, *first] += torch.nn.functional.one_hot(one, 2)[:, :, None, None].float()
            elif nature == "fault":
                frames[:, :, *first] += one[:, None, None, None] * torch.tensor([1.5, 0.0, 0.0, 0.0])
            elif self.forms[fact] == "digit":
                channel, rows, columns = first
                wide = slice(rows.start, rows.start + FIGURE), slice(columns.start, columns.start + FIGURE)
                index = self.handwriting.appearances(noise["block"], one, noise["original"])
                frames[:, :, channel, *wide] += self.handwriting.images[index]
            else:
                frames[:, :, *first] += self._tile(self.forms[fact], one, noise["sign"][:, fact])
        frames[:, :, *_pixels(self.slots[-1][0])] += noise["drift"][:, None, None, None]
        return frames

    def _tile(self, form: str, way: Tensor, sign: Tensor) -> Tensor:
        """What a thing's tile shows, ``[n, 3 or 1, 4, 4]``."""
        if form == "motion":
            steps = torch.arange(STEPS)
            at = torch.where(way[:, None] == 0, steps, TILE - 1 - steps)
            return torch.nn.functional.one_hot(at, TILE).float()[:, :, None, :].expand(-1, -1, TILE, -1)
        if form == "mark":
            spot = torch.zeros(TILE, TILE)
            spot[1:3, 1:3] = 1.0
            return ((2.0 * way - 1.0)[:, None, None] * spot)[:, None]
        if form == "glyph":
            return 0.7 * self.glyphs[way][:, None]
        stripe = torch.tensor([1.0, -1.0]).repeat(2)
        half = torch.tensor([1.0, 1.0, -1.0, -1.0])
        across = torch.stack([stripe[:, None].expand(-1, TILE), stripe.expand(TILE, -1)])
        halves = torch.stack([torch.ones(TILE, TILE), half.expand(TILE, -1)])
        pattern = across if form == "stripes" else halves
        return (0.7 * sign[:, None, None] * pattern[way])[:, None]

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The tiles of every fact, bool like the observation."""
        masks = {}
        for fact, name in enumerate(self.factors):
            mask = torch.zeros(STEPS, CHANNELS, SIDE, SIDE, dtype=torch.bool)
            for slot in self.slots[fact]:
                channel, rows, columns = _pixels(slot)
                wide = FIGURE if self.forms.get(fact) == "digit" else TILE
                mask[:, channel, rows.start : rows.start + wide, columns.start : columns.start + wide] = True
            masks[name] = mask.expand(len(batch), *mask.shape)
        return masks

    def picture(self, observation: Tensor) -> np.ndarray:
        """Frames whose two channels are red and blue."""
        frames = (0.4 + 0.4 * observation).clamp(0, 1).permute(0, 1, 3, 4, 2)
        frames = torch.cat([frames[..., :1], frames.mean(-1, keepdim=True), frames[..., 1:]], -1)
        return np.asarray((frames * 255).round().to(torch.uint8).numpy())

    def held_out(self) -> World:
        """The same world with handwriting that nothing was trained on."""
        return self.with_settings(held_out=True)


def _pixels(slot: Slot) -> tuple[int, slice, slice]:
    """Channel, rows and columns of a tile."""
    channel, row, column = slot
    return channel, slice(TILE * row, TILE * (row + 1)), slice(TILE * column, TILE * (column + 1))
