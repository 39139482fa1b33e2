"""Scores of attributions: they tell right from wrong where the answer is built in, and agree with closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.attributions.base import Attribution
from imprint.probes.attributions.gradient_times_input import GradientTimesInput
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.attributions.layer_conductance import LayerConductance
from imprint.probes.scoring.attributions import infidelity, max_sensitivity, pointing, removal
from imprint.probes.subjects.subject import Subject

SIZE = 12


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(n: int = 80) -> Tensor:
    """Elements 0-3 decide the value and hardly vary; the others vary and do not count."""
    x = torch.randn(n, SIZE, generator=rng(1))
    x[:, 4:] *= 5
    return x


def linear(weight: Tensor | None = None) -> Subject:
    model = nn.Linear(SIZE, 1)
    with torch.no_grad():
        model.weight.copy_((torch.arange(SIZE) < 4).float() if weight is None else weight)
    return Subject(model)


def attribution(values: Tensor, **other: object) -> Attribution:
    n = len(values)
    return Attribution(values, torch.ones(n), torch.zeros(n), torch.zeros(1, *values.shape[1:]), **other)  # type: ignore[arg-type]


# -- removal ---------------------------------------------------------------------------------------------------------


def test_removing_what_the_value_stands_on_beats_chance_and_variance() -> None:
    x = rows()
    found = removal(linear(), x, IntegratedGradients()(linear(), x), steps=SIZE, rng=rng())
    areas = found.areas
    assert list(areas.index) == ["attribution", "random", "variance"]
    assert areas.loc["attribution", "deletion"] < 0.1 < 0.4 < areas.loc["random", "deletion"] < 0.6
    assert areas.loc["variance", "deletion"] > 0.75
    assert (
        areas.loc["attribution", "insertion"]
        > 0.9
        > areas.loc["random", "insertion"]
        > areas.loc["variance", "insertion"]
    )
    curves = found.curves.set_index("ranking")
    for name in areas.index:
        assert curves.loc[name, "deletion"].iloc[[0, -1]].to_numpy() == pytest.approx([1, 0], abs=1e-5)
        assert curves.loc[name, "insertion"].iloc[[0, -1]].to_numpy() == pytest.approx([0, 1], abs=1e-5)


def test_a_wrong_attribution_does_not_beat_chance() -> None:
    x = rows()
    wrong = IntegratedGradients()(linear(torch.flip((torch.arange(SIZE) < 4).float(), [0])), x)
    areas = removal(linear(), x, wrong, rng=rng()).areas
    assert areas.loc["attribution", "deletion"] > areas.loc["random", "deletion"] + 0.1


def test_deletion_of_one_deciding_element_is_a_step() -> None:
    x = rows().abs()
    subject = linear((torch.arange(SIZE) == 2).float())
    found = removal(subject, x, GradientTimesInput(baseline="zeros")(subject, x), steps=SIZE, rng=rng())
    curve = found.curves[found.curves["ranking"] == "attribution"]
    assert curve["deletion"].to_numpy() == pytest.approx([1.0] + [0.0] * SIZE, abs=1e-5)
    assert found.areas.loc["attribution", "deletion"] == pytest.approx(0.5 / SIZE, abs=1e-5)


def test_equal_attributions_are_removed_in_random_order() -> None:
    x = torch.ones(400, SIZE)
    found = removal(linear((torch.arange(SIZE) == 0).float()), x, attribution(torch.zeros_like(x)), rng=rng()).areas
    assert found.loc["attribution", "deletion"] == pytest.approx(0.5, abs=0.06)


def test_a_constant_value_has_nothing_to_remove() -> None:
    with pytest.raises(NotMeasurableError, match="nothing can be removed"):
        removal(linear(torch.zeros(SIZE)), rows(), attribution(rows()), rng=rng())


# -- infidelity and sensitivity --------------------------------------------------------------------------------------


def test_infidelity_is_zero_for_exact_attributions_and_one_for_none() -> None:
    x, subject = rows(), linear()
    exact = infidelity(subject, x, IntegratedGradients()(subject, x), rng=rng())
    assert exact.relative < 1e-8
    nothing = infidelity(subject, x, attribution(torch.zeros_like(x)), rng=rng())
    assert nothing.relative == 1 and nothing.infidelity > 0.1
    assert infidelity(subject, x, attribution(rows(80).roll(5, 1)), rng=rng()).relative > 2


def test_infidelity_of_a_known_error_has_its_closed_form() -> None:
    x, subject = rows(50), linear()
    error = torch.randn(50, SIZE, generator=rng(3))
    exact = GradientTimesInput(baseline="zeros")(subject, x)
    found = infidelity(subject, x, attribution(exact.attributions + error), samples=800, rng=rng())
    expected = float((error.sum(1).square() + error.square().sum(1)).mean()) / 4
    assert found.infidelity == pytest.approx(expected, rel=0.05)


def test_attributions_that_do_not_move_are_not_sensitive() -> None:
    x = rows()
    steady = max_sensitivity(
        Subject(nn.Linear(SIZE, 1), lambda seen: seen[:, 0] * 0), x, IntegratedGradients(), rng=rng()
    )
    assert torch.equal(steady, torch.zeros(80))


def test_sensitivity_of_a_linear_value_is_the_size_of_the_step() -> None:
    x, subject = rows(20), linear((torch.arange(SIZE) == 0).float())
    for radius in (0.02, 0.2):
        found = max_sensitivity(subject, x, GradientTimesInput(baseline="zeros"), radius=radius, samples=200, rng=rng())
        bound = radius * float(x.std()) / x[:, 0].abs()
        assert bool((found <= bound * 1.001).all()) and bool((found > 0.9 * bound).all())


def test_a_jagged_value_is_more_sensitive_than_a_smooth_one() -> None:
    x = rows()
    smooth, jagged = (
        max_sensitivity(Subject(nn.Linear(SIZE, 1), value), x, GradientTimesInput(), rng=rng()).mean()
        for value in (lambda seen: seen.square().sum(1), lambda seen: (200 * seen).sin().sum(1))
    )
    assert jagged > 10 * smooth


# -- pointing --------------------------------------------------------------------------------------------------------


def test_pointing_counts_top_elements_in_the_mask() -> None:
    x, subject = rows(), linear()
    mask = (torch.arange(SIZE) < 4).expand(80, SIZE)
    right = pointing(IntegratedGradients()(subject, x), mask)
    assert right.accuracy == 1 and right.chance == pytest.approx(4 / SIZE) and right.n == 80 and 0.9 < right.low < 1
    wrong = pointing(IntegratedGradients()(linear((torch.arange(SIZE) > 7).float()), x), mask)
    assert wrong.accuracy == 0 and 0 == wrong.low < wrong.high < 0.1
    noise = pointing(attribution(torch.randn(2000, SIZE, generator=rng())), (torch.arange(SIZE) < 4).expand(2000, SIZE))
    assert noise.low < noise.chance < noise.high


def test_pointing_interval_is_clopper_pearson() -> None:
    values = torch.zeros(40, SIZE)
    values[:29, 1], values[29:, 8] = 1, -1
    found = pointing(attribution(values), (torch.arange(SIZE) < 4).expand(40, SIZE))
    exact = binomtest(29, 40).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_groups_that_agree_within_widen_the_interval() -> None:
    values = torch.zeros(200, SIZE)
    values[:140, 1], values[140:, 8] = 1, 1
    mask = (torch.arange(SIZE) < 4).expand(200, SIZE)
    alone = pointing(attribution(values), mask)
    grouped = pointing(attribution(values), mask, groups=np.repeat(np.arange(10), 20))
    assert grouped.accuracy == alone.accuracy == pytest.approx(0.7)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    mixed = pointing(attribution(values), mask, groups=np.tile(np.arange(10), 20))
    assert mixed.high - mixed.low == pytest.approx(alone.high - alone.low)
    few = pointing(attribution(values[:140]), mask[:140], groups=np.repeat(np.arange(7), 20))
    assert few.low == pytest.approx(binomtest(7, 7).proportion_ci(0.95, method="exact").low)


def test_ties_share_a_hit_and_empty_rows_do_not_count() -> None:
    values = torch.ones(30, SIZE)
    values[10:20] = 0
    mask = (torch.arange(SIZE) < 3).expand(30, SIZE).clone()
    mask[20:] = False
    found = pointing(attribution(values), mask)
    assert found.n == 10 and found.accuracy == pytest.approx(3 / SIZE) and found.chance == pytest.approx(3 / SIZE)
    with pytest.raises(NotMeasurableError, match="no observation"):
        pointing(attribution(values[10:20]), mask[10:20])
    with pytest.raises(NotMeasurableError, match="fewer than two groups"):
        pointing(attribution(values), mask, groups=np.zeros(30))


# -- all -------------------------------------------------------------------------------------------------------------


def test_scores_of_observations_refuse_units_and_other_shapes() -> None:
    x, subject = rows(), Subject(nn.Sequential(nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 1)))
    units = LayerConductance(site="0")(subject, x)
    with pytest.raises(ImprintError, match="units of site '0'"):
        removal(subject, x, units, rng=rng())
    with pytest.raises(ImprintError, match="units of site '0'"):
        infidelity(subject, x, units, rng=rng())
    with pytest.raises(ImprintError, match="units of site '0'"):
        max_sensitivity(subject, x, LayerConductance(site="0"), rng=rng())
    with pytest.raises(ImprintError, match="units of site '0'"):
        pointing(units, x > 0)
    other = attribution(torch.zeros(80, 3))
    for call in (lambda: removal(subject, x, other, rng=rng()), lambda: pointing(other, x > 0)):
        with pytest.raises(ImprintError, match="expected the shape of attributions"):
            call()


def test_same_seed_same_bytes_and_the_global_state_is_left_alone() -> None:
    x, subject = rows(20), linear()
    found, state = IntegratedGradients()(subject, x), torch.get_rng_state()
    for score in (
        lambda seed: removal(subject, x, found, rng=rng(seed)).areas.to_numpy().tolist(),
        lambda seed: infidelity(subject, x, attribution(x), rng=rng(seed)).infidelity,
        lambda seed: max_sensitivity(subject, x, IntegratedGradients(), rng=rng(seed)).tolist(),
    ):
        assert score(0) == score(0) != score(1)
    assert torch.equal(torch.get_rng_state(), state)
