"""Every stream keeps the contract of ``imprint.models.streams.base``."""

from __future__ import annotations

import pytest
import torch

from imprint.models.streams.base import STREAMS, Stream


@pytest.fixture(params=STREAMS.names())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(kind: str, seed: int) -> Stream:
    cls = STREAMS.load(kind)
    stream: Stream = cls(cls.Settings(), rng=rng(seed))
    return stream


def test_examples_come_in_rows_of_finite_numbers(kind: str) -> None:
    x, y = made(kind, 0).draw(30, rng=rng(1))
    assert x.ndim == y.ndim == 2 and len(x) == len(y) == 30 and x.dtype == y.dtype == torch.float32
    assert bool(x.isfinite().all()) and bool(y.isfinite().all())
    assert float(x.std()) > 0 and float(y.std()) > 0


def test_constants_and_examples_come_from_their_generators_alone(kind: str) -> None:
    before = torch.random.get_rng_state()
    one, same, other = made(kind, 0), made(kind, 0), made(kind, 9)
    drawn = [stream.draw(50, rng=rng(1)) for stream in (one, same, other)]
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(torch.cat(drawn[0], 1), torch.cat(drawn[2], 1)), "other constants make other examples"
    assert not torch.equal(drawn[0].x, one.draw(50, rng=rng(2)).x), "other examples"


def test_there_is_something_to_learn(kind: str) -> None:
    """Inputs that are nearly alike have targets that are more alike than those of any two."""
    x, y = made(kind, 0).draw(1500, rng=rng(1))
    distance = torch.cdist(x, x).fill_diagonal_(float("inf"))
    nearest = (y - y[distance.argmin(1)]).square().mean()
    anyone = (y - y.roll(1, 0)).square().mean()
    assert float(nearest) < 0.8 * float(anyone)
