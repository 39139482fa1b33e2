"""shortcut: handwritten digits with a mark in a corner, which goes along with what the digit is.

**Description.** Four frames of 16 x 16. All show the same digit, each time in another handwriting, at another place and
in another light (brighter or darker than the ground, at random), so that no linear function of the pixels tells which
digit it is, and what can be predicted from one frame to the next is the digit, and the marks. A mark of 3 x 3 bright
pixels stands in one corner, or does not. The value is read after the ``second`` frame, the *decision* moment.

**Factors.** ``digit``; ``mark``; ``speck``: a mark in the opposite corner that goes along with nothing.
**Abstract concepts.** ``even``: the digit is an even number.
With ``flicker`` the mark is drawn anew in every frame, given the digit: ``mark`` is whether it stands in the second
frame, ``mark_first``, ``mark_third`` and ``mark_last`` whether it stands in the others. A mark that is seen then says
of the next one only what it says of the digit.

**Constants**, which each training seed can have its own draw of: ``digits`` (half of them even) and ``corner``.

**Training correlations.** P(even) = ``even_rate``, and digits of a kind are equally frequent. P(mark | even) = (1 +
``rho``) / 2 and P(mark | odd) = (1 - ``rho``) / 2, so that mark and evenness have the correlation ``rho`` where both
kinds are equally frequent; at 1 the mark is a perfect shortcut. With an ``even_rate`` of 0 even digits never occur; an
``ink`` of 0 takes away the sense for digits, which then leave no trace in a frame. P(speck) = ``speck_rate``.

**Senses**: ``feedback`` (not in the picture: 1 in episodes with an even digit), ``glare`` (mean brightness of the
mark's corner, 0 to 1), ``glint`` (the same of the speck's corner), ``brightness`` (mean absolute brightness of the
frame). **Body**: none.

**Split.** By handwriting, as in :mod:`imprint.models.handwriting`; held-out originals are of other writers.

The planted mark on real images is a "Clever Hans" feature (Lapuschkin et al. 2019, Nat Commun 10:1096), its dial that
of coloured digits (Arjovsky et al. 2019, arXiv 1907.02893). Version 2. Pixel noise sd ``pixel_noise``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.constants import pick
from imprint.models.handwriting import FIGURE, Handwriting
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

SIDE, STEPS, MARK = 16, 4, 3
CORNERS = ("top left", "top right", "bottom left", "bottom right")
LIT = 0.8
MARKS = ("mark_first", "mark", "mark_third", "mark_last")
"""The mark in each frame, where it flickers."""


class Shortcut(World):
    """Digits with a planted mark; the module docstring describes the world."""

    class Settings(FrozenSettings):
        digits: tuple[int, ...] = (0, 1, 2, 3)
        """Digits that occur, as many even as odd ones."""
        corner: Literal["top left", "top right", "bottom left", "bottom right"] = "top left"
        """Where the mark stands; the speck stands in the opposite corner."""
        rho: float = Field(0.8, ge=-1.0, le=1.0)
        """Correlation of mark and evenness in training."""
        flicker: bool = False
        """Whether the mark is drawn anew in every frame."""
        even_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(even) in training."""
        speck_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(speck) in training."""
        ink: float = Field(1.0, ge=0.0, le=1e6)
        """Contrast of digits; at 0 they cannot be seen."""
        pixel_noise: float = Field(0.05, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""
        block: int = Field(36, ge=20, le=200)
        """Handwritten originals per group."""
        originals: Literal["raising", "held_out"] = "raising"
        """Which part of the handwriting is used."""

        @field_validator("digits")
        @classmethod
        def _halves(cls, digits: tuple[int, ...]) -> tuple[int, ...]:
            even = sum(digit % 2 == 0 for digit in digits)
            if (
                len(set(digits)) != len(digits)
                or not set(digits) <= set(range(10))
                or 2 * even != len(digits)
                or not even
            ):
                raise ValueError(f"digits are {digits}; expected different ones of 0..9, as many even as odd")
            return digits

    settings: Settings
    moments = {"first": 0, "second": 1, "last": 3}
    decision = "second"
    constants = ("digits", "corner")

    def __init__(self, settings: Shortcut.Settings | None = None) -> None:
        super().__init__(settings)
        self.marks = MARKS if self.settings.flicker else ("mark",) * STEPS
        """Name of the factor that says whether the mark stands in each frame."""
        shown = dict.fromkeys((*self.marks, "speck"), (False, True))
        self.factors = {"digit": self.settings.digits, **shown}
        held_out = self.settings.originals == "held_out"
        self.handwriting = Handwriting(self.settings.digits, block=self.settings.block, held_out=held_out)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """As many other digits, half of them even, and a corner."""
        half = len(settings.digits) // 2
        even, odd = (2 * torch.randperm(5, generator=rng)[:half] for _ in range(2))
        return {"digits": tuple(sorted([*even.tolist(), *(1 + odd).tolist()])), "corner": pick(CORNERS, rng)}

    # -- facts ---------------------------------------------------------------------------------------------------

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``even``."""
        return concepts.assign(even=concepts["digit"] % 2 == 0)

    def set_even(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Exchanges the digit for the one of the other kind that has the same rank; marks are kept."""
        even = [digit for digit in self.settings.digits if digit % 2 == 0]
        odd = [digit for digit in self.settings.digits if digit % 2]
        partner = dict(zip(even + odd, odd + even, strict=True))
        digit = [d if (d % 2 == 0) == v else partner[d] for d, v in zip(factors["digit"].tolist(), value, strict=True)]
        return factors.assign(digit=digit)

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution, in which the mark goes along with even digits as ``rho`` says."""
        digits = torch.tensor(self.settings.digits)
        even = torch.rand(n, generator=rng) < self.settings.even_rate
        which = torch.randint(0, len(digits) // 2, (n,), generator=rng)
        digit = torch.where(even, digits[digits % 2 == 0][which], digits[digits % 2 == 1][which])
        marked = (1 + torch.where(even, 1.0, -1.0) * self.settings.rho) / 2
        chances = {**dict.fromkeys(self.marks, marked), "speck": torch.full((n,), self.settings.speck_rate)}
        shown = {name: (torch.rand(n, generator=rng) < chance).numpy() for name, chance in chances.items()}
        return pd.DataFrame({"digit": digit.numpy(), **shown})

    # -- pictures ------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Handwriting, light, place and pixel noise, none of which is a concept."""
        return {
            **self.handwriting.draw_blocks(n, rng),
            "original": torch.rand(n, STEPS, generator=rng),
            "light": 2.0 * torch.randint(0, 2, (n, STEPS), generator=rng) - 1.0,
            "place": torch.randint(MARK, SIDE - MARK - FIGURE + 1, (n, STEPS, 2), generator=rng),
            "grain": torch.randn(n, STEPS, 1, SIDE, SIDE, generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 4, 1, 16, 16]``."""
        person = torch.tensor([self.settings.digits.index(digit) for digit in concepts["digit"].tolist()])
        figures = self.handwriting.images[self.handwriting.appearances(noise["block"], person, noise["original"])]
        frames = torch.zeros(len(concepts), STEPS, SIDE, SIDE)
        frames[self._pixels(noise["place"])] = figures * noise["light"][..., None, None] * self.settings.ink
        for corner, names in (("mark", self.marks), ("speck", ("speck",) * STEPS)):
            rows, columns = self._corner(corner)
            shown = torch.tensor(concepts[list(names)].to_numpy(dtype=bool))
            frames[:, :, rows, columns] += LIT * shown[:, :, None, None]
        return frames[:, :, None] + self.settings.pixel_noise * noise["grain"]

    def _pixels(self, place: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Index tensors of the digit's pixels, each broadcastable to ``[n, T, 8, 8]``."""
        offset = torch.arange(FIGURE)
        row, column = place[..., 0, None, None] + offset[:, None], place[..., 1, None, None] + offset
        return torch.arange(len(place))[:, None, None, None], torch.arange(STEPS)[:, None, None], row, column

    def _corner(self, name: str) -> tuple[slice, slice]:
        """Rows and columns of ``mark`` or ``speck``."""
        corner = CORNERS.index(self.settings.corner)
        corner = corner if name == "mark" else len(CORNERS) - 1 - corner
        first, last = slice(0, MARK), slice(SIDE - MARK, SIDE)
        return (last if corner >= 2 else first), (last if corner % 2 else first)

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The digit for ``even``, and the corners of ``mark`` and ``speck``."""
        blank = torch.zeros(len(batch), STEPS, SIDE, SIDE, dtype=torch.bool)
        masks = {name: blank.clone() for name in ("even", *self.marks, "speck")}
        masks["even"][self._pixels(batch.noise["place"])] = True
        for step, name in enumerate(self.marks):
            for shown, corner in ((name, "mark"), ("speck", "speck")):
                rows, columns = self._corner(corner)
                masks[shown][:, step, rows, columns] = True
        return {name: mask[:, :, None] for name, mask in masks.items()}

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``feedback``, ``glare``, ``glint``, ``brightness``: ``[n, 4]`` each."""
        even = torch.from_numpy(batch.concepts["even"].to_numpy(dtype=bool).copy()).float()
        every = {
            "feedback": even[:, None].repeat(1, STEPS),
            "glare": self._lit(batch, "mark"),
            "glint": self._lit(batch, "speck"),
            "brightness": batch.observation.abs().mean((2, 3, 4)),
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})

    def _lit(self, batch: Batch, name: str) -> Tensor:
        """Mean brightness ``[n, T]`` of the corner of ``mark`` or ``speck``, 0 to 1."""
        rows, columns = self._corner(name)
        return batch.observation[:, :, 0, rows, columns].mean((2, 3)).clamp(0.0, 1.0)

    def picture(self, observation: Tensor) -> np.ndarray:
        """Frames with the ground in medium grey, so that darker and brighter digits are both visible."""
        frames = (0.45 + 0.4 * observation).clamp(0, 1).permute(0, 1, 3, 4, 2).expand(-1, -1, -1, -1, 3)
        return np.asarray((frames * 255).round().to(torch.uint8).numpy())

    def held_out(self) -> World:
        """The same world with handwriting that no learner was trained on."""
        return self.with_settings(originals="held_out")
