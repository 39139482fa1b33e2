"""nest: an animal walks through a field that it sees one tile at a time; where it is, it has to work out.

**Description.** A field of ``side`` x ``side`` tiles without an edge (a torus), each of one of five colours. An episode
is a walk of 12 steps in random directions from anywhere. A frame shows the colour of the tile underfoot, or nothing in
the dark, and the direction of the next step. Somewhere is an unmarked nest. The value is read at the ``late`` step, the
*decision* moment, when the next step is known and not taken yet.

**Factors.** ``place``: the tile that this next step leads to, numbered row by row; ``move``: its direction; ``glow``:
a light that shines from the step before the decision to the decision.
**Abstract concepts.** ``near_nest``: the place is the nest or one of the four tiles next to it; ``homeward``: the
direction is the one that goes along with coming home.

``near_nest`` is a hidden state. No frame shows it: each colour is as frequent around the nest as elsewhere (exactly so
on 5 x 5 tiles), and with a place that is drawn independently of the steps, the sum of all steps says nothing about it
either. It follows only from *which* colours were passed *where* relative to one another, so that a linear readout of
the whole history of frames and steps stays near chance, and a learner that predicts the next tile must come to it.

**Constants**, which each training seed can have its own draw of: ``field_seed`` (the colours) and ``home_move``.

**Training correlations.** P(near the nest) = ``near_rate``; P(glow | near) = ``glow_cue`` and otherwise 1 minus that;
the direction is ``home_move`` with probability ``move_cue`` when near, and otherwise uniform over the others.

**Senses**: ``warmth`` (not visible: 1 while it is at the nest or next to it), ``glimmer`` (1 while the light shines).
**Body**: none. Episodes are drawn independently, so that each is a group of its own and nothing has to be held out.

The task is that of inferring a place from a sequence of aliased observations (as in clone-structured graphs: George et
al. 2021, Nat Commun 12:2392). Frames are 1 x 1 "pixels" of planes that are all 0 or 1: five colours, the light, and
four directions. Version 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.constants import pick
from imprint.models.settings import FrozenSettings
from imprint.models.steering.base import Senses
from imprint.models.worlds.base import Batch, World

STEPS, COLOURS, GLOW = 12, 5, 5
DECISION = 9
MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
NEAR = ((0, 0), *MOVES.values())
"""Offsets of the tiles near the nest from the nest."""
PALETTE = ((0.90, 0.62, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65), (0.94, 0.89, 0.26))


class Nest(World):
    """Walks through a field of coloured tiles; the module docstring describes the world."""

    class Settings(FrozenSettings):
        side: int = Field(5, ge=4, le=9)
        """Tiles along one side of the field."""
        field_seed: int = Field(0, ge=0, lt=2**63)
        """Seed of the colours of the tiles."""
        home_move: Literal["up", "right", "down", "left"] = "up"
        """Direction that goes along with coming near the nest."""
        near_rate: float = Field(0.35, gt=0.0, lt=1.0)
        """P(near the nest) in training."""
        glow_cue: float = Field(0.8, ge=0.0, le=1.0)
        """P(glow | near the nest) in training; 1 minus that elsewhere."""
        move_cue: float = Field(0.5, ge=0.0, le=1.0)
        """P(the direction is ``home_move`` | near the nest) in training; 0.25 means no correlation."""
        dark_rate: float = Field(0.2, ge=0.0, le=1.0)
        """Probability that a frame shows no colour, at every step anew."""

    settings: Settings
    action_channels = len(MOVES)
    moments = {"early": 1, "middle": 5, "late": DECISION}
    decision = "late"
    constants = ("field_seed", "home_move")

    def __init__(self, settings: Nest.Settings | None = None) -> None:
        super().__init__(settings)
        side = self.settings.side
        self.factors = {"place": tuple(range(side**2)), "move": tuple(MOVES), "glow": (False, True)}
        near = torch.zeros(side, side, dtype=torch.bool)
        for row, column in NEAR:
            near[(side // 2 + row) % side, (side // 2 + column) % side] = True
        self.near = near.flatten()
        """Which tiles are the nest or next to it, bool ``[side^2]``; the nest is in the middle."""
        self.tiles = torch.zeros(side**2, dtype=torch.long)
        """Colour of every tile, 0 to 4, ``[side^2]``."""
        rng = generator("field", self.settings.field_seed)
        for part in (self.near, ~self.near):
            count = int(part.sum())
            self.tiles[part] = (torch.arange(count) % COLOURS)[torch.randperm(count, generator=rng)]

    @classmethod
    def draw_constants(cls, settings: Any, rng: torch.Generator) -> Mapping[str, Any]:
        """Other colours of the tiles, and another direction that goes along with coming home."""
        return {"field_seed": int(torch.randint(0, 2**31 - 1, (), generator=rng)), "home_move": pick(MOVES, rng)}

    # -- facts ---------------------------------------------------------------------------------------------------

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        """Add ``near_nest`` and ``homeward``."""
        near = self.near.numpy()[concepts["place"].to_numpy(dtype=np.int64)]
        return concepts.assign(near_nest=near, homeward=concepts["move"] == self.settings.home_move)

    def set_near_nest(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``place``: tiles of the wrong kind become those of the right kind, in turn. Steps are kept."""
        place = factors["place"].to_numpy(dtype=np.int64)
        turn = np.arange(len(place))
        inside, outside = (np.flatnonzero(part) for part in (self.near.numpy(), ~self.near.numpy()))
        other = np.where(value, inside[turn % len(inside)], outside[turn % len(outside)])
        return factors.assign(place=np.where(self.near.numpy()[place] == value, place, other))

    def set_homeward(self, factors: pd.DataFrame, value: np.ndarray) -> pd.DataFrame:
        """Changes ``move``; other directions than ``home_move`` are kept, and taken in turn in its place."""
        home = self.settings.home_move
        old = factors["move"].to_numpy(dtype=object)
        others = np.asarray([move for move in MOVES if move != home], dtype=object)[np.arange(len(old)) % 3]
        return factors.assign(move=np.where(value, home, np.where(old == home, others, old)))

    def draw_factors(self, n: int, rng: torch.Generator) -> pd.DataFrame:
        """The training distribution, in which light and direction go along with the nest as the settings say."""
        s = self.settings
        near, glow, home = (torch.rand(n, generator=rng) for _ in range(3))
        which = torch.rand(n, 2, generator=rng)
        close = near < s.near_rate
        inside, outside = (torch.nonzero(part).flatten() for part in (self.near, ~self.near))
        place = torch.where(
            close, inside[(which[:, 0] * len(inside)).long()], outside[(which[:, 0] * len(outside)).long()]
        )
        lit = glow < torch.where(close, s.glow_cue, 1 - s.glow_cue)
        names = np.asarray([s.home_move, *(move for move in MOVES if move != s.home_move)], dtype=object)
        homeward = home < torch.where(close, s.move_cue, (1 - s.move_cue) / 3)
        move = torch.where(homeward, 0, 1 + (3 * which[:, 1]).long())
        return pd.DataFrame({"place": place.numpy(), "move": names[move.numpy()], "glow": lit.numpy()})

    # -- walks ---------------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """The other steps, and which frames are dark."""
        moves = torch.randint(0, len(MOVES), (n, STEPS), generator=rng)
        return {"moves": moves, "dark": torch.rand(n, STEPS, generator=rng) < self.settings.dark_rate}

    def walk(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tile ``[n, T]`` at which each frame is seen, and number of the step that follows it ``[n, T]``."""
        names, side = list(MOVES), self.settings.side
        moves = noise["moves"].clone()
        moves[:, DECISION] = torch.tensor([names.index(move) for move in concepts["move"].tolist()])
        steps = torch.tensor(list(MOVES.values()))[moves]
        before = steps.cumsum(1) - steps
        arrived = before[:, DECISION + 1 : DECISION + 2]
        place = torch.from_numpy(concepts["place"].to_numpy(dtype=np.int64).copy())
        where = torch.stack([place // side, place % side], 1)[:, None] + before - arrived
        return (where[..., 0] % side) * side + where[..., 1] % side, moves

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Frames ``[n, 12, 10, 1, 1]``."""
        tiles, moves = self.walk(concepts, noise)
        frames = torch.zeros(len(concepts), STEPS, COLOURS + 1 + len(MOVES))
        colour = torch.nn.functional.one_hot(self.tiles[tiles], COLOURS)
        frames[:, :, :COLOURS] = (colour * ~noise["dark"][..., None]).float()
        glow = torch.from_numpy(concepts["glow"].to_numpy(dtype=bool).copy())
        frames[:, DECISION - 1 : DECISION + 1, GLOW] = glow[:, None].float()
        frames[:, :, GLOW + 1 :] = torch.nn.functional.one_hot(moves, len(MOVES)).float()
        return frames[..., None, None]

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        """The light's plane while it can shine, and the planes of the decisive step; the nest is not to be seen."""
        masks = {name: torch.zeros(batch.observation.shape, dtype=torch.bool) for name in ("glow", "homeward")}
        masks["glow"][:, DECISION - 1 : DECISION + 1, GLOW] = True
        masks["homeward"][:, DECISION, GLOW + 1 :] = True
        return masks

    # -- steering ------------------------------------------------------------------------------------------------

    def senses(self, batch: Batch, names: Collection[str] | None = None) -> Senses:
        """``warmth`` and ``glimmer``: ``[n, 12]`` each."""
        every: dict[str, Callable[[], Tensor]] = {
            "warmth": lambda: self.near[self.walk(batch.concepts, batch.noise)[0]].float(),
            "glimmer": lambda: batch.observation[:, :, GLOW, 0, 0].clone(),
        }
        return Senses({name: sense() for name, sense in every.items() if names is None or name in names})

    def picture(self, observation: Tensor) -> np.ndarray:
        """Tiles of 9 x 9 pixels: the colour (black in the dark), a white edge where the step leads, a white light."""
        planes = observation[..., 0, 0]
        colour = planes[..., :COLOURS] @ torch.tensor(PALETTE)
        frames = colour[:, :, None, None].expand(-1, -1, 9, 9, -1).clone()
        ring = torch.zeros(9, 9, dtype=torch.bool)
        ring[3:6, 3:6] = True
        frames[:, :, ring] = torch.where(planes[:, :, GLOW, None, None] > 0, 1.0, frames[:, :, ring])
        edges = torch.zeros(len(MOVES), 9, 9)
        edges[0, 0], edges[1, :, -1], edges[2, -1], edges[3, :, 0] = 1.0, 1.0, 1.0, 1.0
        frames = torch.maximum(frames, torch.einsum("ntm,mhw->nthw", planes[..., GLOW + 1 :], edges)[..., None])
        return np.asarray((frames.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
