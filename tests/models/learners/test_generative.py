"""The levels infer what they must where that is known, and dreams come from the top alone."""

from __future__ import annotations

import torch

from imprint.models.learners.base import Frame
from imprint.models.learners.generative import Generative


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ACTING = Frame(4, 3, 5, 5, action_channels=2)


def born(frame: Frame = ACTING) -> Generative:
    return Generative.born(Generative.Settings(low=6, width=4), frame, rng=rng(0))


def test_the_lower_level_is_the_minimum_of_error_and_penalty() -> None:
    learner, observation = born(), torch.randn(7, 4, 3, 5, 5, generator=rng(1))
    low = learner.infer(observation)[0].detach().requires_grad_(True)
    energy = (learner.sensory(observation) - learner.pixels(low)).square().sum() + low.square().sum()
    assert float(torch.autograd.grad(energy, low)[0].abs().max()) < 1e-4


def test_a_gain_of_zero_leaves_what_was_expected_and_actions_move_it() -> None:
    learner, observation = born(), torch.randn(3, 4, 3, 5, 5, generator=rng(2))
    other = observation.clone()
    other[:, 1, 1:] += 1.0
    moved = (learner.latents(observation) - learner.latents(other)).abs().amax((0, 2))
    assert not moved[:2].any() and bool((moved[2:] > 1e-4).all()), "the action counts from the next step on"
    with torch.no_grad():
        learner.gain.weight.zero_()
    seen = observation.clone()
    seen[:, :, :1] += 1.0
    assert torch.equal(learner.latents(observation), learner.latents(seen))


def test_dreams_have_the_moments_that_the_top_gives_them_and_follow_the_dynamics() -> None:
    learner = born(Frame(4, 1, 3, 3))
    with torch.no_grad():
        learner.first_mean.copy_(torch.tensor([1.0, 0.0, -1.0, 0.5]))
        learner.first_precision.copy_(torch.tensor([[0.5, 0, 0, 0], [1.0, 0, 0, 0], [0, 0.3, 0.2, 0], [0, 0, 0, -0.4]]))
    factor = torch.tensor([[0.5, 0, 0, 0], [1.0, 0, 0, 0], [0, 0.3, 0.2, 0], [0, 0, 0, -0.4]])
    factor = factor.tril(-1) + torch.diag(factor.diagonal().exp())
    covariance = torch.linalg.inv(factor.T @ factor)
    down = (learner.pixels.weight @ learner.explained.weight).detach()
    frames = learner.dream(40_000, 2, rng=rng(3)).flatten(2)
    expected = down @ covariance @ down.T
    assert float((torch.cov(frames[:, 0].T) - expected).abs().max()) < 0.05 * float(expected.abs().max())
    with torch.no_grad():
        mean = learner.pixels(learner.explained(learner.first_mean))
    assert torch.allclose(frames[:, 0].mean(0), mean, atol=0.03)
    assert torch.equal(learner.dream(5, 3, rng=rng(4)), learner.dream(5, 3, rng=rng(4)))
    with torch.no_grad():
        learner.later_precision.copy_(50 * torch.eye(4))
        learner.first_precision.copy_(50 * torch.eye(4))
        ahead = learner.pixels(learner.explained(torch.tanh(learner.dynamics(learner.first_mean))))
    assert torch.allclose(learner.dream(1, 2, rng=rng(4))[0, 1].flatten(), ahead, atol=1e-5), "without chance"


def test_what_dreams_are_drawn_from_is_fitted_and_teaches_nothing_else() -> None:
    learner, observation = born(Frame(4, 1, 3, 3)), torch.randn(400, 4, 1, 3, 3, generator=rng(1))
    high = learner.latents(observation)
    own = [learner.first_mean, learner.first_precision, learner.later_precision]
    optimiser = torch.optim.Adam(own, lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        learner.objective(observation).loss.backward()
        optimiser.step()
    for parts, factor in (
        (high[:, 0], own[1]),
        ((high[:, 1:] - learner.ahead(observation, high)).flatten(0, 1), own[2]),
    ):
        lower = (factor.tril(-1) + torch.diag(factor.diagonal().exp())).detach()
        centred = parts.detach() - (learner.first_mean.detach() if factor is own[1] else 0.0)
        second = centred.T @ centred / len(centred)
        assert torch.allclose(torch.linalg.inv(lower.T @ lower), second, atol=0.1 * float(second.max()))
    errors = sum(learner.explain(observation)[0])
    with_surprise, without = (
        torch.autograd.grad(loss, learner.gain.weight)[0] for loss in (learner.objective(observation).loss, errors)
    )
    assert torch.allclose(with_surprise, without, atol=1e-6)
