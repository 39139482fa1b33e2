"""A world model of an interactive world, trained by prediction alone: what is seen next, and whether it goes on.

    z_0     = encode(o_0)                               latents: F numbers for each of the H x W cells
    z_{t+1} = norm(z_t + C (relu(N(z_t) B) * g[a_t]))   N: the 3 x 3 cells around each cell; g: gains of an action
    summary = sum over cells of relu(z W)               G thoughts: what goes on, wherever it goes on
    loss    = cross-entropy of the planes of o_t read from z_t          (t = 1..T, T steps without another look)
            + 3 x cross-entropy of "the episode ends here" read from the summary of z_t
            + | z_t - encode(o_t) |^2, no gradient into the second

No reward, pay or sense enters. Predicting several steps ahead without looking is what makes the latents a model (Ha &
Schmidhuber 2018, arXiv 1803.10122); the end of an episode is predicted as in Dreamer (Hafner et al. 2020, arXiv
1912.01603, the discount predictor); the last term keeps imagined and seen latents in one space (Schwarzer et al. 2021,
arXiv 2007.05929). ``ends: false`` leaves the end out; then nothing shapes the thoughts, and they stay random.

Deviations from the sources: (1) the model is deterministic, without a bottleneck, since the worlds are; (2) latents are
maps and the dynamics are local, the same at every cell, so that a wall means the same everywhere (Schrittwieser et al.
2020, arXiv 1911.08265, also use maps); (3) what is read from z_t is read from encode(o_t) too; (4) the convolution is
written as a matrix product, so that seeds stack as a batch dimension; (5) each cell's latents are normalised.

Letters: n rows, T steps, C planes, H and W cells (L = H W), F latent channels, G thoughts, A actions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint

from imprint.models.chance import weights_from
from imprint.models.environments.base import View
from imprint.models.settings import FrozenSettings

AROUND = 9
ENDING = 3.0
"""Weight of the end, one bit, beside the planes."""


class Imagined(NamedTuple):
    """Latents now and after each action."""

    maps: Tensor
    """``[n, T + 1, L, F]``."""
    summary: Tensor
    """``[n, T + 1, G]``."""


class WorldModel(HookedRootModule):
    """Latent maps, local dynamics, and readouts of what is seen and of the end."""

    class Settings(FrozenSettings):
        channels: int = Field(12, ge=2)
        """F, latent channels of a cell."""
        hidden: int = Field(32, ge=2)
        """Hidden units of a cell."""
        thoughts: int = Field(16, ge=1)
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
        self.notice = nn.Linear(width, settings.thoughts)
        self.end = nn.Linear(settings.thoughts, 1)
        self.hook_maps = HookPoint()
        self.hook_summary = HookPoint()
        self.setup()  # type: ignore[no-untyped-call]

    @property
    def cells(self) -> int:
        """L."""
        return self.view.height * self.view.width

    @classmethod
    def born(cls, settings: WorldModel.Settings, view: View, *, rng: torch.Generator) -> WorldModel:
        """A newborn whose weights are drawn from ``rng`` alone; the global random state is left as it was."""
        with weights_from(rng):
            return cls(settings, view)

    def _surroundings(self, cells: Tensor) -> Tensor:
        """``[n, L, 9 (F + 1)]`` from ``[n, L, F]``: a plane of ones tells the room from what lies outside."""
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
        """Maps ``[n, A, L, F]`` after each action; what does not depend on it is computed once."""
        common = F.relu(self.around(self._surroundings(maps)))
        return self._normal(maps[:, None] + self.change(common[:, None] * self.gate[:, None]))

    def forward(self, observation: Tensor, action: Tensor) -> Imagined:
        """Look once at ``[n, C, H, W]``, then imagine ``action`` int64 ``[n, T]`` (T may be 0)."""
        now = self.encode(observation)
        maps = [now]
        for chosen in action.unbind(1):
            now = self.step(now, chosen)
            maps.append(now)
        whole: Tensor = self.hook_maps(torch.stack(maps, 1))
        return Imagined(whole, self.hook_summary(self.summary(whole)))

    def seen(self, observation: Tensor) -> Imagined:
        """Latents ``[n, T, ...]`` of observations ``[n, T, C, H, W]``, each looked at."""
        maps = self.encode(observation.flatten(0, 1)).unflatten(0, observation.shape[:2])
        return Imagined(maps, self.summary(maps))

    def summary(self, maps: Tensor) -> Tensor:
        """What goes on anywhere, ``[..., G]`` from maps ``[..., L, F]``."""
        thoughts: Tensor = F.relu(self.notice(maps)).sum(-2)
        return thoughts

    def predicted(self, maps: Tensor) -> Tensor:
        """Logits ``[n, T, C, H, W]`` of what is seen, from maps ``[n, T, L, F]``."""
        logits: Tensor = self.planes(maps).transpose(2, 3)
        return logits.reshape(*logits.shape[:3], self.view.height, self.view.width)

    def objective(self, observation: Tensor, action: Tensor, ended: Tensor, known: Tensor) -> Tensor:
        """Loss ``[]`` on observations ``[n, T + 1, C, H, W]`` and actions ``[n, T]``.

        ``ended``: whether the episode has ended in each frame, bool ``[n, T + 1]``. ``known``: frames of the episode,
        bool ``[n, T + 1]``, the first always; the rest is left out.
        """
        imagined, seen = self(observation[:, 0], action), self.seen(observation)
        count = known.sum().to(observation.dtype)

        def mean(error: Tensor) -> Tensor:
            return torch.where(known, error, 0.0).sum() / count

        total = mean((imagined.maps - seen.maps.detach()).square().sum(2).mean(2))
        for latents in (imagined, seen):
            logits = self.predicted(latents.maps)
            error = F.binary_cross_entropy_with_logits(logits, observation, reduction="none")
            total = total + mean(error.sum((2, 3, 4)))
            if self.s.ends:
                end = self.end(latents.summary)[..., 0]
                total = total + ENDING * mean(
                    F.binary_cross_entropy_with_logits(end, ended.to(observation.dtype), reduction="none")
                )
        return total
