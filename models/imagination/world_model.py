"""A world model of an environment, trained only to predict the next observations and the end of the episode.

    z_0     = encode(o_0)                               latents: F numbers for each of the H x W cells
    z_{t+1} = norm(z_t + C (relu(N(z_t) B) * g[a_t]))   N: the 3 x 3 cells around each cell; g: gains of an action
    summary = sum over cells of relu(z W)               G numbers that do not depend on where something is
    loss    = cross-entropy of the planes of o_t read from z_t      (t = 1..T, T steps without another observation)
            + 3 x cross-entropy of "the episode ends here" read from the summary of z_t
            + | z_t - encode(o_t) |^2, no gradient into the second

No reward or sense enters. Predicting several steps ahead without observing makes the latents a model (Ha & Schmidhuber
2018, arXiv 1803.10122); the end of an episode is predicted as in Dreamer (Hafner et al. 2020, arXiv 1912.01603, the
discount predictor); the last term keeps imagined and encoded latents in one space (Schwarzer et al. 2021, arXiv
2007.05929). ``ends: false`` leaves the end out; then no loss reaches the summary, and its weights stay random.

Deviations from the sources: (1) the model is deterministic, as the environments are, and has no bottleneck; (2) latents
are maps and the dynamics are local, the same at every cell, so that a wall means the same everywhere (Schrittwieser et
al. 2020, arXiv 1911.08265, also use maps); (3) planes and end are predicted from encode(o_t), too; (4) the convolution
is written as a matrix product, so that seeds stack with a leading axis; (5) each cell's latents are normalised.

Letters: n rows, T steps, C planes, H and W cells (L = H W), F latent channels, G units of the summary, A actions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from imprint.models.chance import Born
from imprint.models.environments.base import View
from imprint.models.settings import FrozenSettings

AROUND = 9
"""Cells around a cell, with itself."""
ENDING = 3.0
"""Weight of the loss of the end, which is one bit, beside that of the planes."""


class Imagined(NamedTuple):
    """Latents of an observation and after each action."""

    maps: Tensor
    """``[n, T + 1, L, F]``."""
    summary: Tensor
    """``[n, T + 1, G]``."""


class WorldModel(Born, HookedRootModule):
    """Encoder, local latent dynamics, and readouts of the planes and of the end."""

    class Settings(FrozenSettings):
        channels: int = Field(12, ge=2, le=65_536)
        """F, latent channels of a cell."""
        hidden: int = Field(32, ge=2, le=65_536)
        """Hidden units of a cell."""
        summary: int = Field(16, ge=1, le=65_536)
        """G, units of the summary."""
        ends: bool = True
        """Whether the end of an episode is predicted, too."""

    read_points = ("hook_maps", "hook_summary")

    def __init__(self, settings: WorldModel.Settings, view: View) -> None:
        super().__init__()
        self.settings = self.s = settings
        self.view = view
        width = settings.channels
        self.sight = nn.Linear(AROUND * (view.channels + 1), settings.hidden)
        self.encoding = nn.Linear(settings.hidden, width)
        self.around = nn.Linear(AROUND * (width + 1), settings.hidden)
        self.gate = nn.Parameter(torch.randn(view.actions, settings.hidden))
        self.change = nn.Linear(settings.hidden, width)
        self.planes = nn.Linear(width, view.channels)
        self.to_summary = nn.Linear(width, settings.summary)
        self.end = nn.Linear(settings.summary, 1)
        self.hook_maps = HookPoint()
        self.hook_summary = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def cells(self) -> int:
        """L."""
        return self.view.height * self.view.width

    def _surroundings(self, cells: Tensor) -> Tensor:
        """``[n, L, 9 (F + 1)]`` from ``[n, L, F]``: an added plane of ones marks cells that are inside the map."""
        n, height, width = len(cells), self.view.height, self.view.width
        grid = cells.reshape(n, height, width, -1)
        grid = F.pad(torch.cat([grid, torch.ones_like(grid[..., :1])], -1), (0, 0, 1, 1, 1, 1))
        shifted = [grid[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        return torch.cat(shifted, -1).reshape(n, height * width, -1)

    def encode(self, observation: Tensor) -> Tensor:
        """Latent maps ``[n, L, F]`` of observations ``[n, C, H, W]``."""
        cells = observation.flatten(2).transpose(1, 2)
        return self._normal(self.encoding(F.relu(self.sight(self._surroundings(cells)))))

    def _normal(self, maps: Tensor) -> Tensor:
        return F.layer_norm(maps, maps.shape[-1:])

    def step(self, maps: Tensor, action: Tensor) -> Tensor:
        """Maps ``[n, L, F]`` after ``action`` int64 ``[n]``."""
        hidden = F.relu(self.around(self._surroundings(maps))) * self.gate[action][:, None]
        return self._normal(maps + self.change(hidden))

    def branch(self, maps: Tensor) -> Tensor:
        """Maps ``[n, A, L, F]`` after each action; what does not depend on the action is computed once."""
        common = F.relu(self.around(self._surroundings(maps)))
        return self._normal(maps[:, None] + self.change(common[:, None] * self.gate[:, None]))

    def forward(self, observation: Tensor, action: Tensor) -> Imagined:
        """Encode observations ``[n, C, H, W]``, then imagine ``action`` int64 ``[n, T]`` (T may be 0)."""
        now = self.encode(observation)
        maps = [now]
        for chosen in action.unbind(1):
            now = self.step(now, chosen)
            maps.append(now)
        whole: Tensor = self.hook_maps(torch.stack(maps, 1))
        return Imagined(whole, self.hook_summary(self.summary(whole)))

    def seen(self, observation: Tensor) -> Imagined:
        """Latents ``[n, T, ...]`` of observations ``[n, T, C, H, W]``, each encoded by itself."""
        maps = self.encode(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])
        return Imagined(maps, self.summary(maps))

    def summary(self, maps: Tensor) -> Tensor:
        """Summaries ``[..., G]`` of maps ``[..., L, F]``."""
        summary: Tensor = F.relu(self.to_summary(maps)).sum(-2)
        return summary

    def predicted(self, maps: Tensor) -> Tensor:
        """Logits ``[n, T, C, H, W]`` of the planes of observations, from maps ``[n, T, L, F]``."""
        logits: Tensor = self.planes(maps).transpose(2, 3)
        return logits.reshape(*logits.shape[:3], self.view.height, self.view.width)

    def objective(self, observation: Tensor, action: Tensor, ended: Tensor, known: Tensor) -> Tensor:
        """Loss ``[]`` on observations ``[n, T + 1, C, H, W]`` and actions ``[n, T]``.

        ``ended`` bool ``[n, T + 1]``: the episode ends with this frame. ``known`` bool ``[n, T + 1]``: the frame is in
        the episode (the first always is); other frames do not count.
        """
        imagined, encoded = self(observation[:, 0], action), self.seen(observation)
        count = known.sum().to(observation.dtype)

        def mean(error: Tensor) -> Tensor:
            return torch.where(known, error, 0.0).sum() / count

        total = mean((imagined.maps - encoded.maps.detach()).square().sum(2).mean(2))
        for latents in (imagined, encoded):
            logits = self.predicted(latents.maps)
            error = F.binary_cross_entropy_with_logits(logits, observation, reduction="none")
            total = total + mean(error.sum((2, 3, 4)))
            if self.s.ends:
                end, target = self.end(latents.summary)[..., 0], ended.to(observation.dtype)
                total = total + ENDING * mean(F.binary_cross_entropy_with_logits(end, target, reduction="none"))
        return total
