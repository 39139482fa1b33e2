from __future__ import annotations

import pytest
import torch

from imprint.models.errors import ImprintError
from imprint.models.imagination.choosing import Choosers


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_actor_comes_to_choose_what_its_own_reward_pays_and_beliefs_get_no_gradient() -> None:
    sample = torch.randn(400, 3, generator=rng(0))
    actors = Choosers(3, sample, hidden=8, learning_rate=2e-2, rng=rng(1))
    first = None
    for step in range(150):
        latents = torch.randn(32, 6, 3, generator=rng(100 + step)).requires_grad_()
        paid = torch.stack([latents[..., 0] > 0.5, latents[..., 1] > 0.5, torch.zeros(32, 6)]).float().detach()
        chosen = actors.live(latents, paid, rng=rng(200 + step))
        first = chosen if first is None else first
        assert latents.grad is None
    assert first is not None and torch.equal(first[0], first[1]), "born alike, they draw alike"
    latents = torch.randn(2000, 6, 3, generator=rng(2))
    chosen = actors.choose(latents, rng=rng(3))
    met = torch.stack([(latents[..., k] > 0.5).gather(1, c[:, None]).float().mean() for c in chosen for k in (0, 1)])
    own, other = met[[0, 3]], met[[1, 2, 4, 5]]
    assert own.min() > 0.75 and other.max() < 0.4, "an unpaid actor, and what others are paid for, stay at .31"


def test_latents_that_give_no_scale_are_refused() -> None:
    with pytest.raises(ImprintError, match="two rows or more"):
        Choosers(1, torch.zeros(1, 3), hidden=2, learning_rate=1e-2, rng=rng(0))
