"""What sets the attribution methods apart: each on a value where its answer is known, and where it must refuse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import patch_index, patch_shape
from imprint.probes.attributions.deep_lift import DeepLift
from imprint.probes.attributions.feature_ablation import FeatureAblation
from imprint.probes.attributions.gradient_times_input import GradientTimesInput
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.attributions.layer_conductance import LayerConductance
from imprint.probes.attributions.layer_integrated_gradients import LayerIntegratedGradients
from imprint.probes.attributions.occlusion import Occlusion
from imprint.probes.attributions.shapley_sampling import ShapleySampling
from imprint.probes.subjects.subject import Subject

FLAT = nn.Flatten()


def rows(n: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def network(*, activation: nn.Module | None = None, width: int = 6) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(width, 12), activation or nn.ReLU(), nn.Linear(12, 1)).eval()


# -- gradients -------------------------------------------------------------------------------------------------------


def test_a_saturated_value_hides_from_the_gradient_and_not_from_the_path() -> None:
    subject = Subject(FLAT, lambda x: torch.tanh(20 * x[:, 0]))
    x = torch.ones(3, 2)
    local = GradientTimesInput(baseline="zeros")(subject, x)
    path = IntegratedGradients(baseline="zeros", steps=128)(subject, x)
    assert float(local.attributions.abs().max()) < 1e-6 and not local.complete
    torch.testing.assert_close(local.completeness_error, -torch.ones(3))
    torch.testing.assert_close(path.attributions, torch.tensor([[1.0, 0.0]]).expand(3, 2), atol=0.01, rtol=0)


# -- DeepLIFT --------------------------------------------------------------------------------------------------------


def test_deep_lift_follows_the_rescale_rule() -> None:
    model, x = network(), rows(9, 6)
    start = x.mean(0, keepdim=True)
    before, after = model[1](start), model[1](x)
    multiplier = (after.relu() - before.relu()) / (after - before)
    expected = (multiplier * model[3].weight) @ model[1].weight * (x - start)
    torch.testing.assert_close(DeepLift()(Subject(model), x).attributions, expected.detach(), atol=1e-5, rtol=1e-4)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(6, 12), nn.Linear(12, 1)
        with torch.no_grad():
            self.inner.weight.copy_(rows(12, 6, seed=2))
            self.out.weight.copy_(rows(1, 12, seed=3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(torch.relu(self.inner(x)))
        return out


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.gru, self.out = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.gru(x)[0][:, -1])
        return out


def test_deep_lift_refuses_what_its_hooks_cannot_see() -> None:
    with pytest.raises(ImprintError, match=r"in no module or in a function outside modules"):
        DeepLift()(Subject(Functional()), 3 * rows(20, 6))
    with pytest.raises(ImprintError, match=r"in '2' \(GELU\) or"):
        DeepLift()(Subject(network(activation=nn.GELU())), 3 * rows(20, 6))
    with pytest.raises(ImprintError, match=r"in '2' \(Softmax\) or"):
        DeepLift()(Subject(network(activation=nn.Softmax(1))), 9 * rows(20, 6))
    with pytest.raises(ImprintError, match=r"in 'gru' \(GRU\) or"):
        DeepLift()(Subject(Recurrent()), 3 * rows(20, 5, 3))
    found = DeepLift(tolerance=math.inf)(Subject(Functional()), 3 * rows(20, 6))
    assert float(found.completeness_error.abs().max()) > 0.1


def test_deep_lift_sees_the_nonlinearity_of_a_readout_fail_too() -> None:
    subject = Subject(network()).reading("2", lambda h: h.sum(1) ** 2)
    with pytest.raises(ImprintError, match="miss the change of value"):
        DeepLift()(subject, 3 * rows(20, 6))


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.Sigmoid(), nn.BatchNorm2d(3)], ids=repr)
def test_deep_lift_adds_up_through_modules_it_knows(layer: nn.Module) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), layer, nn.Flatten(), nn.LazyLinear(1)).eval()
        model(rows(2, 2, 6, 6))
    found = DeepLift()(Subject(model), rows(8, 2, 6, 6))
    assert float(found.completeness_error.abs().max()) < 1e-4 < float(found.attributions.abs().max())


# -- patches ---------------------------------------------------------------------------------------------------------


def test_patches_tile_the_last_axes() -> None:
    image = rows(2, 3, 4, 6)
    assert patch_shape(image, (0, 2, 3)) == (3, 2, 3) and patch_shape(image, (2,)) == (1, 1, 2)
    assert patch_shape(image, None) == (3, 1, 1) and patch_shape(rows(2, 5, 3, 12, 12), None) == (1, 3, 3, 3)
    assert patch_shape(rows(2, 6), None) == (1,) and patch_shape(rows(2, 6, 6), None) == (1, 1)
    index = patch_index(image, (0, 2, 3))[0]
    assert torch.equal(index[0], index[2]) and index[0].tolist() == [[0] * 3 + [1] * 3] * 2 + [[2] * 3 + [3] * 3] * 2
    for wrong in ((1, 1, 1, 1), (-1,)):
        with pytest.raises(ImprintError, match="patch is"):
            FeatureAblation(patch=wrong)(Subject(network(width=72)), image)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.lists(st.integers(0, 4), max_size=4))
def test_every_element_lies_in_one_patch_and_none_is_empty(shape: list[int], patch: list[int]) -> None:
    patch = patch[: len(shape)]
    index = patch_index(torch.zeros(2, *shape), tuple(patch))
    sides = patch_shape(torch.zeros(2, *shape), tuple(patch))
    assert index.shape == (1, *shape)
    assert torch.equal(
        index.unique(), torch.arange(math.prod(-(-size // s) for size, s in zip(shape, sides, strict=True)))
    )
    assert int(index.flatten().bincount().max()) == math.prod(sides)


def test_a_patch_shares_its_effect_evenly() -> None:
    subject = Subject(FLAT, lambda x: x[:, 0, 0] * x[:, 0, 1] + x[:, 1, 2] - 2 * x[:, 1, 3])
    x = rows(5, 2, 4)
    together = FeatureAblation(baseline="zeros", patch=(1, 2))(subject, x).attributions
    product, rest = x[:, 0, 0] * x[:, 0, 1] / 2, (x[:, 1, 2] - 2 * x[:, 1, 3]) / 2
    expected = torch.zeros(5, 2, 4)
    expected[:, 0, :2], expected[:, 1, 2:] = product[:, None], rest[:, None]
    torch.testing.assert_close(together, expected)
    alone = FeatureAblation(baseline="zeros")(subject, x)
    torch.testing.assert_close(alone.completeness_error, x[:, 0, 0] * x[:, 0, 1])


def test_occlusion_averages_the_windows_that_cover_an_element() -> None:
    subject = Subject(FLAT, lambda x: x.sum(1))
    x = torch.arange(1.0, 6)[None].repeat(2, 1)
    found = Occlusion(baseline="zeros", patch=(2,))(subject, x).attributions[0]
    pairs = [(x[0, i] + x[0, i + 1]) / 2 for i in range(4)]
    expected = [pairs[0], *((a + b) / 2 for a, b in itertools.pairwise(pairs)), pairs[-1]]
    torch.testing.assert_close(found, torch.stack(expected))


def test_occlusion_by_images_finds_the_object() -> None:
    mask = torch.zeros(4, 3, 16, 16, dtype=torch.bool)
    mask[:, :, 5:9, 5:9] = True
    subject = Subject(
        FLAT, lambda x: (x * mask[: len(x)]).sum((1, 2, 3)) if len(x) <= 4 else (x * mask[:1]).sum((1, 2, 3))
    )
    x = torch.ones(4, 3, 16, 16)
    for method in (Occlusion(baseline="zeros"), FeatureAblation(baseline="zeros")):
        table = method(subject, x).mass_on({"object": mask}).iloc[0]
        assert table["mass"] > 4 * table["area"]


# -- Shapley values --------------------------------------------------------------------------------------------------


def shapley(value: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Exact Shapley values against zeros, by all orders."""
    d = x.shape[1]
    total = torch.zeros_like(x)
    for order in itertools.permutations(range(d)):
        now = torch.zeros_like(x)
        for i in order:
            then = now.clone()
            then[:, i] = x[:, i]
            total[:, i] += value(then) - value(now)
            now = then
    return total / math.factorial(d)


def test_pairs_of_orders_are_exact_for_interactions_of_two() -> None:
    coupling = rows(6, 6, seed=5)
    x = rows(7, 6)

    def value(seen: Tensor) -> Tensor:
        return ((seen @ coupling) * seen).sum(1)

    found = ShapleySampling(baseline="zeros", samples=2, seed=11)(Subject(FLAT, value), x)
    torch.testing.assert_close(found.attributions, shapley(value, x), atol=1e-4, rtol=1e-4)


def test_sampled_orders_come_close_to_all_orders_on_a_curved_value() -> None:
    model, x = network(width=5), 2 * rows(6, 5)
    with torch.no_grad():
        exact = shapley(lambda seen: model(seen)[:, 0], x)
    error = [
        float((ShapleySampling(baseline="zeros", samples=s)(Subject(model), x).attributions - exact).norm())
        for s in (4, 100)
    ]
    assert error[1] < 0.1 * float(exact.norm()) and error[1] < 0.5 * error[0]


def test_the_seed_draws_the_orders() -> None:
    subject, x = Subject(network()), 2 * rows(6, 6)
    one, same, other = (ShapleySampling(samples=4, seed=s)(subject, x).attributions for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    for samples in (0, 3):
        with pytest.raises(ImprintError, match="even number"):
            ShapleySampling(samples=samples)(subject, x)


# -- layers ----------------------------------------------------------------------------------------------------------


def test_conductance_of_the_first_units_sums_integrated_gradients() -> None:
    model, x = network(activation=nn.Tanh()), rows(8, 2, 3)
    units = LayerConductance(site="0", steps=2000)(Subject(model), x)
    inputs = IntegratedGradients(steps=64)(Subject(model), x)
    torch.testing.assert_close(units.attributions, inputs.attributions.flatten(1), atol=1e-3, rtol=0)


class Skip(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.branch(x) * x).sum(1) + 5 * x[:, 0]


def test_what_bypasses_the_site_is_not_credited_to_it() -> None:
    model, x = Skip(), rows(9, 3)
    subject = Subject(model)
    start = model.branch(torch.zeros(1, 3))
    units = LayerIntegratedGradients(site="branch", baseline="zeros")(subject, x)
    torch.testing.assert_close(units.attributions, (x * (model.branch(x) - start)).detach())
    torch.testing.assert_close(units.baseline_value, ((start * x).sum(1) + 5 * x[:, 0]).detach())
    assert float(units.completeness_error.abs().max()) < 1e-5
    through = LayerConductance(site="branch", baseline="zeros")(subject, x)
    assert float(through.completeness_error.abs().max()) > 1
