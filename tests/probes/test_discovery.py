"""Each discovery method finds what it is for, and does not claim to where it is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError, NotMeasurableError
from imprint.models.store import write_tensors
from imprint.probes.discovery.base import load_dictionary, unit_rows
from imprint.probes.discovery.independent_components import IndependentComponents
from imprint.probes.discovery.nonnegative_factors import NonnegativeFactors
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder, top_k


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def best_cosine(truth: Tensor, found: Tensor) -> Tensor:
    """Per true direction, the absolute cosine of the nearest found one."""
    return (unit_rows(truth.double()) @ found.double().T).abs().amax(1)


def superposed(n: int, width: int, features: int, active: int) -> tuple[Tensor, Tensor]:
    """More sparse features than units, each along its own direction, far from the origin."""
    directions = unit_rows(torch.randn(features, width, generator=rng(1)))
    awake = torch.rand(n, features, generator=rng(2)).topk(active, dim=1).indices
    amount = torch.zeros(n, features).scatter(1, awake, 0.5 + torch.rand(n, active, generator=rng(3)))
    return amount @ directions + 0.01 * torch.randn(n, width, generator=rng(4)) + 3.0, directions


def test_principal_components_are_those_of_scikit_learn() -> None:
    x = torch.randn(200, 5, generator=rng(), dtype=torch.float64) @ torch.diag(
        torch.tensor([5.0, 3, 2, 1, 0.5]).double()
    )
    found, reference = PrincipalComponents(features=3, held_out=0.0).fit(x, rng=rng()), PCA(3).fit(x.numpy())
    np.testing.assert_allclose(found.encode(x).abs(), np.abs(reference.transform(x.numpy())), atol=1e-9)
    assert found.explained_variance(x) == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-9)


def test_principal_components_without_variance_are_dead() -> None:
    x = torch.randn(100, 2, generator=rng(), dtype=torch.float64) @ torch.randn(2, 6, generator=rng(1)).double()
    assert PrincipalComponents().fit(x, rng=rng()).dead.tolist() == [False] * 2 + [True] * 4


def test_independent_components_unmix_what_principal_components_cannot() -> None:
    sources = torch.rand(3000, 4, generator=rng(), dtype=torch.float64) - 0.5
    mixing = torch.randn(4, 4, generator=rng(1), dtype=torch.float64)
    x = sources @ mixing + 2
    assert float(best_cosine(mixing, IndependentComponents().fit(x, rng=rng()).directions).min()) > 0.99
    assert float(best_cosine(mixing, PrincipalComponents().fit(x, rng=rng()).directions).min()) < 0.95


def test_independent_components_that_do_not_converge_are_an_error() -> None:
    x = torch.randn(500, 10, generator=rng())
    with pytest.raises(NotMeasurableError, match="FastICA did not converge"):
        IndependentComponents(steps=2).fit(x, rng=rng())


def test_non_negative_factors_find_the_parts() -> None:
    parts = torch.zeros(3, 9)
    for i in range(3):
        parts[i, 3 * i : 3 * i + 3] = torch.tensor([1.0, 0.5, 0.2])
    amount = torch.rand(600, 3, generator=rng()) * (torch.rand(600, 3, generator=rng(1)) < 0.5)
    found = NonnegativeFactors(features=3).fit(amount @ parts, rng=rng())
    assert float(best_cosine(parts, found.directions).min()) > 0.99
    order = (unit_rows(parts.double()) @ found.directions.T).argmax(1)
    for i in range(3):
        codes = found.encode(amount @ parts)[:, order[i]]
        assert np.corrcoef(codes.numpy(), amount[:, i].numpy())[0, 1] > 0.99


def test_negative_activations_are_refused_or_split_as_told() -> None:
    directions = torch.tensor([[1.0, -1.0, 0, 0], [0, 0, -1.0, 2.0]])
    x = torch.rand(500, 2, generator=rng()) @ directions
    with pytest.raises(NotMeasurableError, match=r"50\.0% of the activations are negative.*negative='split'"):
        NonnegativeFactors(features=2).fit(x, rng=rng())
    found = NonnegativeFactors(features=2, negative="split").fit(x, rng=rng())
    assert found.held_out > 0.99
    assert float((unit_rows(directions.double()) @ found.directions.T).amax(1).min()) > 0.99


def test_a_fitted_set_of_factors_refuses_negative_rows_too() -> None:
    found = NonnegativeFactors(features=2).fit(torch.rand(100, 4, generator=rng()), rng=rng())
    with pytest.raises(NotMeasurableError, match="negative"):
        found.encode(-torch.ones(3, 4))


def test_a_sparse_autoencoder_finds_more_features_than_there_are_units() -> None:
    x, directions = superposed(4000, width=16, features=32, active=2)
    calls: list[tuple[int, int, str]] = []
    settings = SparseAutoencoder(features=64, active=2, steps=1200, rows=256)
    found = settings.fit(x, rng=rng(), progress=lambda *call: calls.append(call))
    assert float((best_cosine(directions, found.directions) > 0.9).float().mean()) > 0.9
    components = PrincipalComponents(features=2).fit(x, rng=rng())
    assert found.held_out > 0.85 > 0.5 > components.held_out
    assert int((found.encode(x) > 0).sum(1).max()) <= 2
    assert calls[-1][:2] == (1200, 1200) and "dead" in calls[-1][2] and len(calls) == 24


def test_an_untrained_dictionary_has_not_found_them() -> None:
    x, directions = superposed(2000, width=16, features=32, active=2)
    untrained = SparseAutoencoder(features=64, active=2, steps=0).fit(x, rng=rng())
    assert float((best_cosine(directions, untrained.directions) > 0.9).float().mean()) < 0.1
    assert untrained.held_out < 0.6


def test_noise_has_no_sparse_code() -> None:
    noise = torch.randn(3000, 16, generator=rng(7))
    assert SparseAutoencoder(features=64, active=2, steps=600, rows=256).fit(noise, rng=rng()).held_out < 0.6


def test_the_auxiliary_loss_brings_dead_features_back() -> None:
    x, _ = superposed(3000, width=16, features=64, active=2)
    # A learning rate of 0.1 kills features early on. With an endless patience nothing counts as dead, so nothing helps.
    settings = SparseAutoencoder(features=64, active=2, steps=800, rows=128, rate=0.1, patience=2000)
    helped, left = settings.fit(x, rng=rng()), replace(settings, patience=10**9).fit(x, rng=rng())
    assert int(left.dead.sum()) > 20 > 10 > int(helped.dead.sum())
    assert helped.held_out > left.held_out + 0.05


def test_whole_groups_are_held_out() -> None:
    groups = torch.arange(600) // 200
    x = torch.zeros(600, 3).index_put((torch.arange(600), groups), torch.rand(600, generator=rng()))
    # Each group varies along a unit of its own, so two components explain the two that were seen.
    for seed in range(5):
        by_group = PrincipalComponents(features=2, held_out=0.34).fit(x, rng=rng(seed), groups=groups.numpy())
        by_row = PrincipalComponents(features=2, held_out=0.34).fit(x, rng=rng(seed))
        assert by_group.held_out < 0.1 and 0.5 < by_row.held_out < 0.9


def test_top_k_keeps_the_largest_positive_codes() -> None:
    row = torch.tensor([[3.0, -1.0, 2.0, 0.5], [-1.0, -2.0, -3.0, 1.0]])
    assert top_k(row, 2).tolist() == [[3.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SparseAutoencoder(features=4, active=5), "active is 5; expected 1 to 4"),
        (PrincipalComponents(features=9), "features is 9; .* at most 5"),
        (IndependentComponents(features=9), "features is 9; .* at most 5"),
        (NonnegativeFactors(features=9), "features is 9; expected 1 to 5"),
        (PrincipalComponents(held_out=1.0), "held_out is 1.0"),
    ],
)
def test_impossible_settings_are_refused(settings: PrincipalComponents, message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        settings.fit(torch.rand(60, 5, generator=rng()), rng=rng())


def test_a_file_that_is_no_dictionary_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {"a": torch.zeros(2)})
    with pytest.raises(DamagedFileError, match="no dictionary"):
        load_dictionary(tmp_path / "x.safetensors")
