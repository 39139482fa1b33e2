"""flock: somebody is about to eat, oneself or another, and is glad of it or not.

**Description.** Four frames of 8 x 16. Frames 0-1 (``seen``, the *decision* moment): on the left lies a meal, a
handwritten digit, each time in another handwriting and another light (brighter or darker than the ground, at random);
on the right is whoever will eat it. Oneself is seen from within, as a body in the lower half; a flockmate is the same
body in the upper half; a beast is another body there. Frames 2-3: the meal is gone, and the eater's wings are up when
it is glad, and else down.

To predict the wings a learner must recognise the kind of meal, whoever eats it; to predict where they are, the eater.
So what it knows of its own meals and of another's can be the same knowledge, or not: that is what the world is for.
With ``wings`` "everywhere" they are seen in both halves whoever eats, and nothing asks for the difference.

**Factors.** ``eater``: self, flockmate or beast; ``meal``: a digit; ``glad``: what the eater feels.
**Abstract concepts.** ``good``: the meal is of a good kind; ``own_joy``: it is oneself, and glad; ``others_joy``: it is
a flockmate, and glad; ``conspecific``: it is a flockmate.

**Constants**, which each training seed can have its own draw of: ``good_kinds`` and ``bad_kinds``.

**Training correlations.** All eaters and all kinds are equally frequent; P(glad | good) = ``taste``, and P(glad | bad)
is 1 minus that, whoever eats.

**Senses**: ``pleasure`` (not in the picture: 1 in frames 2-3 when oneself is glad), ``eating`` (not in the picture: 1
throughout when oneself eats, so that ``pleasure`` says something), ``conspecific`` (1 throughout when a flockmate is
there), ``shown`` (1 in frames 2-3 while the wings of another are up), ``brightness``. **Body**: none.

**Split.** By handwriting, as in :mod:`imprint.models.handwriting`; held-out originals are of other writers.

After Byrnes, "Intro to brain-like-AGI safety", post 13 (a feeling of another's, a crude detector of one's own kind, and
the ground truth of one's own state). Version 1. Pixel noise sd ``pixel_noise``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.handwriting import FIGURE, Handwriting
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

HEIGHT, WIDTH, STEPS, EATEN = 8, 16, 4, 2
EATERS = ("self", "flockmate", "beast")
HALF = 4
"""Rows of a body."""


def _drawn(*rows: str) -> Tensor:
    """0 and 1 from rows of dots and hashes."""
    return torch.tensor([[float(cell == "#") for cell in row] for row in rows])


BIRD = _drawn("........", "..####..", ".######.", "..#..#..")
BEAST = _drawn(".#....#.", ".######.", "..####..", ".##..##.")
UP = _drawn("##....##", "#......#", "........", "........")
DOWN = _drawn("........", "........", "#......#", "##....##")


class Flock(World):
    """Meals of oneself and of others; the module docstring describes the world."""

    class Settings(FrozenSettings):
        good_kinds: tuple[int, ...] = (0, 3)
        """Digits that are good meals."""
        bad_kinds: tuple[int, ...] = (5, 8)
        """Digits that are bad meals."""
        taste: float = Field(0.95, ge=0.0, le=1.0)
        """P(glad | good meal) in training, and P(not glad | bad meal)."""
        wings: Literal["eater", "everywhere"] = "eater"
        """Where wings are seen: on the eater, or in both halves."""
        pixel_noise: float = Field(0.05, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""
        block: int = Field(36, ge=20, le=200)
        """Handwritten originals per group."""
        originals: Literal["raising", "held_out"] = "raising"
        """Which part of the handwriting is used."""

        @model_validator(mode="after")
        def _kinds(self) -> Flock.Settings:
            kinds = (*self.good_kinds, *self.bad_kinds)
            if len(set(kinds)) != len(kinds) or not set(kinds) <= set(range(10)):
                raise ValueError(f"good_kinds and bad_kinds are {kinds}; expected different digits 0..9")
            if not self.good_kinds or len(self.good_kinds) != len(self.bad_kinds):
                raise ValueError(
                    f"there are {len(self.good_kinds)} good and {len(self.bad_kinds)} bad kinds; expected as many of "
                    "each, and one or more"
                )
            return self

    settings: Settings
    moments = {"first": 0, "seen": 1, "felt": 3}
    decision = "seen"
    constants = ("good_kinds", "bad_kinds")

    def __init__(self, settings: Flock.Settings | None = None) -> None:
        super().__init__(settings)
        self.kinds = (*self.settings.good_kinds, *self.settings.bad_kinds)
        """Digits that occur, good ones first."""
        self.factors = {"eater": EATERS, "meal": self.kinds, "glad": (False, True)}
        held_out = self.settings.originals == "held_out"
        self.handwriting = Handwriting(self.kinds, block=self.settings.block, held_out=held_out)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """As many other digits."""
        count = len(settings.good_kinds)
        digits = torch.randperm(10, generator=rng).tolist()
        return {"good_kinds": tuple(sorted(digits[:count])), "bad_kinds": tuple(sorted(digits[count : 2 * count]))}

    # -- facts ---------------------------------------------------------------------------------------------------

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add the abstract concepts."""
        glad, eater = concepts["glad"].astype(bool), concepts["eater"]
        return concepts.assign(
            good=concepts["meal"].isin(self.settings.good_kinds),
            own_joy=(eater == "self") & glad,
            others_joy=(eater == "flockmate") & glad,
            conspecific=eater == "flockmate",
        )

    def set_good(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Exchanges the meal for the one of the other kind that has the same rank; what is felt is kept."""
        s = self.settings
        partner = dict(zip(self.kinds, (*s.bad_kinds, *s.good_kinds), strict=True))
        meal = factors["meal"]
        return factors.assign(meal=meal.where(meal.isin(s.good_kinds) == value, meal.map(partner)))

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution, in which who eats good meals is glad as ``taste`` says."""
        eater, meal = (torch.randint(0, count, (n,), generator=rng) for count in (len(EATERS), len(self.kinds)))
        good = meal < len(self.settings.good_kinds)
        usual = torch.rand(n, generator=rng) < self.settings.taste
        names = np.asarray(EATERS, dtype=object)[eater.numpy()]
        return pd.DataFrame(
            {"eater": names, "meal": np.asarray(self.kinds)[meal.numpy()], "glad": (good == usual).numpy()}
        )

    # -- pictures ------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Handwriting, light, how bright the body is, and pixel noise, none of which is a concept."""
        return {
            **self.handwriting.draw_blocks(n, rng),
            "original": torch.rand(n, EATEN, generator=rng),
            "light": 2.0 * torch.randint(0, 2, (n, EATEN), generator=rng) - 1.0,
            "body": 0.7 + 0.6 * torch.rand(n, generator=rng),
            "grain": torch.randn(n, STEPS, 1, HEIGHT, WIDTH, generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 4, 1, 8, 16]``."""
        meal = torch.tensor([self.kinds.index(kind) for kind in concepts["meal"].tolist()])
        originals = self.handwriting.appearances(noise["block"], meal, noise["original"])
        frames = torch.zeros(len(concepts), STEPS, HEIGHT, WIDTH)
        frames[:, :EATEN, :, :FIGURE] = self.handwriting.images[originals] * noise["light"][..., None, None]
        eater = torch.tensor([EATERS.index(name) for name in concepts["eater"].tolist()])
        own = (eater == 0)[:, None, None]
        body = torch.stack([BIRD, BIRD, BEAST])[eater]
        wings = torch.where(_flags(concepts["glad"])[:, None, None], UP, DOWN)
        for rows, here in ((slice(0, HALF), ~own), (slice(HALF, HEIGHT), own)):
            before = torch.where(here, body, 0.0)
            seen = here | torch.tensor(self.settings.wings == "everywhere")
            after = (before + torch.where(seen, wings, 0.0)).clamp(max=1.0)
            shown = torch.stack([*[before] * EATEN, *[after] * (STEPS - EATEN)], 1)
            frames[:, :, rows, FIGURE:] += shown * noise["body"][:, None, None, None]
        return frames[:, :, None] + self.settings.pixel_noise * noise["grain"]

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The meal for ``good`` and ``meal``, the body before the meal for ``eater``, and after it for ``glad``."""
        blank = torch.zeros(batch.observation.shape, dtype=torch.bool)
        masks = {name: blank.clone() for name in ("good", "meal", "eater", "glad")}
        for name in ("good", "meal"):
            masks[name][:, :EATEN, :, :, :FIGURE] = True
        masks["eater"][:, :EATEN, :, :, FIGURE:] = True
        masks["glad"][:, EATEN:, :, :, FIGURE:] = True
        return masks

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``pleasure``, ``eating``, ``conspecific``, ``shown``, ``brightness``: ``[n, 4]`` each."""
        own, other = (_flags(batch.concepts["eater"] == name) for name in ("self", "flockmate"))
        glad, late = _flags(batch.concepts["glad"]), torch.arange(STEPS) >= EATEN

        def shown(rows: Tensor, steps: Tensor) -> Tensor:
            return (rows[:, None] & steps).float()

        always = torch.ones(STEPS, dtype=torch.bool)
        every = {
            "pleasure": shown(own & glad, late),
            "eating": shown(own, always),
            "conspecific": shown(other, always),
            "shown": shown(~own & glad, late),
            "brightness": batch.observation.abs().mean((2, 3, 4)),
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})

    def picture(self, observation: Tensor) -> np.ndarray:
        """Frames with the ground in medium grey, so that darker and brighter meals are both visible."""
        frames = (0.45 + 0.4 * observation).clamp(0, 1).permute(0, 1, 3, 4, 2).expand(-1, -1, -1, -1, 3)
        return np.asarray((frames * 255).round().to(torch.uint8).numpy())

    def held_out(self) -> World:
        """The same world with handwriting that no learner was trained on."""
        return self.with_settings(originals="held_out")


def _flags(column: pd.Series) -> Tensor:
    """A column of truth values as a tensor."""
    return torch.from_numpy(column.to_numpy(dtype=bool).copy())
