from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from imprint.analyses.goals.critic_line import CriticLine, critic_line, gated
from imprint.models.errors import ImprintError

GOALS = ("coin", "corner")


def far(n: int, seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {goal: torch.randint(-1, 12, (n,), generator=rng) for goal in GOALS}


def worth(distance: Tensor) -> Tensor:
    return torch.where(distance < 0, 0.0, 0.95 ** distance.float())


def line(value: Tensor, distances: dict[str, Tensor]) -> CriticLine:
    return critic_line(value, distances, GOALS, 0.95, shuffles=200, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("goal", "index"), [("coin", 0.0), ("corner", 1.0)])
def test_a_value_that_follows_one_goal_has_its_index_at_that_end(goal: str, index: float) -> None:
    away = far(3000)
    noise = 0.1 * torch.randn(3000, generator=torch.Generator().manual_seed(1))
    found = line(5 + 3 * worth(away[goal]) + noise, away)
    value, why = gated(found, [], 0.1)
    assert why == ""
    assert value == pytest.approx(index, abs=0.05)
    assert found.low[GOALS.index(goal)] > 0.5


def test_a_value_of_both_lies_in_between_and_the_fit_is_that_of_scikit_learn() -> None:
    away = far(2000)
    value = worth(away["coin"]) + worth(away["corner"]) + 0.3 * torch.randn(2000, generator=torch.Generator())
    found = line(value, away)
    x = np.column_stack([worth(away[goal]).double().numpy() for goal in GOALS])
    x, y = (x - x.mean(0)) / x.std(0), value.double().numpy()
    oracle = LinearRegression().fit(x, (y - y.mean()) / y.std())
    np.testing.assert_allclose(found.beta, oracle.coef_, atol=1e-6)
    assert found.r2 == pytest.approx(oracle.score(x, (y - y.mean()) / y.std()), abs=1e-6)
    assert 0.4 < gated(found, [], 0.1)[0] < 0.6


def test_a_value_that_follows_nothing_has_no_index_whatever_the_ratio_says() -> None:
    away = far(3000)
    found = line(torch.randn(3000, generator=torch.Generator().manual_seed(3)), away)
    assert np.isfinite(found.index)
    value, why = gated(found, [], 0.0)
    assert np.isnan(value)
    assert "shuffled values" in why


def test_shuffles_are_beaten_by_chance_one_time_in_a_hundred() -> None:
    away = far(400)
    beaten = []
    for seed in range(100):
        found = line(torch.randn(400, generator=torch.Generator().manual_seed(seed)), away)
        beaten.append(found.r2 > found.null)
    assert np.mean(beaten) <= 0.04


def test_an_untrained_critic_or_a_stated_floor_closes_the_gate() -> None:
    away = far(3000)
    noise = torch.randn(3000, generator=torch.Generator().manual_seed(1))
    weak, strong = line(worth(away["coin"]) + noise, away), line(worth(away["coin"]) + noise / 5, away)
    assert gated(weak, [], 0.0)[1] == ""
    assert "untrained critic" in gated(weak, [strong.r2], 0.0)[1]
    assert "floor of the setup" in gated(weak, [], 0.5)[1]


def test_a_constant_value_or_distance_has_no_coefficient() -> None:
    away = far(500)
    assert np.isnan(line(torch.ones(500), away).r2)
    same = line(torch.randn(500, generator=torch.Generator()), {**away, "corner": torch.full((500,), 3)})
    assert np.isnan(same.r2)
    assert "does not vary" in gated(same, [], 0.0)[1]


def test_distances_that_go_together_inflate_the_variance() -> None:
    away = far(2000)
    there = away["coin"].clamp(min=0)
    near = {"coin": there, "corner": there + (away["corner"] > 5).long()}
    assert max(line(worth(away["coin"]), away).vif) < 1.05
    assert min(line(worth(away["coin"]), near).vif) > 3


def test_one_goal_alone_or_an_unknown_distance_is_refused() -> None:
    with pytest.raises(ImprintError, match="at least one proxy"):
        critic_line(torch.randn(9), far(9), ["coin"], 0.9, rng=np.random.default_rng(0))
    with pytest.raises(ImprintError, match="no distance to 'cheese'"):
        critic_line(torch.randn(9), far(9), ["coin", "cheese"], 0.9, rng=np.random.default_rng(0))


def test_the_interval_of_a_coefficient_covers_it() -> None:
    covered = []
    for seed in range(150):
        away = far(300, seed)
        noise = torch.randn(300, generator=torch.Generator().manual_seed(seed)) * (1 + worth(away["coin"]))
        value = 2 * worth(away["coin"]) + noise
        found = line(value, away)
        scale = float(worth(away["coin"]).double().std(correction=0) / value.double().std(correction=0))
        covered.append(found.low[0] <= 2 * scale <= found.high[0])
    assert np.mean(covered) >= 0.9
