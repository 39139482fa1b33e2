"""Every assessor is a linear readout that learns by its stated rule, or not at all, and teaches the learner nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.assessors.base import ASSESSORS, Assessor, Owner

SEEDS, N, STEPS, WIDTH = 2, 256, 4, 6
TAUGHT = [kind for kind in ASSESSORS.names() if ASSESSORS.load(kind).learns]
FROZEN = [kind for kind in ASSESSORS.names() if kind not in TAUGHT]


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(kind: str, *, seeds: int = SEEDS, lag: int = 1, **settings: object) -> Assessor:
    cls = ASSESSORS.load(kind)
    made: Assessor = cls(cls.Settings(signal="reward", lag=lag, **settings), seeds, WIDTH)
    return made


def latents(seed: int = 0) -> Tensor:
    mix = torch.randn(WIDTH, WIDTH, generator=rng(9))
    return torch.randn(SEEDS, N, STEPS, WIDTH, generator=rng(seed)) @ mix + 1.5


def teach(assessor: Assessor, times: int, lag: int, noise: float = 0.3) -> tuple[Tensor, Tensor]:
    """Teaches a linear law of the latents ``lag`` steps before; gives the latents and signal of the last lesson."""
    weight = torch.linspace(-1, 1, WIDTH)
    for i in range(times):
        x = latents(i)
        signal = torch.zeros(SEEDS, N, STEPS)
        signal[:, :, lag:] = (x @ weight + 0.5)[:, :, : STEPS - lag]
        signal = signal + noise * torch.randn(signal.shape, generator=rng(1000 + i))
        assessor.update(x, signal, torch.ones(SEEDS, dtype=torch.bool))
    return x, signal


@pytest.fixture(params=TAUGHT)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("lag", [0, 1, 2])
def test_it_converges_to_least_squares_at_its_lag(kind: str, lag: int) -> None:
    assessor = build(kind, lag=lag)
    x, signal = teach(assessor, 300, lag)
    early = x[:, :, : STEPS - lag].reshape(-1, WIDTH)
    design = torch.cat([early, torch.ones(len(early), 1)], dim=1)
    target = signal[:, :, lag:].reshape(-1, 1)
    best = (design @ torch.linalg.lstsq(design, target).solution - target).square().mean()
    guess = assessor.predict(x)[:, :, : STEPS - lag].reshape(-1, 1)
    assert float((guess - target).square().mean()) < 1.1 * float(best)
    assert float(target.var()) > 5 * float(best)


def test_an_untaught_assessor_values_nothing(kind: str) -> None:
    value = build(kind).predict(latents())
    assert value.shape == (SEEDS, N, STEPS) and float(value.abs().max()) == 0.0


def test_linear_is_what_it_predicts(kind: str) -> None:
    assessor = build(kind)
    x, _ = teach(assessor, 10, 1)
    for seed in range(SEEDS):
        weight, bias = assessor.linear(seed)
        assert weight.shape == (WIDTH,) and bias.shape == ()
        assert torch.allclose(assessor.predict(x)[seed], x[seed] @ weight + bias, atol=1e-4)


def test_a_shut_gate_leaves_that_seed_alone(kind: str) -> None:
    assessor = build(kind)
    x, signal = teach(assessor, 5, 1)
    before = [assessor.state(seed) for seed in range(SEEDS)]
    assessor.update(x, signal, torch.tensor([False, True]))
    after = [assessor.state(seed) for seed in range(SEEDS)]
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert any(not torch.equal(before[1][name], after[1][name]) for name in before[1])


def test_state_goes_round(kind: str) -> None:
    one, other = build(kind), build(kind)
    x, signal = teach(one, 7, 1)
    for seed in range(SEEDS):
        other.load(seed, one.state(seed))
    for assessor in (one, other):
        assessor.update(x, signal, torch.ones(SEEDS, dtype=torch.bool))
    assert torch.equal(one.predict(x), other.predict(x))


def test_seeds_do_not_leak_into_each_other(kind: str) -> None:
    together, alone = build(kind), build(kind, seeds=1)
    for i in range(5):
        x, signal = latents(i), torch.rand(SEEDS, N, STEPS, generator=rng(i))
        together.update(x, signal, torch.ones(SEEDS, dtype=torch.bool))
        alone.update(x[1:], signal[1:], torch.ones(1, dtype=torch.bool))
    assert torch.allclose(together.linear(1)[0], alone.linear(0)[0], atol=1e-6)


def test_no_gradient_goes_from_value_into_beliefs(kind: str) -> None:
    assessor = build(kind)
    x = latents().requires_grad_(True)
    error = assessor.update(x, torch.rand(SEEDS, N, STEPS, generator=rng(0)), torch.ones(SEEDS, dtype=torch.bool))
    assert error.shape == (SEEDS,) and not error.requires_grad and x.grad is None
    assert not any(value.requires_grad for value in assessor.state(0).values())
    assessor.predict(x).sum().backward()
    assert x.grad is not None and float(x.grad.abs().sum()) > 0


def test_the_learning_window_opens_and_closes(kind: str) -> None:
    settings = build(kind, opens_at=100, closes_at=200).settings
    assert [settings.open(age) for age in (0, 99, 100, 199, 200)] == [False, False, True, True, False]
    with pytest.raises(ValueError, match="not after opens_at"):
        build(kind, opens_at=100, closes_at=100)
    assert build(kind).rule


@pytest.mark.parametrize("kind", FROZEN)
def test_one_that_nothing_teaches_reads_only_once_attached_and_never_learns(kind: str) -> None:
    made = build(kind, lag=0, directions={"every": {"vector": [0.5] * WIDTH, "bias": 1.0}})
    x, signal, gate = latents(), torch.rand(SEEDS, N, STEPS, generator=rng(0)), torch.ones(SEEDS, dtype=torch.bool)
    assert not made.attached.any() and float(made.predict(x).abs().max()) == 0.0
    made.attach(1, Owner(1, "hook"))
    before = [made.state(seed) for seed in range(SEEDS)]
    assert made.update(x, signal, gate).shape == (SEEDS,) and made.rule
    after = [made.state(seed) for seed in range(SEEDS)]
    assert all(torch.equal(b[name], a[name]) for b, a in zip(before, after, strict=True) for name in b)
    value = made.predict(x)
    assert float(value[0].abs().max()) == 0.0 and float(value[1].abs().max()) > 0.0
    weight, bias = made.linear(1)
    assert torch.allclose(value[1], x[1] @ weight + bias, atol=1e-5)
    other = build(kind, lag=0, directions={"every": {"vector": [0.0] * WIDTH}})
    other.load(1, made.state(1))
    assert torch.equal(other.predict(x), value) and other.attached.tolist() == [False, True]
