"""An address is found where the concept sits, and seeds agree on it only where they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.networks.address import address, address_by_level, entropy, overlap, single_unit_scores

SEEDS, N, WIDTH = 6, 400, 32
LIT = pd.Series(np.random.default_rng(1).random(N) > 0.5, name="lit")
LEVELS = pd.DataFrame({"module": np.repeat(["eye", "ear"], 16), "site": np.repeat(["a", "b", "c", "d"], 8)})


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def networks(units: list[list[int]], seed: int = 0) -> Tensor:
    """Noise, except that each network reads the lamp with the units it is told."""
    x = torch.randn(len(units), N, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    lamp = torch.from_numpy(LIT.to_numpy() * 4.0)
    for network, own in enumerate(units):
        x[network][:, own] += lamp[:, None]
    return x


def shares(units: list[list[int]]) -> Tensor:
    return address(single_unit_scores(networks(units), LIT, rng=draw()))


def test_the_units_that_know_are_found_and_the_others_are_not() -> None:
    scores = single_unit_scores(networks([[3], [5, 6], []]), LIT, rng=draw())
    assert scores[0].nonzero().flatten().tolist() == [3] and scores[1].nonzero().flatten().tolist() == [5, 6]
    assert not scores[2].any() and 0.7 < float(scores[0, 3]) < 0.9
    bits = entropy(address(scores))
    assert bits[:2].tolist() == pytest.approx([0.0, 1.0], abs=0.01) and bool(bits[2].isnan())


def test_scores_are_those_of_the_textbook() -> None:
    x = networks([[3]])
    number = pd.Series(draw(4).normal(size=N), name="number") + 2 * x[0, :, 7].numpy()
    found = single_unit_scores(x, number, rng=draw())[0, 7]
    assert float(found) == pytest.approx(stats.pearsonr(x[0, :, 7], number)[0] ** 2)
    colour = pd.Series(draw(5).integers(0, 3, N), name="colour")
    x[0, :, 9] += torch.tensor(colour.tolist()) % 2 * 3.0
    found = single_unit_scores(x, colour, rng=draw())[0, 9]
    parts = [x[0, :, 9].numpy()[colour == c] for c in range(3)]
    f = stats.f_oneway(*parts).statistic
    assert float(found) == pytest.approx(f * 2 / (f * 2 + N - 3))


def test_units_that_tell_episodes_apart_do_not_know_the_concept() -> None:
    groups = np.repeat(np.arange(16), 25)
    x = torch.randn(1, 16, WIDTH, generator=torch.Generator().manual_seed(3))[:, groups].double()
    label = pd.Series((draw(6).permutation(16) < 8)[groups], name="episode")
    assert int((single_unit_scores(x, label, rng=draw()) > 0).sum()) > 5
    assert int((single_unit_scores(x, label, groups=groups, rng=draw()) > 0).sum()) <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10_000))
def test_entropy_lies_between_one_unit_and_all(d: int, seed: int) -> None:
    amount = torch.rand(d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 1e-3
    bits = float(entropy(address(amount)))
    assert -1e-9 <= bits <= np.log2(d) + 1e-9
    assert float(entropy(address(torch.ones(d)))) == pytest.approx(np.log2(d), abs=1e-5)
    assert bits == pytest.approx(stats.entropy(amount.numpy(), base=2), abs=1e-9)


def test_seeds_with_a_shared_address_agree() -> None:
    found = overlap(shares([[3, 4]] * SEEDS), rng=draw())
    assert found.overlap > 0.9 and found.p_value == pytest.approx(1 / 200) and found.chance < 0.15
    assert found.networks == SEEDS


def test_seeds_with_addresses_of_their_own_do_not() -> None:
    p, best = [], []
    for seed in range(25):
        own = [draw(100 * seed + s).choice(WIDTH, 2, replace=False).tolist() for s in range(SEEDS)]
        found = overlap(shares(own), draws=99, rng=draw(seed))
        p.append(found.p_value)
        best.append(found.same_best_chance)
    assert 0.3 < np.mean(p) < 0.75 and np.mean(np.array(p) <= 0.05) < 0.2
    assert np.mean(best) == pytest.approx(1 / WIDTH, abs=0.01)


def test_a_predictable_module_is_not_a_predictable_unit() -> None:
    own = [draw(s).choice(8, 2, replace=False).tolist() for s in range(SEEDS)]  # anywhere in site a of the eye
    table = address_by_level(shares(own), LEVELS, rng=draw()).set_index("level")
    assert table.loc["module", "overlap"] > 0.99 and table.loc["site", "overlap"] > 0.99
    assert table.loc["module", "p_value"] < 0.1 and table.loc["site", "p_value"] < 0.1
    assert table.loc["unit", "p_value"] > 0.05 and table.loc["unit", "overlap"] < 0.6
    assert table.loc["unit", "bits"] == pytest.approx(1.0, abs=0.05) and table.loc["module", "bits"] < 0.01
    assert table["places"].tolist() == [2, 4, 32] and table["most_bits"].tolist() == [1.0, 2.0, 5.0]
    assert table.loc["unit", "effective"] == pytest.approx(2.0, abs=0.05)
    # Asked without the levels, the units seem to agree: it is the site that they agree on.
    assert overlap(shares(own), rng=draw()).p_value < 0.05


def test_shared_dead_units_are_not_agreement() -> None:
    living = list(range(6))
    own = [draw(s).choice(living, 1).tolist() for s in range(SEEDS)]
    x = networks(own)
    x[:, :, 6:] = 1.0
    scores = single_unit_scores(x, LIT, rng=draw())
    assert bool(scores[:, 6:].isnan().all())
    found = overlap(address(scores), rng=draw())
    assert found.chance == pytest.approx(1 / 6, abs=0.05) and found.p_value > 0.05
    buried = overlap(address(scores.nan_to_num(0.0)), rng=draw())
    assert buried.chance == pytest.approx(1 / 32, abs=0.02)


def test_networks_without_an_address_are_left_out_and_counted() -> None:
    found = overlap(shares([[3], [3], []]), rng=draw())
    assert found.networks == 2 and found.overlap > 0.9
    alone = overlap(shares([[3], [], []]), rng=draw())
    assert alone.networks == 1 and np.isnan(alone.overlap) and np.isnan(alone.p_value)


def test_squared_weights_make_an_address_too() -> None:
    weight = torch.tensor([[3.0, -4.0, 0.0]])
    torch.testing.assert_close(address(weight.square()), torch.tensor([[0.36, 0.64, 0.0]]))
    with pytest.raises(ImprintError, match="negative"):
        address(weight)


def test_bad_requests_are_refused() -> None:
    share = shares([[3], [4]])
    with pytest.raises(ImprintError, match="expected nesting"):
        address_by_level(share, LEVELS[["site"]].assign(mixed=np.arange(32) % 2), rng=draw())
    with pytest.raises(ImprintError, match=r"expected \[S, d\]"):
        address_by_level(share, LEVELS.head(3), rng=draw())
    with pytest.raises(ImprintError, match=r"expected \[S, n, d\]"):
        single_unit_scores(torch.zeros(3, 4), LIT, rng=draw())
    with pytest.raises(NotMeasurableError, match="NaN"):
        single_unit_scores(torch.full((1, N, 2), torch.nan), LIT, rng=draw())
