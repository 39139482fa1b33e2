"""womb: what a body feels and hears before birth, much of it made by its own babbling hands.

**Description.** Six frames of 8 x 8 in three channels. *Touch*: a map of the skin, with the face above, the belly below
and a hand on either side. *Sound*: eight bands (high ones above) by eight moments of the frame; a heart beats in the
two lowest bands, every fourth moment or every second, and a voice may run through the others with a melody. *Motor*:
the command that goes to a hand, seen on the hand's place. Frames 0-1 (``sent``, the *decision* moment): a hand may be
told to move, in frame 1, and is on its way. From frame 2 on it is where it goes: at the face or the belly, which then
feel it as it feels them, or at the wall, which is felt by the hand alone. What presses from outside is felt by the
belly alone. So a learner that predicts what is felt must take its own command into account (double touch: Rochat &
Hespos 1997, Early Dev Parent 6:105; motor babble before birth: Blumberg, Coleman & Gerth 2013).

**Factors.** ``hand``: the one that moves, or none; ``reaches``: where it goes; ``pressed``: from outside; ``heart``:
slow or fast; ``voice``: none, the mother's, or that of another.
**Abstract concepts.** ``self_touch``: a hand reaches the own body; ``calm``: the heart is slow.

**Constants**, which each training seed can have its own draw of: ``melodies``, of the mother and of the other.

**Training correlations.** P(a hand moves) = ``move_rate``, either alike; P(face) = ``face_rate``, belly and wall alike;
P(pressed) = ``press_rate``; P(voice) = ``voice_rate``, always the mother's, so that another's is new at birth;
P(calm | voice) = ``calm_voice``, P(calm | no voice) = ``calm_else`` (a voice that goes along with comfort: DeCasper &
Fifer 1980, Science 208:1174).

**Senses** (crude): ``touch`` (part of the skin that is touched), ``face`` (part of the face), ``loudness`` (mean of the
sound), ``beat`` (1 at a fast heart, one half at a slow one), ``command`` (1 while one is sent). **Body**: none.

Episodes are drawn independently, and nothing has to be held out. Deviations: sounds of the body other than the heart
are missing; hands do not touch one another. Version 1. Pixel noise sd ``pixel_noise``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator
from torch import Tensor

from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

SIDE, STEPS, SENT, FELT = 8, 6, 1, 2
"""Pixels a side, frames, the frame in which a command is sent, and the first in which its touch is felt."""
HANDS, PLACES, VOICES = ("none", "left", "right"), ("face", "belly", "wall"), ("none", "mother", "other")
SKIN = {
    "face": (slice(0, 4), slice(2, 6)),
    "belly": (slice(4, 8), slice(2, 6)),
    "left": (slice(2, 6), slice(0, 2)),
    "right": (slice(2, 6), slice(6, 8)),
}
"""Rows and columns of the map of the skin."""
MELODIES = (
    (0, 1, 2, 3, 4, 5, 5, 5),
    (5, 4, 3, 2, 1, 0, 0, 0),
    (0, 2, 4, 5, 5, 4, 2, 0),
    (5, 3, 1, 0, 0, 1, 3, 5),
    (0, 5, 0, 5, 0, 5, 0, 5),
    (2, 2, 2, 4, 4, 4, 2, 2),
)
"""Band at each moment of a frame, counted from above."""
PERIOD = {"slow": 4, "fast": 2}
"""Moments from one beat to the next."""
BEATS = slice(6, 8)
"""Bands of the heart."""


def _place(name: str) -> Tensor:
    """A part of the skin, ``[8, 8]`` of 0 and 1."""
    skin = torch.zeros(SIDE, SIDE)
    skin[SKIN[name]] = 1.0
    return skin


class Womb(World):
    """Touch, sound and motor babble before birth; the module docstring describes the world."""

    class Settings(FrozenSettings):
        melodies: tuple[int, int] = (0, 3)
        """Numbers of the melodies of the mother's voice and of the other one, 0 to 5."""
        move_rate: float = Field(0.7, ge=0.0, le=1.0)
        """P(a hand moves) in training."""
        face_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(it goes to the face) in training."""
        press_rate: float = Field(0.2, ge=0.0, le=1.0)
        """P(something presses from outside) in training."""
        voice_rate: float = Field(0.5, ge=0.0, le=1.0)
        """P(the mother's voice is heard) in training."""
        calm_voice: float = Field(0.9, ge=0.0, le=1.0)
        """P(the heart is slow | her voice) in training."""
        calm_else: float = Field(0.4, ge=0.0, le=1.0)
        """P(the heart is slow | no voice) in training."""
        pixel_noise: float = Field(0.1, ge=0.0, le=1e6)
        """Standard deviation of the pixel noise."""

        @field_validator("melodies")
        @classmethod
        def _two(cls, two: tuple[int, int]) -> tuple[int, int]:
            if two[0] == two[1] or not set(two) <= set(range(len(MELODIES))):
                raise ValueError(f"got {two}; expected two different numbers from 0 to {len(MELODIES) - 1}")
            return two

    settings: Settings
    factors = {"hand": HANDS, "reaches": PLACES, "pressed": (False, True), "heart": tuple(PERIOD), "voice": VOICES}
    moments = {"rest": 0, "sent": SENT, "felt": FELT, "last": STEPS - 1}
    decision = "sent"
    constants = ("melodies",)

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Two other melodies."""
        first, second = torch.randperm(len(MELODIES), generator=rng)[:2].tolist()
        return {"melodies": (first, second)}

    # -- facts ---------------------------------------------------------------------------------------------------

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``self_touch`` and ``calm``."""
        own = (concepts["hand"] != "none") & (concepts["reaches"] != "wall")
        return concepts.assign(self_touch=own, calm=concepts["heart"] == "slow")

    def set_self_touch(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Moves a hand to the face where none is there, and to the wall one that would reach the body."""
        is_so = self.derive(factors)["self_touch"].to_numpy()
        make, undo = value & ~is_so, ~value & is_so
        hand = factors["hand"].where(~(make & (factors["hand"] == "none").to_numpy()), "left")
        reaches = factors["reaches"].where(~(make & (factors["reaches"] == "wall").to_numpy()), "face")
        return factors.assign(hand=hand, reaches=reaches.where(~undo, "wall"))

    def set_calm(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Sets the heart."""
        return factors.assign(heart=np.where(value, "slow", "fast"))

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution."""
        s, drawn = self.settings, torch.rand(7, n, generator=rng).numpy()
        moves, side, to_face, elsewhere, pressed, heard, calm = drawn
        voice = heard < s.voice_rate
        rests = np.where(elsewhere < 0.5, "belly", "wall")
        return pd.DataFrame(
            {
                "hand": np.where(moves < s.move_rate, np.where(side < 0.5, "left", "right"), "none"),
                "reaches": np.where(to_face < s.face_rate, "face", rests),
                "pressed": pressed < s.press_rate,
                "heart": np.where(calm < np.where(voice, s.calm_voice, s.calm_else), "slow", "fast"),
                "voice": np.where(voice, "mother", "none"),
            }
        )

    # -- pictures ------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """When the heart beats and the melody begins, how hard is pressed, and pixel noise."""
        return {
            "beat": torch.randint(0, max(PERIOD.values()), (n, STEPS), generator=rng),
            "start": torch.randint(0, SIDE, (n, STEPS), generator=rng),
            "force": 0.7 + 0.6 * torch.rand(n, generator=rng),
            "grain": torch.randn(n, STEPS, 3, SIDE, SIDE, generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 6, 3, 8, 8]``: touch, sound, motor command."""
        touch, motor = self._felt(concepts, noise["force"])
        frames = torch.stack([touch, self._heard(concepts, noise), motor], 2)
        return frames + self.settings.pixel_noise * noise["grain"]

    @staticmethod
    def _felt(concepts: pd.DataFrame, force: Tensor) -> tuple[Tensor, Tensor]:
        """Touch and motor command, ``[n, T, 8, 8]`` each."""
        hands = torch.stack([torch.zeros(SIDE, SIDE), _place("left"), _place("right")])[_coded(concepts, "hand", HANDS)]
        moves = torch.from_numpy((concepts["hand"] != "none").to_numpy().copy()).float()[:, None, None]
        parts = torch.stack([_place("face"), _place("belly"), torch.zeros(SIDE, SIDE)])
        own = (hands + moves * parts[_coded(concepts, "reaches", PLACES)]) * force[:, None, None]
        pressed = torch.from_numpy(concepts["pressed"].to_numpy(dtype=bool).copy()).float()
        skin = torch.maximum(own, pressed[:, None, None] * _place("belly"))
        late, sent = torch.arange(STEPS) >= FELT, torch.arange(STEPS) == SENT
        return skin[:, None] * late[:, None, None], hands[:, None] * sent[:, None, None]

    def _heard(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Sound ``[n, T, 8, 8]``: bands by moments."""
        moment = torch.arange(SIDE)
        period = torch.tensor(list(PERIOD.values()))[_coded(concepts, "heart", tuple(PERIOD))][:, None, None]
        beats = ((moment + noise["beat"][..., None]) % period == 0).float()
        sound = torch.zeros(*beats.shape[:2], SIDE, SIDE)
        sound[:, :, BEATS] = beats[:, :, None]
        tunes = torch.tensor([MELODIES[k] for k in self.settings.melodies])
        voice = _coded(concepts, "voice", VOICES)
        tune = tunes[(voice - 1).clamp(min=0)][:, None].expand(-1, STEPS, -1)
        band = tune.gather(2, (moment + noise["start"][..., None]) % SIDE)
        sung = (torch.arange(SIDE)[:, None] == band[:, :, None]).float()
        return sound + sung * (voice > 0)[:, None, None, None]

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The motor channel and the skin for the hand, the skin for what is felt, bands of sound for the others."""
        blank = torch.zeros(batch.observation.shape, dtype=torch.bool)
        masks = {name: blank.clone() for name in (*self.factors, "self_touch", "calm")}
        for name in ("hand", "reaches", "pressed", "self_touch"):
            masks[name][:, FELT:, 0] = True
        for name in ("hand", "self_touch"):
            masks[name][:, SENT, 2] = True
        for name in ("heart", "calm"):
            masks[name][:, :, 1, BEATS] = True
        masks["voice"][:, :, 1, : BEATS.start] = True
        return masks

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``touch``, ``face``, ``loudness``, ``beat``, ``command``: ``[n, 6]`` each."""
        skin = batch.observation[:, :, 0] > 0.5
        moves = torch.from_numpy((batch.concepts["hand"] != "none").to_numpy().copy())
        fast = torch.from_numpy((batch.concepts["heart"] == "fast").to_numpy().copy())
        every = {
            "touch": skin.float().mean((2, 3)),
            "face": skin[:, :, SKIN["face"][0], SKIN["face"][1]].float().mean((2, 3)),
            "loudness": batch.observation[:, :, 1].mean((2, 3)),
            "beat": (0.5 + 0.5 * fast.float())[:, None].repeat(1, STEPS),
            "command": (moves[:, None] & (torch.arange(STEPS) == SENT)).float(),
        }
        return Senses({name: value for name, value in every.items() if names is None or name in names})


def _coded(concepts: pd.DataFrame, name: str, values: tuple[str, ...]) -> Tensor:
    """Index of each row's value."""
    return torch.tensor([values.index(value) for value in concepts[name].tolist()], dtype=torch.int64)
