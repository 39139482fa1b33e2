"""A contrastive learner that sees has the frame beside what it knows, and learns the same."""

from __future__ import annotations

import torch

from imprint.models.learners.base import Frame
from imprint.models.learners.conv import Conv


def test_latents_hold_the_frame_beside_the_context_and_the_objective_is_the_same() -> None:
    frame, observation = Frame(5, 2, 4, 8), torch.randn(6, 5, 2, 4, 8, generator=torch.Generator().manual_seed(0))
    seeing, knowing = (
        Conv.born(Conv.Settings(sees=sees), frame, rng=torch.Generator().manual_seed(1)) for sees in (True, False)
    )
    latents, context = seeing.latents(observation), knowing.latents(observation)
    assert torch.equal(latents, torch.cat([observation.flatten(2), context], dim=-1))
    taught, other = seeing.objective(observation), knowing.objective(observation)
    assert torch.equal(taught.loss, other.loss) and torch.equal(taught.latents, latents)
    read: list[torch.Tensor] = []
    dict(seeing.named_modules())[seeing.latent_hook].register_forward_hook(lambda _m, _i, out: read.append(out))
    seeing.latents(observation)
    assert torch.equal(read[0], latents)
    assert seeing.read_points == (*knowing.read_points, seeing.latent_hook) and knowing.latent_hook == "hook_context"
