"""Every discovery method finds a frozen dictionary that rebuilds held-out rows, and survives a trip to disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.discovery.base import DISCOVERY, Dictionary, Discovery, load_dictionary

N, WIDTH, PARTS = 900, 12, 6
QUICK = {"sparse_autoencoder": {"features": 12, "active": 3, "steps": 400, "rows": 128, "rate": 1e-2}}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def activations(seed: int = 0, scale: float = 1.0) -> Tensor:
    """Sparse non-negative sums of six fixed non-negative parts: something every method here can describe."""
    parts = torch.rand(PARTS, WIDTH, generator=rng(99)).square()
    amount = torch.rand(N, PARTS, generator=rng(seed)) * (torch.rand(N, PARTS, generator=rng(seed + 50)) < 0.35)
    return scale * (amount @ parts + 0.001 * torch.rand(N, WIDTH, generator=rng(seed + 70)))


def method(kind: str, **settings: object) -> Discovery:
    made: Discovery = DISCOVERY.load(kind)(**({"features": PARTS} | QUICK.get(kind, {}) | settings))
    return made


@pytest.fixture(params=DISCOVERY.names(), scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def found(kind: str) -> Dictionary:
    return method(kind).fit(activations(), rng=rng())


def test_shapes_and_unit_directions(found: Dictionary) -> None:
    x = activations(1)
    features = len(found.directions)
    assert found.directions.shape == (features, WIDTH) and found.offset.shape == (WIDTH,)
    assert found.dead.shape == (features,) and found.dead.dtype == torch.bool
    torch.testing.assert_close(found.directions.norm(dim=1), torch.ones_like(found.dead, dtype=found.directions.dtype))
    assert found.encode(x).shape == (N, features) and found.decode(found.encode(x)).shape == (N, WIDTH)
    assert found.signed or float(found.encode(x).min()) >= 0.0


def test_it_explains_rows_it_has_not_seen(found: Dictionary) -> None:
    fresh = activations(1)
    assert 0.9 < found.held_out <= 1.0 and found.held_out == pytest.approx(found.explained_variance(fresh), abs=0.03)
    error = (fresh - found.decode(found.encode(fresh))).square().sum()
    spread = (fresh - fresh.mean(0)).square().sum()
    assert found.explained_variance(fresh) == pytest.approx(1 - float(error / spread), abs=1e-5)


def test_it_does_not_explain_other_rows(found: Dictionary) -> None:
    other = torch.rand(N, WIDTH, generator=rng(5))
    assert found.explained_variance(other) < 0.8


def test_the_unit_of_the_activations_does_not_matter(kind: str, found: Dictionary) -> None:
    scaled = method(kind).fit(activations(scale=1000.0), rng=rng())
    assert scaled.held_out == pytest.approx(found.held_out, abs=0.02)


def test_a_dead_feature_is_one_that_no_row_wakes(found: Dictionary) -> None:
    train = method_on_all_rows(found)
    silent = ~(train.encode(activations()).abs() > 1e-9).any(0)
    assert torch.equal(train.dead, silent)


def method_on_all_rows(found: Dictionary) -> Dictionary:
    return method(found.method, held_out=0.0).fit(activations(), rng=rng())


def test_nothing_held_out_means_no_figure(found: Dictionary) -> None:
    assert method_on_all_rows(found).held_out != method_on_all_rows(found).held_out


def test_the_same_seed_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    for name in ("one", "other"):
        method(kind).fit(activations(), rng=rng(3)).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_it_goes_to_disk_and_back(found: Dictionary, tmp_path: Path) -> None:
    found.save(tmp_path / "d.safetensors")
    back = load_dictionary(tmp_path / "d.safetensors")
    assert type(back) is type(found) and back.method == found.method and back.held_out == found.held_out
    # Tensors read from a file lie elsewhere in memory, and products may round by where their operands lie.
    torch.testing.assert_close(back.encode(activations(2)), found.encode(activations(2)))
    assert torch.equal(back.dead, found.dead)


def test_it_leaves_its_input_alone(kind: str) -> None:
    x = activations()
    before = x.clone()
    method(kind).fit(x, rng=rng())
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (torch.zeros(50, WIDTH), NotMeasurableError),
        (torch.full((50, WIDTH), torch.nan), NotMeasurableError),
        (torch.zeros(50), ImprintError),
        (torch.zeros(50, WIDTH, dtype=torch.long), ImprintError),
    ],
)
def test_activations_that_cannot_be_described_are_refused(kind: str, x: Tensor, error: type[Exception]) -> None:
    with pytest.raises(error, match="activations"):
        method(kind).fit(x, rng=rng())


def test_rows_of_another_width_are_refused(found: Dictionary) -> None:
    with pytest.raises(ImprintError, match=r"expected \[n, 12\]"):
        found.encode(torch.zeros(5, WIDTH + 1))
