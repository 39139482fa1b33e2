"""restaurants: how much a place will sell tonight, from six streams of context.

    sales_r = sum over products p of  w_rp  g(z_a) g(z_b)  +  sum over thresholds t of  v_rt [z_c > level]   + noise

The context z has six independent streams (day of the week, weather, an event in town, ...), each uniform from -1 to 1.
What is sold goes with products of two of them and with thresholds of one, so that no weighted sum of the streams
says it, while a mixture of many random combinations may. The targets of all restaurants have mean 0 and variance 1.

The example is the one by which Byrnes explains what pattern separation is for. Products and thresholds of 12 pairs and
of all streams are drawn with random weights for each restaurant; g is the sign-preserving square root, which is steep
where the context is ordinary. Version 1.

Letters: n evenings, R restaurants.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from imprint.models.settings import FrozenSettings
from imprint.models.streams.base import Examples, Stream

STREAM_NAMES = ("weekday", "weather", "event", "price", "rival", "season")


class Restaurants(Stream):
    """Sales by context; the module docstring says how."""

    class Settings(FrozenSettings):
        restaurants: int = Field(1, ge=1, le=1_000)
        """R, each with weights of its own."""
        products: int = Field(4, ge=0, le=15)
        """Pairs of streams whose product counts."""
        thresholds: int = Field(2, ge=0, le=6)
        """Streams that count by whether they are above a level."""
        noise: float = Field(0.1, ge=0.0, le=1e6)
        """Standard deviation of what no context says, with sales of variance 1."""

    settings: Settings

    def begin(self, rng: torch.Generator) -> None:
        """Draw which pairs and thresholds count and how much, and the scale of sales."""
        s = self.settings
        streams = len(STREAM_NAMES)
        pairs = torch.combinations(torch.arange(streams))
        self.pairs = pairs[torch.randperm(len(pairs), generator=rng)[: s.products]]
        self.steps = torch.randperm(streams, generator=rng)[: s.thresholds]
        self.levels = torch.rand(s.thresholds, generator=rng) - 0.5
        self.weights = torch.randn(s.restaurants, s.products + s.thresholds, generator=rng)
        raw = self.terms(self._context(10_000, rng)) @ self.weights.T
        self.mean, self.spread = raw.mean(0), raw.std(0).clamp_min(1e-6)

    def _context(self, n: int, rng: torch.Generator) -> Tensor:
        return 2 * torch.rand(n, len(STREAM_NAMES), generator=rng) - 1

    def terms(self, context: Tensor) -> Tensor:
        """Products and thresholds ``[n, products + thresholds]``, of about the same size."""
        steep = context.sign() * context.abs().sqrt()
        products = 2 * steep[:, self.pairs[:, 0]] * steep[:, self.pairs[:, 1]]
        return torch.cat([products, (context[:, self.steps] > self.levels).float() * 2 - 1], 1)

    def draw(self, n: int, *, rng: torch.Generator) -> Examples:
        """Contexts ``[n, 6]`` and sales ``[n, R]``."""
        context = self._context(n, rng)
        sales = (self.terms(context) @ self.weights.T - self.mean) / self.spread
        return Examples(context, sales + self.settings.noise * torch.randn(sales.shape, generator=rng))
