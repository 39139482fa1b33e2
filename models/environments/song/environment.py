"""song: a bird moves its vocal tract for the length of a song, and hears what comes out.

One episode is one song of ``length`` frames. In each the bird gives a motor command, one of three levels for each of
five articulators, and the articulators move a part of the way there (``speed``), each with a ``jitter`` of its own. The
sound of a posture is that of :mod:`imprint.models.environments.song.tract`, where several postures sound alike. What
is heard (the spectrum), and the frame of the song as the second plane, is the observation.

**Senses**, of the sound alone: ``loudness``, ``centre`` and ``spread`` of the spectrum, ``rise`` (of the centre since
the frame before, -1 to 1), and ``sung`` (1 when the song is over). A ``deaf`` bird sings as others do and hears
silence: its senses and its observation are those of no sound; facts stay true. A ``plain`` body has lost most of
the freedom to make one sound in several ways.

The body for the question of how a judge that knows what a good song is like, and not how it is sung, makes a singer
(Byrnes, "Intro to brain-like-AGI safety", post 2, section 2.3.2).

Letters: n copies, F frequency bins, T frames.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from imprint.models.chance import uniform
from imprint.models.environments.base import Environment, EnvironmentSettings, View
from imprint.models.environments.song.tract import ARTICULATORS, BINS, features, spectrum
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.states import State

LEVELS = 3
"""Levels of each articulator in a command: 0, 1/2 and 1."""
COMMANDS = tuple(product(range(LEVELS), repeat=len(ARTICULATORS)))


class Song(Environment):
    """A singing bird."""

    class Settings(EnvironmentSettings):
        length: int = Field(8, ge=2, le=BINS)
        """T, frames of a song."""
        speed: float = Field(0.7, gt=0.0, le=1.0)
        """Part of the way to the command that an articulator moves in a frame."""
        jitter: float = Field(0.02, ge=0.0, le=0.5)
        """Largest error of every movement, drawn evenly."""
        plain: bool = False
        """Whether the slackening muscle and the right side are cut."""
        deaf: bool = False
        """Whether the bird hears nothing."""

    actions = tuple("".join(map(str, command)) for command in COMMANDS)
    wages = "sung"
    goals = {"song": "sung"}
    constants = ()
    settings: Settings

    @property
    def view(self) -> View:
        """The spectrum that is heard, and the frame of the song."""
        return View(2, 1, BINS, len(self.actions))

    def draw(self, n: int, *, rng: torch.Generator, design: str) -> State:
        """Birds at rest: no pressure, the other articulators half-way."""
        rest = {name: torch.full((n,), 0.5) for name in ARTICULATORS}
        return {**rest, "pressure": torch.zeros(n)}

    def sound(self, state: State) -> Tensor:
        """What the posture sounds like, ``[n, F]``, whoever hears it."""
        return spectrum(state, plain=self.settings.plain)

    def heard(self, state: State) -> Tensor:
        """What the bird hears of it, ``[n, F]``."""
        sound = self.sound(state)
        return torch.zeros_like(sound) if self.settings.deaf else sound

    def observe(self, state: State) -> Tensor:
        """Spectrum and frame, float32 ``[n, 2, 1, F]``."""
        frame = F.one_hot(state["clock"].clamp(max=BINS - 1), BINS).float()
        return torch.stack([self.heard(state), frame], 1)[:, :, None]

    def transition(self, state: State, action: Tensor) -> State:
        """Every articulator moves towards the level commanded."""
        s, (chance, key) = self.settings, uniform(state["key"], len(ARTICULATORS))
        moved = {}
        for place, name in enumerate(ARTICULATORS):
            level = action // LEVELS ** (len(ARTICULATORS) - 1 - place) % LEVELS
            aim = level.float() / (LEVELS - 1)
            error = s.jitter * (2.0 * chance[:, place] - 1.0)
            moved[name] = (state[name] + s.speed * (aim - state[name]) + error).clamp(0.0, 1.0)
        return {**state, **moved, "key": key}

    def ended(self, state: State) -> Tensor:
        """Whether the song is over."""
        return state["clock"] >= self.settings.length

    def senses(self, before: State, action: Tensor, after: State) -> dict[str, Tensor]:
        """Features of what is heard after the movement."""
        now, then = features(self.heard(after)), features(self.heard(before))
        return {**now, "rise": now["centre"] - then["centre"], "sung": self.ended(after).float()}

    def facts(self, state: State) -> dict[str, Tensor]:
        """The posture, and the features of its sound, heard or not."""
        true = {f"true_{name}": value for name, value in features(self.sound(state)).items()}
        return {**{name: state[name] for name in ARTICULATORS}, **true}

    def edit(self, state: State, fact: str, value: Any) -> State:
        """``state`` with one articulator put somewhere in 0 to 1."""
        if fact not in ARTICULATORS:
            raise unknown_name("fact that song can edit", fact, ARTICULATORS)
        new = torch.as_tensor(value, dtype=torch.float32).expand(state[fact].shape).clone()
        if not bool(((new >= 0.0) & (new <= 1.0)).all()):
            raise ImprintError(f"{fact} is {new.tolist()[:8]}; expected 0 to 1.")
        return {**state, fact: new}

    def paint(self, state: State) -> Tensor:
        """Pictures, uint8 ``[n, 8, 8 F, 3]``: the spectrum, dark where it is loud, and the frame in blue below."""
        tone = (255 * (1.0 - self.sound(state))).to(torch.uint8)
        rows = tone[:, None, :, None].expand(-1, 7, -1, 3)
        frame = torch.full((len(tone), 1, BINS, 3), 255, dtype=torch.uint8)
        here = F.one_hot(state["clock"].clamp(max=BINS - 1), BINS).bool()[:, None]
        frame = torch.where(here[..., None], torch.tensor((40, 60, 190), dtype=torch.uint8), frame)
        return torch.cat([rows, frame], 1).repeat_interleave(8, dim=2).contiguous()

    def ascii(self, state: State) -> list[str]:
        """The spectrum, ``#`` loud to ``.`` silent, and the frame."""
        depth = (self.sound(state) * 3.999).long().tolist()
        frames = state["clock"].tolist()
        return [f"{''.join('.-+#'[d] for d in line)} {frame}" for line, frame in zip(depth, frames, strict=True)]
