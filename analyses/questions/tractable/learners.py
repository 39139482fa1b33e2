"""Three learners of strips, with random weights at birth and one set of dials for every task and size.

    dense       n - 128 - 128 - 1, ReLU: knows nothing of places
    conv        32 features of every four neighbouring cells, the same everywhere; a hidden layer of 128 on all of
                them and on the largest of each
    attention   a token for each cell, of what is in it and of which it is (drawn at random); one block of four heads
                of self-attention and a hidden layer (Vaswani et al. 2017, arXiv 1706.03762), residual, without masks; a
                hidden layer of 64 on the mean of all tokens

They differ in what is built in, not in what they could learn: each can represent each task.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imprint.models.chance import Born

WINDOW, FEATURES, HIDDEN, TOKEN, HEADS, WIDE = 4, 32, 64, 32, 4, 128


class Dense(Born, nn.Module):
    """Two hidden layers on all cells."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(n, WIDE), nn.Linear(WIDE, WIDE), nn.Linear(WIDE, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Log-odds ``[B]`` of strips ``[B, n]``."""
        odds: Tensor = self.last(F.relu(self.second(F.relu(self.first(strips)))))
        return odds.squeeze(-1)


class Conv(Born, nn.Module):
    """One set of features for every place, with the largest of each beside them."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.features = nn.Linear(WINDOW, FEATURES)
        self.hidden, self.last = nn.Linear(FEATURES * (n - WINDOW + 2), WIDE), nn.Linear(WIDE, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Log-odds ``[B]`` of strips ``[B, n]``."""
        features = F.relu(self.features(strips.unfold(-1, WINDOW, 1)))
        both = torch.cat([features.flatten(-2), features.amax(-2)], -1)
        odds: Tensor = self.last(F.relu(self.hidden(both)))
        return odds.squeeze(-1)


class Attention(Born, nn.Module):
    """One block of self-attention over the cells."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.content, self.place = nn.Linear(1, TOKEN), nn.Parameter(torch.randn(n, TOKEN))
        self.three, self.joined = nn.Linear(TOKEN, 3 * TOKEN), nn.Linear(TOKEN, TOKEN)
        self.up, self.down = nn.Linear(TOKEN, HIDDEN), nn.Linear(HIDDEN, TOKEN)
        self.hidden, self.last = nn.Linear(TOKEN, HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Log-odds ``[B]`` of strips ``[B, n]``."""
        token = self.content(strips[..., None]) + self.place
        parts = self.three(F.layer_norm(token, (TOKEN,))).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (HEADS, -1)).transpose(-2, -3) for part in parts)
        looked = torch.softmax(query @ key.mT / (TOKEN // HEADS) ** 0.5, -1) @ value
        token = token + self.joined(looked.transpose(-2, -3).flatten(-2))
        token = token + self.down(F.relu(self.up(F.layer_norm(token, (TOKEN,)))))
        odds: Tensor = self.last(F.relu(self.hidden(token.mean(-2))))
        return odds.squeeze(-1)


LEARNERS: dict[str, type[Dense | Conv | Attention]] = {"dense": Dense, "conv": Conv, "attention": Attention}
