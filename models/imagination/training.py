"""Training world models of several seeds side by side, each on its own random walks through one interactive world.

Letters: S seeds, T steps of a segment, n segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.imagination.walks import Walks
from imprint.models.imagination.world_model import WorldModel
from imprint.models.learning.stacked import Stacked


def train(
    models: Sequence[WorldModel],
    walks: Sequence[Walks],
    rngs: Sequence[torch.Generator],
    *,
    updates: int,
    batch: int,
    length: int,
    learning_rate: float,
    report: Callable[[int, Tensor], None] | None = None,
) -> None:
    """Teach each model by ``updates`` steps, on ``batch`` random segments of ``length`` steps from its own walks.

    The learning rate rises to ``learning_rate`` over the first tenth of the updates and then falls linearly to zero.
    ``report`` is given the number of each update and the losses ``[S]`` before it. The models end in evaluation mode.
    Raises :class:`ImprintError` when a loss stops being finite.
    """
    stack = Stacked(models, lr=learning_rate)
    for update in range(updates):
        stack.set_learning_rate(learning_rate * min(10 * (update + 1) / updates, (1 - update / updates) / 0.9, 1.0))
        segments = [walk.segments(batch, length, rng=rng) for walk, rng in zip(walks, rngs, strict=True)]
        observation = torch.stack([segment.observation for segment in segments]).float()
        rest = (torch.stack([getattr(s, name) for s in segments]) for name in ("action", "ended", "known"))
        loss: Tensor = stack.call(observation, *rest, method="objective")
        if not bool(torch.isfinite(loss).all()):
            raise ImprintError(f"world models diverged: losses are {[round(x, 3) for x in loss.tolist()]}.")
        loss = stack.step(loss)
        if report is not None:
            report(update, loss)
    stack.unstack()
