"""Every intervention is frozen, keeps shape, type and device, changes nothing in place, and passes gradients on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.probes.interventions import ablate
from imprint.probes.interventions.base import INTERVENTIONS, Intervention, random_basis
from imprint.probes.interventions.erase import eraser
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.interventions.project import projection
from imprint.probes.interventions.steer import steering

N, D = 50, 7


def activations(seed: int = 0) -> Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(seed)) + 0.5


def basis(rank: int) -> Tensor:
    return random_basis(D, rank, rng=torch.Generator().manual_seed(7))


MADE: dict[str, Callable[[Tensor], Intervention]] = {
    "ablate": lambda x: ablate.resample(x, rng=torch.Generator().manual_seed(0)),
    "erase": lambda x: eraser(x, (x[:, :1] > 0).float()),
    "interchange": lambda x: Interchange(activations(3), basis(3)),
    "project": lambda x: projection(basis(2), x.mean(0)),
    "steer": lambda x: steering(x, basis(1)[:, 0], 1.5),
}
"""One of each kind, fitted on activations ``[n, d]``."""
MOVES_ON = {"steer"}
"""Applied twice, these move twice; the others have nothing left to do."""


@pytest.fixture(params=INTERVENTIONS.names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(kind: str) -> Intervention:
    assert kind in MADE, f"add {kind} to MADE, so that it is tested"
    found = MADE[kind](activations())
    assert isinstance(found, INTERVENTIONS.load(kind))
    return found


def test_it_is_frozen(kind: str) -> None:
    intervention = made(kind)
    field = dataclasses.fields(intervention)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(intervention, field, None)


def test_it_changes_something_but_not_in_place_and_always_the_same(kind: str) -> None:
    x, intervention = activations(), made(kind)
    after = intervention(x)
    assert torch.equal(x, activations())
    assert after.data_ptr() != x.data_ptr()
    assert float((after - x).abs().max()) > 0.1
    assert torch.equal(after, intervention(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_it_keeps_shape_and_type_and_loses_no_more_than_rounding(kind: str, dtype: torch.dtype) -> None:
    x, intervention = activations().to(dtype), made(kind)
    after = intervention(x)
    assert after.shape == x.shape and after.dtype == dtype
    exact = intervention(x.double())
    size = float(exact.abs().max())
    assert float((after.double() - exact).abs().max()) <= 1.5 * max(torch.finfo(dtype).eps, 1e-6) * size


def test_it_runs_on_the_device_of_the_activations(kind: str) -> None:
    after = made(kind)(torch.empty(N, D, device="meta"))
    assert after.device.type == "meta" and after.shape == (N, D)


def test_some_rows_are_treated_as_among_all_rows(kind: str) -> None:
    x, intervention = activations(), made(kind)
    for piece in (slice(0, 20), slice(20, 50), slice(7, 8)):
        torch.testing.assert_close(intervention.rows(piece)(x[piece]), intervention(x)[piece])


def test_twice_is_once(kind: str) -> None:
    x, intervention = activations(), made(kind)
    once = intervention(x)
    same = torch.allclose(intervention(once), once, atol=1e-5)
    assert same is (kind not in MOVES_ON)


def test_gradients_pass_unless_the_activations_are_forgotten(kind: str) -> None:
    x = activations().requires_grad_(True)
    after = made(kind)(x)
    assert after.requires_grad is (kind != "ablate")
    if after.requires_grad:
        after.square().sum().backward()
        assert x.grad is not None and bool((x.grad != 0).any())


def test_activations_of_another_shape_are_refused(kind: str) -> None:
    with pytest.raises(ImprintError, match=r"expected \[n, d\]"):
        made(kind)(torch.zeros(N, 2, D))
