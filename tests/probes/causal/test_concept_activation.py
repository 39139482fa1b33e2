"""Concept activation: planted directions are found with their sign, and random sets are not found too often."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.causal.concept_activation import (
    SHRINK,
    activations_and_gradients,
    concept_activation,
    concept_vectors,
    null_rate,
)
from imprint.probes.subjects.subject import Subject

WIDTH = 8


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(*, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(WIDTH, 12), nn.Tanh(), nn.Linear(12, 1))


def planted(sign: float = 1.0) -> nn.Sequential:
    """A value that rises (or falls) with the first coordinate and ignores all others."""
    model = nn.Sequential(nn.Identity(), nn.Linear(WIDTH, 1))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].weight[0, 0] = sign
    return model


def examples(n: int, coordinate: int | None = None, seed: int = 0) -> Tensor:
    x = torch.randn(n, WIDTH, generator=rng(seed))
    if coordinate is not None:
        x[:, coordinate] += 3
    return x


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_direction_the_value_stands_on_is_found_with_its_sign(sign: float) -> None:
    found = concept_activation(
        Subject(planted(sign)),
        examples(50, seed=3),
        "0",
        examples(30, 0, seed=1),
        random=examples(200, seed=2),
        rng=rng(),
    )
    assert found.score == (1.0 if sign > 0 else 0.0) and found.p_value == 0.01
    assert found.n == 50 and found.runs.shape == (20,) and found.nulls.shape == (99,)


def test_a_direction_the_value_ignores_is_not_found() -> None:
    def p_value(seed: int) -> float:
        concept, random = examples(30, 1, seed=2 * seed + 7), examples(200, seed=2 * seed + 8)
        return concept_activation(Subject(planted()), examples(50), "0", concept, random=random, rng=rng(seed)).p_value

    p_values = [p_value(seed) for seed in range(20)]
    assert sum(p <= 0.05 for p in p_values) <= 4 and max(p_values) > 0.3


def test_random_concepts_are_found_as_often_as_promised_where_the_t_test_finds_many() -> None:
    found = null_rate(
        Subject(network()),
        examples(60),
        "1",
        examples(300, seed=5),
        concepts=100,
        size=25,
        runs=10,
        nulls=39,
        rng=rng(),
    )
    assert found.p_values.shape == (100,) and found.rate <= 0.12
    assert found.t_test_rate > 0.2
    assert 0.4 < float(found.p_values.mean()) < 0.62


def test_vectors_are_the_normals_of_ridge_regression() -> None:
    for width, m in ((5, 20), (40, 6)):
        rows = torch.randn(4 * m, width, generator=rng(1), dtype=torch.float64)
        sets = torch.stack([torch.arange(m), torch.arange(m, 2 * m)])
        found = concept_vectors(rows, sets, 3, rng(7))
        keys = torch.rand(2, 3, 4 * m, generator=rng(7))
        for c in range(2):
            for r in range(3):
                key = keys[c, r].clone()
                key[sets[c]] = 2
                others = key.topk(m, largest=False).indices
                assert not set(others.tolist()) & set(sets[c].tolist())
                x = torch.cat([rows[sets[c]], rows[others]])
                x = x - x.mean(0)
                oracle = Ridge(SHRINK * float(x.square().sum()) / width, fit_intercept=False)
                oracle.fit(x.numpy(), [1.0] * m + [-1.0] * m)
                torch.testing.assert_close(found[c, r], torch.from_numpy(oracle.coef_), atol=1e-8, rtol=1e-6)


def test_gradients_are_those_at_the_site() -> None:
    model, x = network(), examples(700)
    activations, gradients = activations_and_gradients(Subject(model), x, "0")
    hidden = model[0](x)
    torch.testing.assert_close(activations, hidden.detach().double())
    slope = (1 - hidden.tanh() ** 2) * model[2].weight
    torch.testing.assert_close(gradients, slope.detach().double())


def test_same_seed_same_bytes_and_the_global_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    one, two, other = (
        concept_activation(
            Subject(network()), examples(40), "1", examples(20, 0), random=examples(90, seed=4), rng=rng(s)
        )
        for s in (0, 0, 1)
    )
    assert torch.equal(one.nulls, two.nulls) and torch.equal(one.runs, two.runs) and one.p_value == two.p_value
    assert not torch.equal(one.nulls, other.nulls)
    assert torch.equal(torch.get_rng_state(), state)


def test_rows_without_a_gradient_are_left_out() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU(), nn.Linear(WIDTH, 1))
    x = examples(40).abs()
    x[:15] *= -1
    found = concept_activation(Subject(model), x, "0", examples(20, 0), random=examples(90, seed=4), rng=rng())
    assert found.n == 25
    with pytest.raises(NotMeasurableError, match="zero for every observation"):
        concept_activation(Subject(model), x[:15], "0", examples(20, 0), random=examples(90, seed=4), rng=rng())


def test_slips() -> None:
    subject, x = Subject(network()), examples(40)
    with pytest.raises(NotMeasurableError, match="twice as many random ones"):
        concept_activation(subject, x, "1", examples(20), random=examples(39), rng=rng())
    with pytest.raises(ImprintError, match="19 nulls or more"):
        concept_activation(subject, x, "1", examples(20), random=examples(90), nulls=5, rng=rng())
    with pytest.raises(ImprintError, match="'11'"):
        concept_activation(subject, x, "11", examples(20), random=examples(90), rng=rng())
