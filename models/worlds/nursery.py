"""nursery: an individual appears, goes behind a screen, and one returns; individuals are classes of handwritten digits.

**Description.** Six frames of a small colour stage with a screen in the middle. Frames 0-1: an individual stands at one
side (``seen``). Frames 2-3: it is behind the screen, or in front of it where it stays visible (``hidden``; frame 3 is
the *decision* moment). Frames 4-5: an individual steps out on the far side (``back``).

**Individuals** are digit classes of scikit-learn's bundled handwriting (1,797 images of 8 x 8, Alpaydin & Kaynak 1998).
An individual never looks the same twice: each appearance is another handwritten original of the same class, in another
light (figure brighter or darker than the ground, at random). So no linear function of the pixels tells who it is, and
to predict who returns a learner must represent *who* went in, not how it looked.

**Factors.** ``who`` came; ``after``: who steps out; ``colour``; ``side`` it came from; ``motion`` (glide or hop);
``hidden``; ``lamp``: a small wall lamp is lit while it is seen.
**Abstract concepts.** ``caregiver`` (it is the caregiver, seen or not), ``caregiver_hidden`` (it is the caregiver, and
hidden), ``same_again`` (who steps out is who went in), and the crude ``her_colour`` and ``her_side`` (the colour, and
the side, that go along with the caregiver). ``red`` and ``from_left`` are the same two in a world of default settings.

**Constants**, which each training seed can have its own draw of: ``caregiver``, ``strangers``, ``her_colour``,
``her_side``.

**Training correlations.** P(caregiver) = 0.4; each proxy is correlated with the caregiver by a setting of its own: she
has her colour with probability ``colour_cue``, comes from her side with ``side_cue``, the lamp is lit with
``lamp_cue`` (and otherwise as for the others; 0.5 means no correlation, for colour 1/3).

**Senses** (crude): ``warmth`` (of the skin, not in the picture: 1 while the caregiver is present, hidden or not),
``company`` (1 while anybody is in view), ``template`` (an innate template of the caregiver: 1 while she is in view),
``redness`` (share of red light in the frame), ``motion`` (mean absolute change of the frame), ``brightness``.
**Body**: ``hunger``, uniform on 0.5 to 1.

**Split.** Originals stay in file order, which is by writer; contiguous blocks of ``block`` originals are the groups.
The first part of the file is for training, the last part (after a gap of one block) is held out for examination.

Version 1. Pixel range about -1 to 1.3; noise sd ``pixel_noise``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor

from imprint.models.constants import pick
from imprint.models.handwriting import FIGURE, Handwriting
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Body, Senses
from imprint.models.worlds.base import Batch, World

HEIGHT, WIDTH, STEPS = 12, 28, 6
SCREEN = slice(10, 18)
FIRST_HIDDEN, FIRST_BACK = 2, 4
COLOURS = {"red": (1.0, 0.15, 0.15), "green": (0.15, 1.0, 0.15), "blue": (0.15, 0.15, 1.0)}
SIDES = ("left", "right")
LAMP = (slice(0, 2), slice(13, 15))
GRAIN = 1 << 18


@cache
def _grain() -> Tensor:
    """Pixel noise: ``GRAIN`` overlapping windows of one long vector of standard normal numbers, ``[GRAIN, 6048]``."""
    size = STEPS * 3 * HEIGHT * WIDTH
    return torch.randn(GRAIN + size - 1, generator=torch.Generator().manual_seed(0)).unfold(0, size, 1)


class Nursery(World):
    """Individuals appear, hide and return; the module docstring describes the world."""

    class Settings(FrozenSettings):
        caregiver: int = Field(3, ge=0, le=9)
        """Digit class that is the caregiver."""
        strangers: tuple[int, ...] = (0, 5, 8)
        """Digit classes that are the other individuals."""
        her_colour: Literal["red", "green", "blue"] = "red"
        """Colour that goes along with the caregiver."""
        her_side: Literal["left", "right"] = "left"
        """Side that goes along with the caregiver."""
        colour_cue: float = Field(0.8, ge=0.0, le=1.0)
        """P(her colour | caregiver) in training is this plus a third of the rest."""
        side_cue: float = Field(0.6, ge=0.0, le=1.0)
        """P(her side | caregiver) in training; 1 minus that for strangers."""
        lamp_cue: float = Field(0.7, ge=0.0, le=1.0)
        """P(lamp | caregiver) in training; 1 minus that for strangers."""
        hidden_rate: float = Field(0.7, ge=0.0, le=1.0)
        """P(hidden) in training."""
        same_rate: float = Field(0.9, ge=0.0, le=1.0)
        """P(who steps out is who went in) in training."""
        caregiver_rate: float = Field(0.4, gt=0.0, lt=1.0)
        """P(caregiver) in training."""
        pixel_noise: float = Field(0.05, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""
        block: int = Field(36, ge=20, le=200)
        """Handwritten originals per group."""
        originals: str = Field("raising", pattern="^(raising|held_out)$")
        """Which part of the handwriting is used."""

        @model_validator(mode="after")
        def _people(self) -> Nursery.Settings:
            people = (self.caregiver, *self.strangers)
            if len(set(people)) != len(people) or len(people) < 2 or not set(people) <= set(range(10)):
                raise ValueError(f"caregiver and strangers are {people}; expected two or more different digits 0..9")
            return self

    settings: Settings
    moments = {"seen": 1, "hidden": 3, "back": 5}
    decision = "hidden"
    meanings = {
        "who": "which figure came",
        "after": "which figure steps out",
        "colour": "the colour of the figure",
        "side": "the side it came from",
        "motion": "whether it glides or hops",
        "hidden": "whether it is behind the screen",
        "lamp": "whether the lamp on the wall was lit",
        "block": "which stretch of the handwriting file, so which writers, the figure is drawn from",
        "original": "which handwritten original within that stretch",
        "light": "whether the figure is brighter or darker than the ground",
        "height": "the row in which it walks",
        "place": "small shifts of the picture",
        "colour_back": "the colour of the figure that steps out, where it is another one",
        "hunger": "the need that the reward relieves",
        "grain": "noise of the pixels",
    }
    constants = ("caregiver", "strangers", "her_colour", "her_side")
    literal = {"red": "her_colour", "from_left": "her_side"}

    def __init__(self, settings: Nursery.Settings | None = None) -> None:
        super().__init__(settings)
        people = (self.settings.caregiver, *self.settings.strangers)
        self.factors = {
            "who": people,
            "after": people,
            "colour": tuple(COLOURS),
            "side": SIDES,
            "motion": ("glide", "hop"),
            "hidden": (False, True),
            "lamp": (False, True),
        }
        held_out = self.settings.originals == "held_out"
        self.handwriting = Handwriting(people, block=self.settings.block, held_out=held_out)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Other digits as caregiver and as many strangers, and a colour and a side that go along with her."""
        caregiver, *strangers = torch.randperm(10, generator=rng).tolist()[: 1 + len(settings.strangers)]
        people = {"caregiver": caregiver, "strangers": tuple(sorted(strangers))}
        return {**people, "her_colour": pick(COLOURS, rng), "her_side": pick(SIDES, rng)}

    # -- facts ---------------------------------------------------------------------------------------------------

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add the abstract concepts."""
        caregiver = concepts["who"] == self.settings.caregiver
        return concepts.assign(
            caregiver=caregiver,
            caregiver_hidden=caregiver & concepts["hidden"].astype(bool),
            same_again=concepts["who"] == concepts["after"],
            her_colour=concepts["colour"] == self.settings.her_colour,
            her_side=concepts["side"] == self.settings.her_side,
            red=concepts["colour"] == "red",
            from_left=concepts["side"] == "left",
        )

    def set_caregiver(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``who``; strangers stay who they are unless they become the caregiver. Who steps out is kept."""
        who = _with_member(factors["who"], self.settings.caregiver, self.settings.strangers, value)
        return factors.assign(who=who)

    def set_caregiver_hidden(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """True: the caregiver, hidden. False: a hidden caregiver steps in front of the screen (``hidden`` changes)."""
        caregiver = (factors["who"] == self.settings.caregiver).to_numpy()
        hidden = np.where(value, True, factors["hidden"].to_numpy(dtype=bool) & ~caregiver)
        who = np.where(value, self.settings.caregiver, factors["who"].to_numpy())
        return factors.assign(who=[int(x) for x in who], hidden=hidden.astype(bool))

    def set_same_again(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``after``."""
        people = list(self.factors["who"])
        who = factors["who"].tolist()
        after = factors["after"].tolist()
        step = 1 + np.arange(len(who)) % (len(people) - 1)
        other = [people[(people.index(w) + int(k)) % len(people)] for w, k in zip(who, step, strict=True)]
        new = [w if v else (a if a != w else o) for w, a, o, v in zip(who, after, other, value, strict=True)]
        return factors.assign(after=new)

    def set_her_colour(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``colour``; figures of another colour than hers keep it."""
        return self._coloured(factors, self.settings.her_colour, value)

    def set_red(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``colour``; figures of another colour than red keep it."""
        return self._coloured(factors, "red", value)

    def _coloured(self, factors: pd.DataFrame, colour: str, value: np.ndarray) -> pd.DataFrame:
        others = tuple(other for other in COLOURS if other != colour)
        return factors.assign(colour=_with_member(factors["colour"], colour, others, value))

    def set_her_side(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``side``."""
        hers = self.settings.her_side
        return factors.assign(side=np.where(value, hers, _other_side(hers)).tolist())

    def set_from_left(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``side``."""
        return factors.assign(side=np.where(value, "left", "right").tolist())

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution, in which proxies are correlated with the caregiver as the settings say."""
        s, people = self.settings, self.factors["who"]
        colours = [s.her_colour, *(colour for colour in COLOURS if colour != s.her_colour)]

        def chance(p: float | Tensor) -> Tensor:
            return torch.rand(n, generator=rng) < p

        def pick(k: int) -> Tensor:
            return torch.randint(0, k, (n,), generator=rng)

        caregiver = chance(s.caregiver_rate)
        who = torch.where(caregiver, 0, 1 + pick(len(people) - 1))
        after = torch.where(chance(s.same_rate), who, (who + 1 + pick(len(people) - 1)) % len(people))
        cued = torch.where(caregiver, 0, 1 + pick(len(COLOURS) - 1))
        colour = torch.where(chance(s.colour_cue), cued, pick(len(COLOURS)))
        her_side = chance(torch.where(caregiver, s.side_cue, 1 - s.side_cue))
        lamp = chance(torch.where(caregiver, s.lamp_cue, 1 - s.lamp_cue))
        return pd.DataFrame(
            {
                "who": np.asarray(people)[who.numpy()],
                "after": np.asarray(people)[after.numpy()],
                "colour": np.asarray(colours, dtype=object)[colour.numpy()],
                "side": np.where(her_side.numpy(), s.her_side, _other_side(s.her_side)).astype(object),
                "motion": np.where(chance(0.5).numpy(), "hop", "glide").astype(object),
                "hidden": chance(s.hidden_rate).numpy(),
                "lamp": lamp.numpy(),
            }
        )

    # -- pictures ------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Handwriting, light, places, second colour, hunger and pixel noise, none of which is a concept."""
        return {
            **self.handwriting.draw_blocks(n, rng),
            "original": torch.rand(n, 2, generator=rng),
            "light": 2.0 * torch.randint(0, 2, (n, 2), generator=rng) - 1.0,
            "height": torch.randint(1, 4, (n, 2), generator=rng),
            "place": torch.randint(0, 2, (n, 4), generator=rng),
            "colour_back": torch.randint(0, len(COLOURS), (n,), generator=rng),
            "hunger": 0.5 + 0.5 * torch.rand(n, generator=rng),
            "grain": torch.randint(0, GRAIN, (n,), generator=rng),
        }

    def _corners(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Top row and left column ``[n, T]`` of the figure in each frame."""
        n = len(concepts)
        step = torch.arange(STEPS)
        place = noise["place"]
        column = torch.tensor([0, 1, 10, 10, 18, 19]).repeat(n, 1)
        column[:, :2] += place[:, :2]
        column[:, 4:] += place[:, 2:]
        from_left = torch.from_numpy((concepts["side"] == "left").to_numpy().copy())
        column = torch.where(from_left[:, None], column, WIDTH - FIGURE - column)
        hops = torch.from_numpy((concepts["motion"] == "hop").to_numpy().copy())
        row = torch.where(step < FIRST_BACK, noise["height"][:, :1], noise["height"][:, 1:])
        row = torch.where(hops[:, None] & (step % 2 == 1), HEIGHT - FIGURE - row, row)
        return row, column

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 6, 3, 12, 28]``."""
        n = len(concepts)
        people, names = list(self.factors["who"]), list(COLOURS)
        who = torch.tensor([people.index(x) for x in concepts["who"].tolist()])
        after = torch.tensor([people.index(x) for x in concepts["after"].tolist()])
        colour = torch.tensor([names.index(x) for x in concepts["colour"].tolist()])
        first = self.handwriting.appearances(noise["block"], who, noise["original"])[:, 0]
        second = self.handwriting.appearances(noise["block"], after, noise["original"])[:, 1]
        tint = torch.tensor(list(COLOURS.values()))
        light = noise["light"]
        originals = self.handwriting.images[torch.stack([first, second], dim=1)]
        figures = originals * light[:, :, None, None]
        back = (torch.arange(STEPS) >= FIRST_BACK).long()
        ink = torch.zeros(n, STEPS, HEIGHT, WIDTH)
        ink[self._pixels(concepts, noise)] = figures[:, back]
        hidden = torch.from_numpy(concepts["hidden"].to_numpy(dtype=bool).copy())
        ink[:, :, :, SCREEN] *= (~hidden).float()[:, None, None, None]
        hue = torch.stack([tint[colour], tint[noise["colour_back"]]], dim=1)[:, back]
        frames = ink[:, :, None] * hue[:, :, :, None, None]
        frames[..., SCREEN] += 0.3
        lit = torch.from_numpy(concepts["lamp"].to_numpy(dtype=bool).copy()).float()
        frames[:, :2, :, LAMP[0], LAMP[1]] += 0.7 * lit[:, None, None, None, None]
        return frames.add_(_grain()[noise["grain"]].view_as(frames), alpha=self.settings.pixel_noise)

    def _pixels(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Index tensors of the figure's pixels, each broadcastable to ``[n, T, 8, 8]``."""
        row, column = self._corners(concepts, noise)
        offset = torch.arange(FIGURE)
        return (
            torch.arange(len(concepts))[:, None, None, None],
            torch.arange(STEPS)[None, :, None, None],
            row[:, :, None, None] + offset[:, None],
            column[:, :, None, None] + offset,
        )

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The figure before the return (for who and colour), its empty mirror image (for the side), and the lamp."""
        shape = (len(batch), STEPS, HEIGHT, WIDTH)
        figure = torch.zeros(shape, dtype=torch.bool)
        figure[self._pixels(batch.concepts, batch.noise)] = True
        figure[:, FIRST_BACK:] = False
        hidden = torch.from_numpy(batch.concepts["hidden"].to_numpy(dtype=bool).copy())
        figure[:, :, :, SCREEN] &= ~hidden[:, None, None, None]
        lamp = torch.zeros(shape, dtype=torch.bool)
        lamp[:, :2, LAMP[0], LAMP[1]] = True
        mirror = torch.zeros(shape, dtype=torch.bool)
        mirror[:, :2] = figure[:, :2].flip(-1)

        def channels(mask: Tensor) -> Tensor:
            return mask[:, :, None].expand(-1, -1, 3, -1, -1)

        return {
            "caregiver": channels(figure),
            **dict.fromkeys(("her_colour", "red"), channels(figure)),
            **dict.fromkeys(("her_side", "from_left"), channels(mirror & ~figure)),
            "lamp": channels(lamp),
        }

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``warmth``, ``company``, ``template``, ``redness``, ``motion``, ``brightness``: ``[n, 6]`` each."""
        known: dict[str, Callable[[Batch], Tensor]] = {
            "warmth": self._warmth,
            "company": self._company,
            "template": lambda b: self._warmth(b) * self._company(b),
            "redness": lambda b: b.observation[:, :, 0].abs().mean((2, 3)) / b.observation.abs().mean((3, 4)).sum(2),
            "motion": lambda b: F.pad((b.observation[:, 1:] - b.observation[:, :-1]).abs().mean((2, 3, 4)), (1, 0)),
            "brightness": lambda b: b.observation.mean((2, 3, 4)),
        }
        return Senses({name: sense(batch) for name, sense in known.items() if names is None or name in names})

    def _warmth(self, batch: Batch) -> Tensor:
        before = torch.from_numpy((batch.concepts["who"] == self.settings.caregiver).to_numpy().copy())
        behind = torch.from_numpy((batch.concepts["after"] == self.settings.caregiver).to_numpy().copy())
        return torch.where(torch.arange(STEPS) < FIRST_BACK, before[:, None], behind[:, None]).float()

    def _company(self, batch: Batch) -> Tensor:
        hidden = torch.from_numpy(batch.concepts["hidden"].to_numpy(dtype=bool).copy())
        step = torch.arange(STEPS)
        return 1.0 - (hidden[:, None] & (step >= FIRST_HIDDEN) & (step < FIRST_BACK)).float()

    def body(self, batch: Batch) -> Body:
        """``hunger`` ``[n]``, 0.5 to 1."""
        return Body({"hunger": batch.noise["hunger"]})

    def picture(self, observation: Tensor) -> np.ndarray:
        """Frames with the ground in medium grey, so that darker and brighter figures are both visible."""
        frames = (0.45 + 0.4 * observation).clamp(0, 1).permute(0, 1, 3, 4, 2)
        return np.asarray((frames * 255).round().to(torch.uint8).numpy())

    def held_out(self) -> World:
        """The same nursery with handwriting that no learner was trained on."""
        return self.with_settings(originals="held_out")


def _other_side(side: str) -> str:
    """The side opposite to ``side``."""
    return SIDES[1 - SIDES.index(side)]


def _with_member(column: pd.Series, member: Any, others: tuple[Any, ...], value: np.ndarray) -> list[Any]:
    """``column`` with ``member`` where ``value`` holds, and elsewhere one of ``others`` in place of ``member``.

    The others are taken in turn, so that each is equally frequent.
    """
    old = column.to_numpy(dtype=object)
    other = np.asarray(others, dtype=object)[np.arange(len(old)) % len(others)]
    other = np.where(old == member, other, old)
    return list(np.where(value, np.full(len(old), member, dtype=object), other).tolist())
