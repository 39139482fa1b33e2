from __future__ import annotations

import pytest
import torch

from imprint.models.errors import ImprintError
from imprint.models.wiring import Sheet, Wiring, compete, connect, places, within_reach


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_unit_has_its_in_degree_of_different_partners_within_reach_of_its_place() -> None:
    wiring, sheet = Wiring(width=40, in_degree=5, radius=3.0), Sheet(9, 12, planes=2)
    wires = connect(wiring, sheet, rng=rng(), lives=3)
    assert wires.shape == (3, 40, 216) and bool(((wires != 0).sum(-1) == 5).all())
    assert wires.square().sum(-1).allclose(torch.ones(3, 40))
    down, across = torch.meshgrid(torch.arange(9), torch.arange(12), indexing="ij")
    spot = torch.stack([down, across], -1).reshape(-1, 2).repeat(2, 1).float()
    for unit, place in enumerate(places(40, sheet)):
        partner = spot[(wires[:, unit] != 0).nonzero()[:, 1]]
        assert float((partner - place).norm(dim=1).max()) <= 3.0
    assert not torch.equal(wires[0], wires[1])


def test_all_inputs_are_as_often_chosen_when_wiring_is_global() -> None:
    wires = connect(Wiring(width=200, in_degree=6), Sheet(5, 5), rng=rng(), lives=50)
    often = (wires != 0).float().mean((0, 1))
    assert float((often - 6 / 25).abs().max()) < 0.02  # five standard errors of 10,000 units
    assert abs(float(wires.sum())) < 5 * 10_000**0.5  # signs cancel; each connection is 1 / sqrt(6)
    assert bool((connect(Wiring(width=9, signs="excitatory"), Sheet(5, 5), rng=rng()) >= 0).all())


def test_places_cover_the_sheet() -> None:
    spot = places(96, Sheet(8, 12))
    assert spot.min(0).values.tolist() == [0.0, 0.0] and spot.max(0).values.tolist() == [7.0, 11.0]
    assert float(places(7, Sheet(1, 28))[:, 0].abs().max()) == 0.0


def test_winners_are_counted_and_all_winning_is_linear() -> None:
    drive = torch.randn(6, 50, generator=rng())
    few, linear = compete(drive, 5), compete(drive, 50)
    assert (few > 0).sum(1).tolist() == [5] * 6
    top = drive.argsort(1, descending=True)[:, :5]
    assert torch.equal((few > 0).nonzero()[:, 1].reshape(6, 5), top.sort(1).values)
    assert linear.allclose(drive - drive.min(1, keepdim=True).values)


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    with pytest.raises(
        ImprintError, match="only 3 inputs within a radius of 1; give an in_degree of at most 3, or a l"
    ):
        within_reach(Wiring(width=16, in_degree=4, radius=1.0), Sheet(4, 4))
    with pytest.raises(ImprintError, match=r"only 16 inputs on the whole sheet; give an in_degree of at most 16\.$"):
        connect(Wiring(in_degree=17), Sheet(4, 4), rng=rng())
    with pytest.raises(ImprintError, match=r"radius is 0\.1, within which some unit has no input"):
        within_reach(Wiring(width=9, radius=0.1), Sheet(4, 4))
    with pytest.raises(ImprintError, match=r"active is 0\.01 of 20 units"):
        _ = Wiring(width=20, active=0.01).winners
    with pytest.raises(ValueError, match="width"):
        Wiring(width=0)
