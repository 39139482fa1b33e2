"""Networks with two branches whose use of a concept is known by construction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imprint.probes.subjects.subject import Subject

WIDTH, INPUTS = 5, 8
LEFT, RIGHT = "left", "right"


class Branches(nn.Module):
    """Two linear branches that each show the concept (+-2 and noise) and a bystander along random directions.

    The value is, by ``kind``: ``used``, the concept as ``left`` shows it; ``unused``, the bystander as ``right`` shows
    it (the other branch enters with weight 0); ``redundant``, the concept as long as either branch shows it (their
    sum, clipped to +-1).
    """

    def __init__(self, kind: str, *, rng: torch.Generator) -> None:
        super().__init__()
        self.kind = kind
        turn = torch.linalg.qr(torch.randn(INPUTS, INPUTS, generator=rng)).Q
        self.register_buffer("turn", turn)
        self.left, self.right = (nn.Linear(INPUTS, WIDTH, bias=False) for _ in range(2))
        self.readings = []
        for branch, noise in ((self.left, (2, 3, 4)), (self.right, (5, 6, 7))):
            mix = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng)).Q
            branch.weight = nn.Parameter(mix @ turn[:, [0, 1, *noise]].T)
            self.readings.append(mix)
        self.out = nn.Identity()

    def forward(self, observation: Tensor) -> Tensor:
        left, right = self.left(observation) @ self.readings[0], self.right(observation) @ self.readings[1]
        if self.kind == "used":
            return self.out(left[:, 0] + 0 * right[:, 0])
        if self.kind == "unused":
            return self.out(right[:, 1] + 0 * left[:, 0])
        return self.out((left[:, 0] + right[:, 0]).clamp(-1, 1))

    def observe(self, concept: Tensor, bystander: Tensor, noise: Tensor) -> Tensor:
        """Observation ``[n, 8]`` of two signs ``[n]`` and noise ``[n, 6]``."""
        return torch.cat([2 * concept[:, None], bystander[:, None], noise], dim=1) @ self.turn.T


def branches(kind: str, n: int = 600, seed: int = 0) -> tuple[Subject, Branches, dict[str, Tensor]]:
    """Subject, network, and what it sees: concept, bystander and noise of each row."""
    rng = torch.Generator().manual_seed(seed)
    network = Branches(kind, rng=rng).eval()
    concept, bystander = (2.0 * torch.randint(0, 2, (n,), generator=rng) - 1 for _ in range(2))
    seen = {"concept": concept, "bystander": bystander, "noise": torch.randn(n, INPUTS - 2, generator=rng)}
    return Subject(network, sites=[LEFT, RIGHT]), network, seen
