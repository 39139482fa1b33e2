"""Actors that choose among imagined plans and are taught by policy gradient alone.

    pi(p | thoughts) = softmax_p f(z_p)          f: one hidden layer; z_p the latent that plan p ends in, standardised
    loss             = - mean over episodes of log pi(chosen) (r - mean r)                    (Williams 1992, REINFORCE)

The latents are given as numbers, so that no gradient can reach the world model that imagined them: what the reward
selects are thoughts, not beliefs. Several actors look at the same plans, each with a reward of its own; they draw the
same Gumbel noise, so that two of them differ in what they have learned only.

Letters: A actors, n episodes, P plans of an episode, D latent width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imprint.models.chance import Born
from imprint.models.errors import ImprintError
from imprint.models.learning.stacked import Stacked

SMALLEST = 1e-6
"""Least standard deviation by which a latent is divided."""


class Preference(Born, nn.Module):
    """The function f of one actor."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inside = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, latents: Tensor) -> Tensor:
        """Log-odds ``[n, P]`` of plans that end in ``latents`` ``[n, P, D]``; equal at birth."""
        logits: Tensor = self.out(torch.relu(self.inside(latents)))[..., 0]
        return logits


class Choosers:
    """``count`` actors of the same initial weights, over plans whose latents are spread like ``sample`` ``[m, D]``."""

    def __init__(self, count: int, sample: Tensor, *, hidden: int, learning_rate: float, rng: torch.Generator) -> None:
        if count < 1 or sample.dim() != 2 or len(sample) < 2:
            raise ImprintError(
                f"{count} actors and latents {list(sample.shape)}; expected one actor or more, and two rows or more "
                "of latents [m, D] to standardise by."
            )
        self.mean, self.scale = sample.mean(0), sample.std(0).clamp(min=SMALLEST)
        one = Preference.born(sample.shape[1], hidden, rng=rng)
        others = [Preference(sample.shape[1], hidden) for _ in range(count - 1)]
        for other in others:
            other.load_state_dict(one.state_dict())
        self.stack, self.count = Stacked([one, *others], lr=learning_rate), count

    def logits(self, latents: Tensor) -> Tensor:
        """Log-odds ``[A, n, P]`` of plans whose latents are ``[n, P, D]``."""
        given = ((latents.detach() - self.mean) / self.scale).expand(self.count, *latents.shape)
        logits: Tensor = self.stack.call(given)
        return logits

    def choose(self, latents: Tensor, *, rng: torch.Generator) -> Tensor:
        """Index of the plan that each actor draws, int64 ``[A, n]``."""
        with torch.no_grad():
            return self._drawn(self.logits(latents), rng)

    def live(self, latents: Tensor, reward: Tensor, *, rng: torch.Generator) -> Tensor:
        """Choose in some episodes, be rewarded, and take one step of the rule; the choices, int64 ``[A, n]``.

        ``reward`` ``[A, n, P]`` of every plan, of which each actor meets only that of the plan it chose.
        """
        logits = self.logits(latents)
        chosen = self._drawn(logits.detach(), rng)
        met = reward.gather(2, chosen[..., None])[..., 0]
        likely = logits.log_softmax(2).gather(2, chosen[..., None])[..., 0]
        self.stack.step(-(likely * (met - met.mean(1, keepdim=True))).mean(1))
        return chosen

    @staticmethod
    def _drawn(logits: Tensor, rng: torch.Generator) -> Tensor:
        uniform = torch.rand(logits.shape[1:], generator=rng).clamp(1e-12, 1 - 1e-7)
        return (logits - (-uniform.log()).log()).argmax(2)
