"""topographic: pictures on a sheet of inputs in which something can be seen at several scales at once.

    x = mean over scales s of  pattern(s, class_s)  +  noise

Every scale has classes of its own, drawn independently, and ``pattern(s, c)`` is a fixed checkerboard of square blocks
of s x s inputs of which a random half is on (1), the rest off (0). So each input carries every scale, the patterns of
all scales have the same power, and the finest scale differs from the coarsest in nothing but the size of its blocks.
Targets are one-hot, scale by scale. For a pattern, *relatives* are streams that share a part of its classes' patterns.

Inputs are activities, not contrasts: where nothing is shown they are 0. Version 1.

Letters: n examples, S scales, C classes of a scale, I inputs.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import one_hot

from imprint.models.settings import FrozenSettings
from imprint.models.streams.base import Examples, Stream
from imprint.models.wiring import Sheet


class Topographic(Stream):
    """Superposed block patterns; the module docstring describes them."""

    class Settings(FrozenSettings):
        side: int = Field(24, ge=2, le=1_024)
        """Inputs along one side of the sheet."""
        scales: tuple[int, ...] = (1, 2, 4, 8)
        """Sides of the blocks."""
        classes: int = Field(8, ge=2, le=1_000)
        """C, patterns of each scale."""
        noise: float = Field(0.1, ge=0.0, le=1e6)
        """Standard deviation of the noise on every input."""

        @model_validator(mode="after")
        def _fit(self) -> Topographic.Settings:
            if bad := [scale for scale in self.scales if scale < 1 or self.side % scale or scale == self.side]:
                raise ValueError(
                    f"a scale is {bad[0]}, but the sheet has a side of {self.side}; expected divisors of it that are "
                    "smaller"
                )
            if len(set(self.scales)) != len(self.scales) or not self.scales:
                raise ValueError(f"scales are {self.scales}; expected one or more different ones")
            return self

    settings: Settings
    patterns: Tensor
    """Float ``[S, C, I]``."""

    @property
    def sheet(self) -> Sheet:
        """Where the inputs lie."""
        return Sheet(self.settings.side, self.settings.side)

    def begin(self, rng: torch.Generator) -> None:
        """Draw all patterns."""
        self.patterns = self.fresh(rng)

    def fresh(self, rng: torch.Generator) -> Tensor:
        """New patterns ``[S, C, I]``: of every scale, a random half of the blocks (rounded down) is on."""
        s, drawn = self.settings, []
        for scale in s.scales:
            blocks = (s.side // scale) ** 2
            rank = torch.rand(s.classes, blocks, generator=rng).argsort(1).argsort(1)
            grid = (rank < blocks // 2).float().reshape(s.classes, s.side // scale, s.side // scale)
            drawn.append(grid.repeat_interleave(scale, 1).repeat_interleave(scale, 2).flatten(1))
        return torch.stack(drawn)

    def relatives(self, count: int, volatility: float, *, rng: torch.Generator) -> Tensor:
        """Patterns of related streams ``[count, S, C, I]``: a class has new ones with probability ``volatility``."""
        shape = (count, *self.patterns.shape[:2], 1)
        new = torch.rand(shape, generator=rng) < volatility
        if not volatility:
            return self.patterns.expand(count, -1, -1, -1)
        return torch.where(new, torch.stack([self.fresh(rng) for _ in range(count)]), self.patterns)

    def classes(self, shape: tuple[int, ...], *, rng: torch.Generator) -> Tensor:
        """Random classes of every scale, int64 ``[*shape, S]``."""
        return torch.randint(0, self.settings.classes, (*shape, len(self.settings.scales)), generator=rng)

    def shown(self, patterns: Tensor, classes: Tensor, *, rng: torch.Generator) -> Tensor:
        """Inputs ``[..., n, I]`` that show ``classes`` ``[..., n, S]`` by ``patterns`` ``[..., S, C, I]``."""
        clear = self.target(classes) @ patterns.flatten(-3, -2) / len(self.settings.scales)
        return clear + self.settings.noise * torch.randn(clear.shape, generator=rng)

    def target(self, classes: Tensor) -> Tensor:
        """One-hot targets ``[..., n, S C]``."""
        return one_hot(classes, self.settings.classes).float().flatten(-2)

    def draw(self, n: int, *, rng: torch.Generator) -> Examples:
        """Pictures, and what is in them at every scale."""
        classes = self.classes((n,), rng=rng)
        return Examples(self.shown(self.patterns, classes, rng=rng), self.target(classes))
