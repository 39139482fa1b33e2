"""Every attribution method: right where a closed form is known, equal for equal input, and leaving nothing behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.probes.attributions.base import ATTRIBUTIONS, Attribution, Attributor, LayerAttributor
from imprint.probes.subjects.guards import registered_hooks
from imprint.probes.subjects.subject import Subject

ALL = {name: ATTRIBUTIONS.load(name) for name in ATTRIBUTIONS.names()}
LAYER = sorted(name for name, cls in ALL.items() if issubclass(cls, LayerAttributor))
OBSERVATION = sorted(ALL.keys() - LAYER)
GRADIENT = [name for name in OBSERVATION if ALL[name].needs_gradient]
PERTURBING = [name for name in OBSERVATION if not ALL[name].needs_gradient]
COMPLETE = sorted(name for name, cls in ALL.items() if cls.complete)
SHAPES = [(6,), (2, 3), (2, 3, 4), (2, 2, 3, 4)]


def rows(n: int = 7, shape: tuple[int, ...] = (2, 3), seed: int = 0) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed)) + 1


def network(width: int = 6, *, seed: int = 0, hidden: int = 16) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(width, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )


def linear(shape: tuple[int, ...]) -> tuple[Subject, Tensor]:
    weight = torch.linspace(-1, 2, math.prod(shape)).reshape(shape) / math.prod(shape)
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 1))
    with torch.no_grad():
        model[1].weight.copy_(weight.reshape(1, -1))
    return Subject(model), weight


def build(name: str, **settings: Any) -> Attributor:
    """The member; patches of one element where it has patches, the hidden ReLU where it wants a site."""
    known = {field.name for field in fields(ALL[name])}
    usual = {"patch": (), "site": "4"}
    made: Attributor = ALL[name](**{key: value for key, value in usual.items() if key in known} | settings)
    return made


def test_the_family_is_whole() -> None:
    assert set(OBSERVATION) >= {"integrated_gradients", "deep_lift", "gradient_times_input"}
    assert set(PERTURBING) >= {"feature_ablation", "occlusion", "shapley_sampling"}
    assert set(LAYER) >= {"layer_conductance", "layer_integrated_gradients"}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("baseline", ["mean", "zeros"])
@pytest.mark.parametrize("name", OBSERVATION)
def test_a_linear_value_gives_weight_times_distance(name: str, baseline: str, shape: tuple[int, ...]) -> None:
    subject, weight = linear(shape)
    x = rows(shape=shape)
    start = x.mean(0) if baseline == "mean" else torch.zeros(shape)
    found = build(name, baseline=baseline)(subject, x)
    torch.testing.assert_close(found.attributions, weight * (x - start), atol=1e-5, rtol=0)
    assert float(found.completeness_error.abs().max()) < 1e-5
    torch.testing.assert_close(found.baseline[0], start)


@pytest.mark.parametrize("name", LAYER)
def test_units_followed_by_a_linear_layer_give_weight_times_their_change(name: str) -> None:
    model, x = network(), rows()
    found = build(name)(Subject(model), x)
    change = model[:5](x) - model[:5](x.mean(0, keepdim=True))
    torch.testing.assert_close(found.attributions, (model[5].weight * change).detach(), atol=1e-5, rtol=0)
    assert found.site == "4" and found.attributions.shape == (7, 16)


@pytest.mark.parametrize("name", LAYER)
def test_one_position_of_a_sequence_is_a_site(name: str) -> None:
    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.each = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return (self.each(x) * torch.tensor([1.0, -2.0])[:, None]).sum((1, 2))

    model, x = Steps(), rows()
    found = build(name, site="each@1")(Subject(model), x)
    torch.testing.assert_close(found.attributions, -2 * (model.each(x) - model.each(x.mean(0)))[:, 1].detach())


@pytest.mark.parametrize("name", COMPLETE)
def test_what_is_promised_to_add_up_adds_up_on_a_curved_value(name: str) -> None:
    found = build(name, **({"site": "2"} if name in LAYER else {}))(Subject(network()), rows(40))
    assert found.complete and found.value.std() > 0.05
    assert float(found.completeness_error.abs().max()) < 0.05 * float(found.value.std())


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_value_that_ignores_an_element_or_unit_gives_it_nothing(name: str) -> None:
    model = network()
    with torch.no_grad():
        model[1].weight[:, 0] = 0
        model[5].weight[:, 0] = 0
    found = build(name)(Subject(model), rows()).attributions.flatten(1)
    # Values of perturbed rows are subtracted from one another, so nothing is nothing up to rounding.
    assert float(found[:, 0].abs().max()) < 1e-6 and float(found[:, 1:].abs().max()) > 0.01


@pytest.mark.parametrize("name", sorted(ALL))
def test_rows_do_not_depend_on_their_company(name: str) -> None:
    subject, x = Subject(network()), rows(9)
    whole = build(name, baseline="zeros")(subject, x).attributions
    for other in (build(name, baseline="zeros", rows=5)(subject, x), build(name, baseline="zeros", rows=2)(subject, x)):
        torch.testing.assert_close(other.attributions, whole, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(build(name, baseline="zeros")(subject, x[3:4]).attributions, whole[3:4])


@pytest.mark.parametrize("name", sorted(ALL))
def test_same_settings_same_bytes_and_nothing_left_behind(name: str) -> None:
    model, x = network(), rows()
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    attributes = [sorted(vars(module)) for module in model.modules()]
    kept = x.clone()
    one, two = (build(name)(Subject(model), x) for _ in range(2))
    assert torch.equal(one.attributions, two.attributions) and torch.equal(x, kept) and not x.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not one.attributions.requires_grad and not one.value.requires_grad
    assert [sorted(vars(module)) for module in model.modules()] == attributes
    assert not list(registered_hooks(model))


@pytest.mark.parametrize("name", sorted(ALL))
def test_it_follows_an_output_and_a_readout(name: str) -> None:
    model, x = network(), rows()
    model[5] = nn.Linear(16, 3)
    at = {"site": "2"} if name in LAYER else {}
    for subject, value in (
        (Subject(model).output(2), lambda seen: model(seen)[:, 2]),
        (Subject(model).reading("4", lambda h: h[:, 0]), lambda seen: model[:5](seen)[:, 0]),
    ):
        found = build(name, **at)(subject, x)
        torch.testing.assert_close(found.value, value(x).detach())
        direct = build(name, **at)(Subject(model, value), x)
        torch.testing.assert_close(found.attributions, direct.attributions)


@pytest.mark.parametrize("name", sorted(ALL))
def test_in_place_modules_change_nothing(name: str) -> None:
    plain, in_place = network(), network()
    in_place[4] = nn.ReLU(inplace=True)
    for site in ["3", "4"] if name in LAYER else [None]:
        at = {"site": site} if site else {}
        one, two = (build(name, **at)(Subject(model), rows()) for model in (plain, in_place))
        torch.testing.assert_close(one.attributions, two.attributions)


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize(
    ("observation", "message"),
    [
        (lambda: torch.ones(3, 2, 3, dtype=torch.long), "wants a float observation"),
        (lambda: rows().index_fill(0, torch.tensor([1]), math.nan), "NaN or infinite"),
        (lambda: torch.ones(()), r"expected a tensor \[n, ...\]"),
    ],
)
def test_bad_observations_are_refused(name: str, observation: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        build(name)(Subject(network()), observation())


@pytest.mark.parametrize("name", sorted(ALL))
def test_bad_settings_are_refused(name: str) -> None:
    with pytest.raises(ImprintError, match="'mean' or 'zeros'"):
        build(name, baseline="median")(Subject(network()), rows())
    with pytest.raises(ImprintError, match="rows is 0"):
        build(name, rows=0)(Subject(network()), rows())


class Threshold(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).float()


@pytest.mark.parametrize("name", GRADIENT)
def test_a_lost_gradient_is_refused_by_name(name: str) -> None:
    model = network()
    model[2] = Threshold()
    with pytest.raises(ImprintError, match="lost at or before module '2'"):
        build(name)(Subject(model), rows())


@pytest.mark.parametrize("name", PERTURBING)
def test_methods_without_gradients_need_none(name: str) -> None:
    model = network()
    model[2] = Threshold()
    assert float(build(name)(Subject(model), rows()).attributions.abs().max()) > 0


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.act, self.out = nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = self.act(self.inner(x))
        out: Tensor = self.out(x)
        return out


@pytest.mark.parametrize("name", [*LAYER, "deep_lift"])
def test_a_module_that_runs_twice_is_refused_by_name(name: str) -> None:
    at = {"site": "act"} if name in LAYER else {}
    with pytest.raises(ImprintError, match=r"module 'act'.* 2 times"):
        build(name, **at)(Subject(Twice()), rows(shape=(3,)))


@pytest.mark.parametrize("name", LAYER)
def test_bad_sites_are_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="'44'"):
        build(name, site="44")(Subject(network()), rows())
    model = network()
    with pytest.raises(ImprintError, match="'4' 0 times"):
        build(name, site="4")(Subject(model, lambda x: model[:3](x).sum(1)), rows())
    model[4] = Threshold()
    with pytest.raises(ImprintError, match="does not reach site '2'"):
        build(name, site="2")(Subject(model), rows())


@pytest.mark.parametrize("name", LAYER)
def test_masks_of_the_observation_say_nothing_about_units(name: str) -> None:
    found: Attribution = build(name)(Subject(network()), rows())
    with pytest.raises(ImprintError, match="units of site '4'"):
        found.mass_on({"all": torch.ones(7, 16, dtype=torch.bool)})
