"""Plans that learners of the world ``nest`` imagine: all sequences of moves, and where each would really lead.

Letters: n walks, P plans, D latent width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from imprint.models.imagination.planner import sequences
from imprint.models.learners.recurrent import Recurrent
from imprint.models.worlds.nest import DECISION, GLOW, MOVES, Nest

HORIZON = 3
FIRST = DECISION + 1 - HORIZON
"""Step of the first move that is chosen."""


class Thoughts(NamedTuple):
    """Plans of some episodes."""

    latents: Tensor
    """``[n, P, D]``."""
    near: Tensor
    """Whether a plan really ends near the nest, bool ``[n, P]``."""
    place: Tensor
    """Tile at which a plan really ends, int64 ``[n, P]``."""


@torch.no_grad()
def imagined(learner: Recurrent, world: Nest, n: int, *, rng: torch.Generator) -> Thoughts:
    """All plans of ``n`` fresh walks; moves are imagined in the dark, so that beliefs follow from the walk alone."""
    batch = world.sample(n, rng=rng, design="balanced")
    tile = world.walk(batch.concepts, batch.noise)[0][:, FIRST]
    side, plans = world.settings.side, sequences(len(MOVES), HORIZON)
    steps = torch.tensor(list(MOVES.values()))[plans].sum(1)
    row, column = tile[:, None] // side + steps[:, 0], tile[:, None] % side + steps[:, 1]
    place = (row % side) * side + column % side
    seen = batch.observation[:, : FIRST + 1].clone()
    moves = torch.eye(len(MOVES))
    dark = torch.zeros(len(MOVES), 1, *seen.shape[2:])
    dark[:, 0, GLOW + 1 :, 0, 0] = moves
    memory = learner(seen[:, :FIRST])[:, -1]
    now = seen[:, FIRST:].repeat_interleave(len(MOVES), 0)
    now[:, :, GLOW + 1 :, 0, 0] = moves.repeat(n, 1)[:, None]
    memory = learner.step(learner.encode(now)[:, 0], memory.repeat_interleave(len(MOVES), 0))
    unseen = learner.encode(dark)[:, 0]
    for _ in range(HORIZON - 1):
        encoding = unseen.repeat(len(memory), 1)
        memory = learner.step(encoding, memory.repeat_interleave(len(MOVES), 0))
    return Thoughts(memory.unflatten(0, (n, -1)), world.near[place], place)
