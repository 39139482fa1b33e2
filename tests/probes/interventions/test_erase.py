"""Erasure: nothing is learnable after it, something was before, and nothing else is touched."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions.erase import Eraser, Whitened, eraser, independent
from imprint.probes.readouts.ridge import Ridge

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the reference scripts functions when it is imported
    from concept_erasure import LeaceFitter


def planted(n: int = 600, d: int = 12, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Correlated activations whose mean depends on the class, and the class ``[n]``."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.randint(0, classes, (n,), generator=rng)
    x = torch.randn(n, d, generator=rng, dtype=torch.float64) @ torch.randn(d, d, generator=rng, dtype=torch.float64)
    return x + 3 * torch.randn(classes, d, generator=rng, dtype=torch.float64)[label] + 5, label


def columns(label: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(label).double()


def accuracy(x: Tensor, label: Tensor) -> float:
    probe = LogisticRegression(max_iter=2000, C=1e4).fit(x.numpy(), label.numpy())
    return float(probe.score(x.numpy(), label.numpy()))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_same_as_the_reference(classes: int) -> None:
    x, label = planted(classes=classes)
    reference = LeaceFitter(12, classes, shrinkage=False, constrain_cov_trace=False, dtype=torch.float64, svd_tol=1e-8)
    reference.update(x, columns(label))
    fitted = eraser(x, columns(label))
    assert fitted.rank == classes - 1
    torch.testing.assert_close(fitted(x), reference.eraser(x), atol=1e-4, rtol=0)


def test_nothing_is_learnable_after_and_something_was_before() -> None:
    x, label = planted()
    majority = float(torch.bincount(label).max()) / len(label)
    assert accuracy(x, label) > majority + 0.3
    # A logistic probe can reach the majority by its intercept; it must find nothing beyond that.
    assert accuracy(eraser(x, columns(label))(x), label) <= majority + 0.01
    assert accuracy(Whitened.of(x).random(2, rng=torch.Generator().manual_seed(0))(x), label) > majority + 0.2


def test_only_the_concept_is_lost() -> None:
    x, label = planted()
    after = eraser(x, columns(label))(x)
    torch.testing.assert_close(after.mean(0), x.mean(0))
    assert int(torch.linalg.matrix_rank(after - after.mean(0), rtol=1e-9)) == 10


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_neither_scale_nor_mean_of_a_unit_hides_the_concept(kind: torch.dtype) -> None:
    """A span that is cut off at a part of the largest variance leaves the concept in small units, for any probe."""
    x, label = planted(2000, 6)
    size = 10.0 ** torch.tensor([-7, -4, 0, 0, 3, 6], dtype=torch.float64)
    mean = torch.tensor([0, 0, 0, 1e3, 0, 0], dtype=torch.float64)
    moved = (x * size + mean).to(kind)
    for fitted in (eraser(moved, columns(label)), Whitened.of(moved).erase(columns(label))):
        after = (fitted(moved.double()) - mean) / size
        assert fitted.rank == 2
        torch.testing.assert_close(after, eraser(x, columns(label))(x), atol=2e-3, rtol=0)
        assert accuracy((after - after.mean(0)) / after.std(0), label) < 0.4


@pytest.mark.parametrize("size", [1e-44, 1e-36, 1e-20, 1e20, 1e37])
@pytest.mark.parametrize("of", [eraser, lambda x, z: Whitened.of(x).erase(z)], ids=["moments", "rows"])
def test_units_whose_squares_float32_cannot_hold_are_erased_too(size: float, of: Callable[..., Eraser]) -> None:
    """Such units are real: a GELU gives values down to the smallest numbers that there are."""
    x, label = planted(2000, 6)
    scale = torch.tensor([size, 1, 1, 1, 1, 1], dtype=torch.float64)
    small = (x * scale).float()
    after = of(small, columns(label))(small)
    assert after.dtype == torch.float32 and bool(torch.isfinite(after).all())
    precise = after.double() / scale
    # Numbers near 1e-44 are multiples of 1.4e-45: of a unit of that size only the coarse part can be taken out.
    torch.testing.assert_close(precise, eraser(x, columns(label))(x), atol=0.3 if size < 1e-40 else 1e-3, rtol=0)


def test_rounding_of_the_rows_is_no_direction() -> None:
    """Rows of a layer norm lie in a plane up to the rounding of float32."""
    x, label = planted(3000, 8)
    normed = torch.nn.functional.layer_norm(x.float(), (8,)) + 100
    assert Whitened.of(normed).axes.shape[1] == 7
    fitted = eraser(normed, columns(label))
    assert fitted.rank == 2 and float((fitted(normed) - normed).sum(1).abs().max()) < 1e-2


@pytest.mark.parametrize("classes", [3, 5, 9])
def test_float32_and_float64_rows_lose_the_same_directions(classes: int) -> None:
    x, label = planted(20_000, 256, classes)
    single, double = (eraser(x.to(kind), columns(label)) for kind in (torch.float32, torch.float64))
    assert single.rank == double.rank == classes - 1
    torch.testing.assert_close(single(x), double(x), atol=1e-3, rtol=0)


def test_k_classes_span_at_most_k_less_one_columns() -> None:
    label = torch.arange(90) % 9
    for z in (columns(label), torch.cat([columns(label), 3 - columns(label % 3), torch.ones(90, 1)], dim=1)):
        found = independent(z)
        assert found.shape == (90, 8)
        torch.testing.assert_close(found.T @ found / 90, torch.eye(8, dtype=torch.float64))
        torch.testing.assert_close(found.mean(0), torch.zeros(8, dtype=torch.float64), atol=1e-12, rtol=0)
    assert independent(torch.full((90, 2), 0.1)).shape == (90, 0)
    near = torch.stack([label.double(), label + 1e-6 * torch.randn(90, generator=torch.Generator().manual_seed(0))], 1)
    assert independent(near).shape == (90, 2)


def test_a_concept_that_is_not_there_loses_nothing() -> None:
    x, label = planted()
    gone = eraser(x, columns(label))(x)
    assert eraser(gone, columns(label)).rank == 0


def test_deficient_rank() -> None:
    x, label = planted()
    wide = torch.cat([x, x[:, :4] * 2, torch.ones(len(x), 2, dtype=torch.float64)], dim=1)
    fitted = eraser(wide, columns(label))
    torch.testing.assert_close(fitted(wide)[:, :12], eraser(x, columns(label))(x), atol=1e-6, rtol=0)
    torch.testing.assert_close(fitted(wide)[:, 16:], wide[:, 16:])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_units_that_never_vary_hold_nothing_afterwards(kind: torch.dtype) -> None:
    x, label = planted()
    still = torch.tensor([0.0, 0.3, -7.1], dtype=torch.float64).expand(len(x), 3)
    wide = torch.cat([x, still], dim=1).to(kind)
    after = eraser(wide, columns(label))(wide)
    assert torch.equal(after[:, -3:], wide[:, -3:])
    assert Ridge().fit(after.numpy(), label.numpy()).score(after.numpy(), label.numpy()) < 1 / 3 + 0.02


def test_wider_than_long() -> None:
    x, label = planted(n=30, d=50, classes=2)
    after = eraser(x, columns(label))(x)
    z = columns(label) - columns(label).mean(0)
    assert float(((x - x.mean(0)).T @ z).abs().max()) > 1
    assert float(((after - after.mean(0)).T @ z).abs().max()) < 1e-8


def test_a_constant_concept_is_already_gone() -> None:
    x, _ = planted()
    fitted = eraser(x, torch.ones(len(x), 1))
    assert fitted.rank == 0
    torch.testing.assert_close(fitted(x), x)


def test_constant_activations() -> None:
    x = torch.ones(10, 3)
    fitted = eraser(x, torch.arange(10.0)[:, None])
    torch.testing.assert_close(fitted(x), x)


def test_type_is_kept() -> None:
    x, label = planted()
    fitted: Eraser = eraser(x.float(), columns(label))
    assert fitted(x.float()).dtype == torch.float32


def test_placebo_removes_as_much_whitened_variance() -> None:
    x, label = planted()
    span = Whitened.of(x)
    for fitted in (span.erase(columns(label)), span.random(2, rng=torch.Generator().manual_seed(1))):
        white = (fitted(x) - span.mean) / span.unit @ span.axes / span.scale
        assert float(white.square().mean(0).sum()) == pytest.approx(10.0)
    assert span.random(99, rng=torch.Generator()).rank == 12


def test_linearly_there_only_when_it_is() -> None:
    x, label = planted()
    span = Whitened.of(x)
    assert span.linearly_there(columns(label))
    rng = torch.Generator().manual_seed(5)
    said = [span.linearly_there(columns(torch.randint(0, 3, (600,), generator=rng))) for _ in range(200)]
    assert sum(said) <= 8  # level 0.01: 2 expected of 200, more than 8 with probability 0.0002
    assert not span.linearly_there(torch.ones(600, 1))


def test_slips() -> None:
    with pytest.raises(ImprintError, match="as many"):
        eraser(torch.zeros(5, 2), torch.zeros(4, 1))
    with pytest.raises(ImprintError, match="NaN"):
        eraser(torch.full((5, 2), float("nan")), torch.zeros(5, 1))
    with pytest.raises(ImprintError, match=r"expected \[n, d\]"):
        eraser(torch.zeros(5), torch.zeros(5, 1))
