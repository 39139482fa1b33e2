"""rearing: a chamber with one display, on which a newborn sees one virtual object and nothing else.

**Description.** Six frames of 16 x 16 in three colour channels. An object has two faces, each a silhouette in one
colour; it turns, so that the faces come into view in turn, narrower the further they are turned away, and drifts by a
pixel a frame while it turns. It may also stand still, bear a *crest* (three white dots above it, two over one, which
is what a crude detector takes for a head), or be absent. The value is read at the ``last`` frame, the *decision*.

**Factors.** ``colour_front``, ``shape_front``, ``colour_back``, ``shape_back``; ``view``: the quarter turn at which it
starts; ``moves``; ``crest``; ``shown``.
**Abstract concept.** ``own``: it is the object that the animal is reared with, whichever face is called the front.

**Constants**, which each training seed can have its own draw of: ``colours`` and ``shapes`` of the own object, front
and back.

**Training correlations.** The object is always the own one; P(shown), P(moves) and P(crest) are ``shown_rate``,
``move_rate`` and ``crest_rate``. Nothing else is ever seen, so that every other object is new at the test. In the
balanced design all features are independent. With ``scrambled`` the pixels of the object change places within its box,
in every frame anew: colours stay, and shapes, and what belongs to what, are gone.

**Senses**: ``matter`` (1 where a sixteenth of the pixels is lit), ``motion`` (1 where a sixteenth changes by more than
noise; 0 at the first frame), ``head`` (best match of the frame's brightness with two dots over one, 0 to 1). **Body**:
none. Episodes are drawn independently, so that nothing has to be held out.

The chamber, the object with two faces and the two-choice test are those of Wood (2014, Psychological Science 25:1475),
the senses those of the predisposition that precedes imprinting (Johnson & Horn 1988, Anim Behav 36:675). Deviations:
one display is seen at a time, from a place that does not depend on what the animal does; colours are equally bright;
silhouettes are of 8 x 8 pixels. Version 1. Pixel noise sd ``pixel_noise``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

SIDE, STEPS, BOX, CREST = 16, 6, 8, 3
"""Pixels a side of a frame, frames, pixels a side of the object's box, rows of the crest above it."""
TURN, TILT = 45.0, 22.5
"""Degrees by which a moving object turns in a frame, and at which a view starts."""
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")
HUES = torch.tensor([[0.5 + 0.5 * math.cos(math.tau * (k / 6 - c / 3)) for c in range(3)] for k in range(len(COLOURS))])
"""Colours with the same mean over channels, ``[6, 3]``."""
DRAWN = {
    "disc": "00111100 01111110 11111111 11111111 11111111 11111111 01111110 00111100",
    "triangle": "00011000 00011000 00111100 00111100 01111110 01111110 11111111 11111111",
    "cross": "00111100 00111100 11111111 11111111 11111111 11111111 00111100 00111100",
    "ring": "11111111 11111111 11000011 11000011 11000011 11000011 11111111 11111111",
    "hourglass": "11111111 11111111 01111110 00111100 00111100 01111110 11111111 11111111",
    "bars": "11111111 11111111 00000000 11111111 11111111 00000000 11111111 11111111",
}
SHAPES = tuple(DRAWN)
MASKS = torch.tensor([[[float(p) for p in row] for row in drawn.split()] for drawn in DRAWN.values()])
"""Silhouettes ``[6, 8, 8]``."""
DOTS = ((0, 2), (0, 5), (2, 3), (2, 4))
"""Pixels of the crest: two eyes and a beak of two pixels, in a box of 3 x 8."""
CHANGED, PART = 0.25, 1 / 16
"""Brightness that counts as lit or changed, and the part of the pixels at which a sense is 1."""


class Rearing(World):
    """A chamber with one virtual object; the module docstring describes the world."""

    class Settings(FrozenSettings):
        colours: tuple[str, str] = ("purple", "yellow")
        """Colours of the own object, front and back."""
        shapes: tuple[str, str] = ("disc", "triangle")
        """Shapes of the own object, front and back."""
        shown_rate: float = Field(0.75, ge=0.0, le=1.0)
        """P(the object is on the display) in training."""
        move_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(it moves) in training."""
        crest_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(it bears a crest) in training."""
        scrambled: bool = False
        """Whether the pixels of the object change places."""
        pixel_noise: float = Field(0.05, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""

        @field_validator("colours", "shapes")
        @classmethod
        def _known(cls, two: tuple[str, str]) -> tuple[str, str]:
            if two[0] == two[1] or not (set(two) <= set(COLOURS) or set(two) <= set(SHAPES)):
                raise ValueError(
                    f"got {two}; expected two different ones of {', '.join(COLOURS)}, or of {', '.join(SHAPES)}"
                )
            return two

    settings: Settings
    factors = {
        "colour_front": COLOURS,
        "shape_front": SHAPES,
        "colour_back": COLOURS,
        "shape_back": SHAPES,
        "view": (0, 1, 2, 3),
        "moves": (False, True),
        "crest": (False, True),
        "shown": (False, True),
    }
    moments = {"first": 0, "second": 1, "last": STEPS - 1}
    decision = "last"
    constants = ("colours", "shapes")

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Two other colours and two other shapes."""
        every = {"colours": COLOURS, "shapes": SHAPES}
        order = {name: torch.randperm(len(values), generator=rng)[:2].tolist() for name, values in every.items()}
        return {name: tuple(values[i] for i in order[name]) for name, values in every.items()}

    # -- facts ---------------------------------------------------------------------------------------------------

    @property
    def own(self) -> dict[str, str]:
        """Features of the object that the animal is reared with, by factor."""
        (front, back), shapes = self.settings.colours, self.settings.shapes
        return {"colour_front": front, "shape_front": shapes[0], "colour_back": back, "shape_back": shapes[1]}

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``own``."""
        own = self.own
        turned = {name: own[f"{name[:-5]}back" if name.endswith("front") else f"{name[:-4]}front"] for name in own}
        facts = concepts[list(own)].to_numpy(dtype=str)
        is_own = (facts == list(own.values())).all(axis=1) | (facts == list(turned.values())).all(axis=1)
        return concepts.assign(own=is_own)

    def set_own(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Exchanges another object for the own one, or the own one for one that has none of its features."""
        wrong = self.derive(factors)["own"].to_numpy() != value
        stranger = self.stranger
        for name, feature in self.own.items():
            factors.loc[wrong & value, name] = feature
            factors.loc[wrong & ~value, name] = stranger[name]
        return factors

    @property
    def stranger(self) -> dict[str, str]:
        """Features of an object that shares none with the own one, by factor."""
        colours = [colour for colour in COLOURS if colour not in self.settings.colours]
        shapes = [shape for shape in SHAPES if shape not in self.settings.shapes]
        return dict(zip(self.own, (colours[0], shapes[0], colours[1], shapes[1]), strict=True))

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The own object, in any view."""
        s = self.settings
        rates = {"moves": s.move_rate, "crest": s.crest_rate, "shown": s.shown_rate}
        view = torch.randint(0, 4, (n,), generator=rng).numpy()
        said = {name: (torch.rand(n, generator=rng) < rate).numpy() for name, rate in rates.items()}
        return pd.DataFrame({**{name: [feature] * n for name, feature in self.own.items()}, "view": view, **said})

    # -- pictures ------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Place, way, disorder and pixel noise, none of which is a concept."""
        noise = {
            "row": torch.randint(CREST, SIDE - BOX + 1, (n,), generator=rng),
            "column": torch.randint(0, SIDE - BOX + 1, (n,), generator=rng),
            "way": 2 * torch.randint(0, 2, (n,), generator=rng) - 1,
            "grain": torch.randn(n, STEPS, 3, SIDE, SIDE, generator=rng),
        }
        if self.settings.scrambled:
            noise["disorder"] = torch.rand(n, STEPS, BOX * BOX, generator=rng).argsort(2)
        return noise

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 6, 3, 16, 16]``."""
        n = len(concepts)
        facts = {name: self._coded(concepts, name) for name in self.factors}
        steps = torch.arange(STEPS) * facts["moves"][:, None]
        angle = torch.deg2rad(90.0 * facts["view"][:, None] + TILT + TURN * steps)
        front = (angle.cos() > 0).long()
        shape = torch.where(front == 1, facts["shape_front"][:, None], facts["shape_back"][:, None])
        colour = torch.where(front == 1, facts["colour_front"][:, None], facts["colour_back"][:, None])
        middle = (BOX - 1) / 2
        source = ((torch.arange(BOX) - middle) / angle.cos().abs()[..., None] + middle).round().long()
        seen = MASKS[shape].gather(3, source.clamp(0, BOX - 1)[:, :, None].expand(-1, -1, BOX, -1))
        seen = seen * ((source >= 0) & (source < BOX))[:, :, None]
        if "disorder" in noise:
            seen = seen.flatten(2).gather(2, noise["disorder"]).unflatten(2, (BOX, BOX))
        box = seen[:, :, None] * HUES[colour][..., None, None]
        frames = torch.zeros(n, STEPS, 3, SIDE, SIDE)
        rows, columns = self._pixels(noise, facts["moves"])
        each, time = torch.arange(n)[:, None, None, None], torch.arange(STEPS)[:, None, None]
        frames[each, time, :, rows, columns] = box.permute(0, 1, 3, 4, 2)
        top, left = rows[:, :, 0, 0] - CREST, columns[:, :, 0, 0]
        for row, column in DOTS:
            white = facts["crest"][:, None, None].float()
            frames[each[..., 0, 0], time[..., 0, 0], :, top + row, left + column] = white
        return frames * facts["shown"][:, None, None, None, None] + self.settings.pixel_noise * noise["grain"]

    def _coded(self, concepts: pd.DataFrame, name: str) -> Tensor:
        """Index of each row's value among those of the factor."""
        return torch.from_numpy(pd.Index(self.factors[name]).get_indexer(concepts[name]).astype(np.int64))

    @staticmethod
    def _pixels(noise: Mapping[str, Tensor], moves: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column of each pixel of the object's box, each broadcastable to ``[n, T, 8, 8]``."""
        drift = torch.arange(STEPS) * (noise["way"] * moves)[:, None]
        rounds = 2 * (SIDE - BOX)
        bounced = (noise["column"][:, None] + drift) % rounds  # it turns back at either wall
        bounced = torch.minimum(bounced, rounds - bounced)
        offset = torch.arange(BOX)
        rows = noise["row"][:, None, None, None] + offset[:, None]
        return rows.expand(-1, STEPS, BOX, 1), bounced[:, :, None, None] + offset

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The object's box for ``own``, and the rows above it for ``crest``."""
        rows, columns = self._pixels(batch.noise, self._coded(batch.concepts, "moves"))
        masks = {name: torch.zeros(batch.observation.shape, dtype=torch.bool) for name in ("own", "crest")}
        each, time = torch.arange(len(batch))[:, None, None, None], torch.arange(STEPS)[:, None, None]
        masks["own"][each, time, :, rows, columns] = True
        masks["crest"][each, time, :, rows[:, :, :CREST] - CREST, columns] = True
        return masks

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``matter``, ``motion``, ``head``: ``[n, 6]`` each, 0 to 1."""
        bright = batch.observation.mean(2)
        moved = batch.observation.diff(dim=1).abs().amax(2)
        every = {
            "matter": (((bright > CHANGED).float().mean((2, 3))) / PART).clamp(0.0, 1.0),
            "motion": F.pad((moved > CHANGED).float().mean((2, 3)) / PART, (1, 0)).clamp(0.0, 1.0),
            "head": _head(bright),
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})


def _head(bright: Tensor) -> Tensor:
    """How well the best place of each frame ``[n, T, H, W]`` matches the dots of a crest on a dark ground, 0 to 1."""
    template = torch.zeros(CREST, BOX)
    template[tuple(zip(*DOTS, strict=True))] = 1.0
    ground = 1.0 - template
    kernel = template / template.sum() - 2.0 * ground / ground.sum()
    match: Tensor = F.conv2d(bright.flatten(0, 1)[:, None], kernel[None, None]).amax((1, 2, 3))
    return (2.0 * match - 1.0).clamp(0.0, 1.0).reshape(bright.shape[:2])
