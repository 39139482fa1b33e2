"""wave: a recurrent sheet on which activity travels from place to place, and a readout that predicts the next frame.

    h_t[j] = relu( sum over places i within ``reach`` of j  U_{i - j} h_{t-1}[i]  +  V tile_t[j] + b )
    prediction = W h_t + c                                of the sensory channels of frame t+1, all places at once
    loss = mean over t < T of | prediction - frame_{t+1} |^2

The sheet has a place for every tile of a frame, all with as many units, so that what is seen enters where it is seen.
``U`` is shared by all places. At birth it hands activity on unchanged, one place a step: a quarter of the
channels each to the right, to the left, down and up, and what is at the border leaves the sheet. So the whole sheet
holds the recent past, in where activity has come to. With ``reach`` 0 there are no lateral weights, a unit hands on to
itself, and nothing travels.

Wave-based recurrent networks (Keller, Muller, Sejnowski & Welling 2023, arXiv 2309.08045), whose convolutional
recurrence likewise begins as a shift. Deviations: (1) a sheet in place of rings, with four directions; (2) input by a
convolution whose windows tile the image; (3) prediction of the next frame in place of sequences that are recalled or
classified; (4) action planes are read and never predicted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from imprint.models.learners.base import Frame, Learner, Taught, tile_count, tiles_of
from imprint.models.settings import FrozenSettings
from imprint.models.tiles import Tiles, wiring_of

DIRECTIONS = ((0, -1), (0, 1), (-1, 0), (1, 0))
"""Where activity comes from, rows and columns: then it goes to the right, to the left, down and up."""


class Wave(Learner):
    """Sheet of recurrent units with lateral weights, and a decoder of the next frame."""

    class Settings(FrozenSettings):
        patch: int = Field(4, ge=1, le=65_536)
        """Side of the tile that a place sees, in pixels."""
        channels: int = Field(12, ge=1, le=65_536)
        """Units of each place."""
        reach: int = Field(1, ge=0, le=65_536)
        """Places to every side that a unit hears; 0: itself and the others of its place alone."""

    latent_hook = "hook_sheet"
    read_points = ("hook_seen", "hook_sheet")

    def __init__(self, settings: Wave.Settings, frame: Frame) -> None:
        super().__init__(settings, frame)
        s = self.s = settings
        places = tile_count(frame, s.patch)
        self.rows, self.columns = frame.height // s.patch, frame.width // s.patch
        wiring = wiring_of(self.rows, self.columns, kernels=1, reach=s.reach)
        self.seen = nn.Linear(frame.channels * s.patch**2, s.channels)
        self.lateral = Tiles(wiring, 1, s.channels, s.channels)
        self.decoder = nn.Linear(s.channels * places, frame.sensory_channels * frame.height * frame.width)
        self.hook_seen, self.hook_sheet = HookPoint(), HookPoint()
        self._shift(wiring)
        self.setup()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _shift(self, wiring: Tensor) -> None:
        """Lateral weights of a newborn: each channel hands on to itself, one place further where there is one."""
        self.lateral.weight.zero_()
        self.lateral.bias.zero_()
        blocks = self.lateral.weight.unflatten(0, (-1, self.s.channels))
        for channel in range(self.s.channels):
            down, right = DIRECTIONS[channel % 4] if self.s.reach else (0, 0)
            for block in _blocks(wiring, self.columns, down, right):
                blocks[block, channel, channel] = 1.0

    def forward(self, observation: Tensor) -> Tensor:
        """Activity of the sheet ``[n, T, D]``, place after place; D = places x channels."""
        driven: Tensor = self.hook_seen(self.seen(tiles_of(observation, self.s.patch)).flatten(2))
        activity, sheets = torch.zeros_like(driven[:, 0]), []
        for now in driven.unbind(1):
            activity = F.relu(self.lateral(activity.unflatten(-1, (-1, self.s.channels))).flatten(-2) + now)
            sheets.append(activity)
        whole: Tensor = self.hook_sheet(torch.stack(sheets, 1))
        return whole

    def objective(self, observation: Tensor) -> Taught:
        """Mean squared error of the next frame's sensory channels."""
        sheet = self(observation)
        # One row per moment: many learners at once would otherwise copy the decoder for every episode.
        prediction: Tensor = self.decoder(sheet[:, :-1].flatten(0, 1))
        target = observation[:, 1:, : self.frame.sensory_channels].flatten(2).flatten(0, 1)
        return Taught((prediction - target).square().mean(), sheet)

    @torch.no_grad()
    def spread(self, observation: Tensor, *, row: int, column: int) -> Tensor:
        """How far away from a place the sheet feels that the place's tile was dark in the first frame, ``[n, T]``.

        Mean distance in places (rows plus columns) over the sheet, weighted by how much activity differs at each step;
        NaN where it differs nowhere. Its growth from step to step is the speed of what travels, in places a step.
        """
        size, dark = self.s.patch, observation.clone()
        dark[:, 0, :, row * size : (row + 1) * size, column * size : (column + 1) * size] = 0.0
        differs = (self(dark) - self(observation)).abs().unflatten(2, (-1, self.s.channels)).sum(3)
        rows, columns = (torch.arange(count, dtype=differs.dtype) for count in (self.rows, self.columns))
        distance = (rows - row).abs()[:, None] + (columns - column).abs()
        away: Tensor = (differs * distance.flatten()).sum(2) / differs.sum(2)
        return away


def _blocks(wiring: Tensor, columns: int, down: int, right: int) -> list[int]:
    """The block of weights that joins a place to the one ``down`` rows and ``right`` columns away; none or one."""
    at = torch.arange(len(wiring))
    rows, across = at // columns, at % columns
    apart = (rows[None] - rows[:, None] == down) & (across[None] - across[:, None] == right)
    found: list[int] = wiring[apart].unique().tolist()
    return found
