"""Each intervention changes what it says, by as much as it says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.interventions import ablate
from imprint.probes.interventions.ablate import Ablation, derangement
from imprint.probes.interventions.base import edited_values, orthonormal, random_basis, retracted
from imprint.probes.interventions.erase import Whitened, eraser, independent
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.interventions.project import projection
from imprint.probes.interventions.steer import steering
from imprint.probes.subjects.subject import Subject


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(n: int = 40, d: int = 6, seed: int = 0) -> Tensor:
    mix = torch.randn(d, d, generator=rng(seed + 100), dtype=torch.float64)
    return torch.randn(n, d, generator=rng(seed), dtype=torch.float64) @ mix + 3


# -- ablate ----------------------------------------------------------------------------------------------------------


def test_ablations_put_zeros_the_mean_or_another_row() -> None:
    x = rows()
    assert bool((ablate.zero(x)(x) == 0).all())
    torch.testing.assert_close(ablate.mean(x)(x), x.mean(0).expand(40, 6))
    swapped = ablate.resample(x, rng=rng())(x)
    assert not bool((swapped == x).all(1).any())
    torch.testing.assert_close(swapped.sort(0).values, x.sort(0).values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 5))
def test_derangements_always_leave_the_group(groups: list[int], seed: int) -> None:
    n, codes = len(groups), torch.tensor(groups)
    if 2 * int(torch.bincount(codes).max()) > n:
        with pytest.raises(NotMeasurableError, match="expected half at most"):
            derangement(n, groups, rng=rng(seed))
        return
    source = derangement(n, groups, rng=rng(seed))
    assert sorted(source.tolist()) == list(range(n))
    assert bool((codes[source] != codes).all())


def test_derangements_reach_every_other_row_about_equally_often() -> None:
    counts = torch.zeros(6, 6)
    generator = rng()
    for _ in range(3000):
        counts[torch.arange(6), derangement(6, [0, 0, 1, 1, 2, 2], rng=generator)] += 1
    allowed = torch.tensor([[0, 0, 1, 1, 2, 2]]) != torch.tensor([[0, 0, 1, 1, 2, 2]]).T
    assert bool((counts[~allowed] == 0).all())
    assert float((counts[allowed] - 750).abs().max()) < 130


# -- project ---------------------------------------------------------------------------------------------------------


def test_projection_takes_out_the_span_and_nothing_else() -> None:
    x = rows()
    directions = torch.randn(6, 2, generator=rng(3), dtype=torch.float64)
    basis = orthonormal(directions)
    after = projection(directions, x.mean(0))(x)
    torch.testing.assert_close(after @ basis, (x.mean(0) @ basis).expand(40, 2))
    rest = orthonormal(torch.eye(6, dtype=torch.float64) - basis @ basis.T)
    assert rest.shape == (6, 4)
    torch.testing.assert_close(after @ rest, x @ rest)
    assert float((projection(directions)(x) @ basis).abs().max()) < 1e-12


def test_a_short_direction_counts_as_much_as_a_long_one() -> None:
    directions = torch.eye(6)[:, :3] * torch.tensor([1.0, 1e-8, 0.0])
    torch.testing.assert_close(orthonormal(directions).abs().sum(1), torch.tensor([1, 1, 0, 0, 0, 0]).double())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.floats(1e-3, 1e3), st.integers(0, 9))
def test_projection_depends_on_the_span_alone(m: int, size: float, seed: int) -> None:
    directions = torch.randn(6, m, generator=rng(seed), dtype=torch.float64)
    mixed = directions @ (torch.eye(m) + 0.3 * torch.rand(m, m, generator=rng(seed + 1))).double() * size
    copies = torch.cat([mixed, mixed[:, :1]], dim=1)
    torch.testing.assert_close(projection(copies)(rows()), projection(directions)(rows()), atol=1e-7, rtol=1e-6)


# -- steer -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1e-3, 1.0, 50.0])
def test_strength_is_counted_in_standard_deviations_whatever_the_directions_length(length: float) -> None:
    x = rows()
    unit = nn.functional.normalize(torch.ones(6, dtype=torch.float64), dim=0)
    moved = steering(x, length * unit, -1.5)(x) - x
    torch.testing.assert_close(moved @ unit, -1.5 * (x @ unit).std(correction=0).expand(40))
    assert float((moved - (moved @ unit)[:, None] * unit).abs().max()) < 1e-12


def test_no_spread_no_unit() -> None:
    x = rows()
    x[:, 2] = 7.0
    with pytest.raises(NotMeasurableError, match="do not vary"):
        steering(x, torch.eye(6)[2], 1.0)
    x[:, 5] *= 1e9  # a large unit elsewhere does not make a small one still
    assert steering(x.float(), torch.eye(6)[0], 1.0).scale == pytest.approx(float(x[:, 0].std(correction=0)), rel=1e-5)
    with pytest.raises(ImprintError, match=r"length 0\.0"):
        steering(x, torch.zeros(6), 1.0)
    with pytest.raises(ImprintError, match=r"\[5\]"):
        steering(x, torch.ones(5), 1.0)


# -- interchange -----------------------------------------------------------------------------------------------------


def test_interchange_takes_the_subspace_from_the_source_and_the_rest_from_the_base() -> None:
    base, source, basis = rows(), rows(seed=1), random_basis(6, 2, rng=rng())
    after = Interchange(source, basis)(base)
    torch.testing.assert_close(after @ basis, source @ basis)
    rest = orthonormal(torch.eye(6, dtype=torch.float64) - basis @ basis.T)
    torch.testing.assert_close(after @ rest, base @ rest)
    torch.testing.assert_close(Interchange(source)(base), source)
    torch.testing.assert_close(Interchange(source, random_basis(6, 6, rng=rng()))(base), source)


def test_the_placebo_moves_each_row_as_far_inside_its_own_subspace() -> None:
    base, source = rows(), rows(seed=1)
    judged, other = random_basis(6, 2, rng=rng(1)), random_basis(6, 2, rng=rng(2))
    moved = Interchange(source, other, judged)(base) - base
    torch.testing.assert_close(moved.norm(dim=1), (Interchange(source, judged)(base) - base).norm(dim=1))
    torch.testing.assert_close(moved @ other @ other.T, moved)
    same = Interchange(base, other, judged)(base)
    torch.testing.assert_close(same, base)


def test_rows_follow_their_sources_when_a_long_observation_is_run_in_pieces() -> None:
    model = nn.Sequential(nn.Identity(), nn.Flatten())
    subject, x = Subject(model, value=lambda seen: model(seen).sum(1)), rows(700).float()
    source = rows(700, seed=1).float()
    torch.testing.assert_close(edited_values(subject, x, {"0": Interchange(source)}), source.sum(1))
    torch.testing.assert_close(edited_values(subject, x, {"0": Ablation(source)}, batch_size=33), source.sum(1))
    with pytest.raises(ImprintError, match="rows are run in pieces"):
        subject.values(x, edits={"0": Interchange(source)})
    with pytest.raises(ImprintError, match="one row in all or one for each row"):
        subject.values(x, edits={"0": Ablation(source)})


def test_what_runs_on_in_place_does_not_reach_the_replacement() -> None:
    held = rows().float()
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True), nn.Linear(6, 1))
    for edit in (Ablation(held - 5), Ablation(held[0] - 5), Interchange(held - 5)):
        kept = (edit.source if isinstance(edit, Interchange) else edit.replacement).clone()
        Subject(model).values(held, edits={"0": edit})
        assert torch.equal(edit.source if isinstance(edit, Interchange) else edit.replacement, kept)


# -- shared ----------------------------------------------------------------------------------------------------------


def test_random_subspaces_are_orthonormal_and_uniform() -> None:
    bases = [random_basis(4, 2, rng=rng(seed)) for seed in range(400)]
    for basis in bases[:5]:
        torch.testing.assert_close(basis.T @ basis, torch.eye(2, dtype=torch.float64))
    mean = torch.stack([basis @ basis.T for basis in bases]).mean(0)
    assert float((mean - 0.5 * torch.eye(4)).abs().max()) < 0.06
    with pytest.raises(ImprintError, match="expected 1 to 4"):
        random_basis(4, 5, rng=rng())


def test_retraction_leaves_a_basis_where_it_is() -> None:
    basis = random_basis(7, 3, rng=rng())
    torch.testing.assert_close(retracted(basis), basis)
    torch.testing.assert_close(retracted(-basis), -basis)


def test_directions_that_span_nothing_are_refused() -> None:
    with pytest.raises(ImprintError, match="all directions are zero"):
        projection(torch.zeros(6))
    with pytest.raises(ImprintError, match="expected finite numbers"):
        projection(torch.full((6,), float("nan")))
    with pytest.raises(ImprintError, match=r"the mean is \[5\]"):
        projection(torch.ones(6), torch.zeros(5))


def test_erasers_from_moments_are_those_from_rows() -> None:
    x = rows(400, 8)
    label = torch.from_numpy(np.random.default_rng(0).integers(0, 3, 400))
    columns = nn.functional.one_hot(label).double()
    x[:, 3] += 2 * (label == 1)
    x = torch.cat([x, x[:, :2]], dim=1)
    centred = x - x.mean(0)
    span = Whitened.of_moments(x.mean(0), centred.T @ centred / len(x), len(x))
    fitted = span.erase_covariance(centred.T @ independent(columns) / len(x))
    assert fitted.rank == 2 and len(span.scale) == 8
    torch.testing.assert_close(fitted(x), eraser(x, columns)(x), atol=1e-8, rtol=0)
    with pytest.raises(ImprintError, match="expected as many"):
        span.erase(columns)
    with pytest.raises(ImprintError, match=r"expected \[d\] and \[d, d\]"):
        Whitened.of_moments(x.mean(0), torch.eye(3), len(x))
