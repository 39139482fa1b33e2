from __future__ import annotations

import pytest
import torch

from imprint.models.streams.topographic import Topographic


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stream(**settings: object) -> Topographic:
    return Topographic(Topographic.Settings.model_validate({"side": 8, "scales": (1, 4), **settings}), rng=rng())


def test_patterns_are_blocks_of_their_scale_of_which_half_are_on() -> None:
    made = stream()
    assert made.patterns.shape == (2, 8, 64) and made.patterns.mean(-1).eq(0.5).all()
    coarse = made.patterns[1].reshape(8, 2, 4, 2, 4)
    assert coarse.eq(coarse[:, :, :1, :, :1]).all()
    fine = made.patterns[0].reshape(8, 2, 4, 2, 4)
    assert not fine.eq(fine[:, :, :1, :, :1]).all()


def test_a_picture_is_the_mean_of_its_patterns_and_its_target_names_them() -> None:
    made = stream(noise=0.0)
    x, y = made.draw(20, rng=rng(1))
    label = y.unflatten(1, (2, 8)).argmax(-1)
    expected = torch.stack([(made.patterns[0, a] + made.patterns[1, b]) / 2 for a, b in label.tolist()])
    assert x.allclose(expected) and y.sum(1).eq(2).all()


def test_relatives_share_what_is_not_volatile() -> None:
    made = stream()
    for volatility, low, high in ((0.0, 1.0, 1.0), (0.5, 0.35, 0.65), (1.0, 0.0, 0.0)):
        fine = made.relatives(30, volatility, rng=rng(2))[:, 0]
        same = float((fine == made.patterns[0]).all(-1).float().mean())
        assert low <= same <= high, volatility


def test_scales_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a scale is 3, but the sheet has a side of 8"):
        stream(scales=(1, 3))
    with pytest.raises(ValueError, match="one or more different"):
        stream(scales=(2, 2))
