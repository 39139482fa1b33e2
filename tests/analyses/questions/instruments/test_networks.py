"""Planted networks are what they say, and their true effects are those of closed forms."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch

from imprint.analyses.questions.instruments.effects import Effect, Population
from imprint.analyses.questions.instruments.networks import (
    AGREE,
    CONSTANT,
    HIDDEN,
    PAINTED,
    PLANS,
    SITES,
    Observed,
    PlantedNetwork,
    number_of,
)
from imprint.models.errors import UnknownNameError

NAMES = sorted(PLANS)
LINEAR = [name for name in NAMES if PLANS[name].linear]
NOISE = 0.5
VARIANCE = 1 + NOISE**2
"""Of a sign as it is read."""


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(name: str, n: int = 400, world: int = 1) -> tuple[PlantedNetwork, Observed]:
    network = PlantedNetwork(name, noise=NOISE, world=world)
    return network, network.observe(n, rng=rng(world))


@lru_cache
def population(name: str) -> Population:
    return Population.of(PlantedNetwork(name, noise=NOISE, world=3), rows=40_000, rng=rng())


def close(effect: Effect, truth: float, limit: float | None = None) -> None:
    assert effect.truth == pytest.approx(truth, abs=0.02)
    assert effect.limit == pytest.approx(truth if limit is None else limit, abs=0.02)


# -- the networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_fits_the_architecture_and_the_subject_reads_its_sites(name: str) -> None:
    network, seen = drawn(name)
    assert sum(len(term.units()) for term in PLANS[name].terms) <= HIDDEN
    assert network.subject().reached(seen.observation) == SITES
    assert set(PLANS[name].acts) <= set(PLANS[name].matters) <= set(SITES)
    value = network(seen.observation).detach()
    assert value.shape == (400,) and float(value.var()) > 0.01


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_value_is_its_weights_times_the_pixels(name: str) -> None:
    network, seen = drawn(name)
    by_hand = (network.weight() * seen.observation).sum((1, 2)) + CONSTANT * (name == "constant")
    torch.testing.assert_close(network(seen.observation).detach(), by_hand, atol=1e-5, rtol=0)


def test_clip_and_absolute_are_what_they_are_called() -> None:
    network, seen = drawn("redundant")
    sites = network.branches(seen.observation)
    copies = (
        sites["left"] @ network.direction("left", "concept"),
        sites["middle"] @ network.direction("middle", "copy"),
    )
    rest = 0.3**0.5 * sites["right"] @ network.direction("right", "bystander")
    expected = (2 * copies[0] + 2 * copies[1]).clamp(-1, 1) + 1 + rest
    torch.testing.assert_close(network(seen.observation), expected, atol=1e-5, rtol=0)
    network, seen = drawn("xor")
    sites = network.branches(seen.observation)
    both = sum(sites["left"] @ network.direction("left", sign) for sign in ("first", "second"))
    rest = 0.3**0.5 * sites["right"] @ network.direction("right", "bystander")
    torch.testing.assert_close(network(seen.observation), torch.as_tensor(both).abs() + rest, atol=1e-5, rtol=0)


def test_a_sign_is_read_as_itself_and_noise_of_the_size_that_was_asked() -> None:
    network, seen = drawn("used", 20_000)
    read = network.branches(seen.observation)["left"].detach() @ network.direction("left", "concept")
    sign = 2 * seen.concept.float() - 1
    assert float((read * sign).mean()) == pytest.approx(1, abs=0.02)
    assert float((read - sign).std()) == pytest.approx(NOISE, abs=0.02)


def test_every_unit_of_a_distributed_site_shows_the_concept_and_dead_ones_show_nothing() -> None:
    network, seen = drawn("distributed", 4000)
    for site in ("left", "middle"):
        x = network.branches(seen.observation)[site].detach()
        apart = x[seen.concept].mean(0) - x[~seen.concept].mean(0)
        torch.testing.assert_close(apart, 2 * network.written(site)[:, 0], atol=0.15, rtol=0)
    network, seen = drawn("dead")
    for x in network.branches(seen.observation).values():
        assert bool((x[:, 1::2] == 0).all()) and bool((x[:, ::2].std(0) > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_flipping_changes_the_concept_and_nothing_else(name: str) -> None:
    network, seen = drawn(name)
    moved = (seen.flipped != seen.observation).any(0)
    assert bool((moved <= network.pixels(network.plan.concept)).all())
    assert int(moved.sum()) == PAINTED * (1 if name == "xor" else len(network.plan.concept))
    change = (network(seen.flipped) - network(seen.observation)).detach().abs().max()
    assert (float(change) > 1e-3) is (name not in ("unused", "proxy"))
    inside = network.pixels(network.plan.concept)
    own = torch.where(seen.differs[:, None, None], seen.flipped, seen.observation)
    assert torch.equal(seen.source[:, inside], own[:, inside])
    assert torch.equal(seen.source[1:, ~inside], seen.observation[:-1, ~inside])


def test_the_proxy_agrees_as_often_as_it_says() -> None:
    network, seen = drawn("proxy", 20_000)
    read = network.branches(seen.observation)["left"].detach() @ network.direction("left", "proxy")
    correlation = float((read * (2 * seen.concept.float() - 1)).mean())
    assert correlation == pytest.approx(2 * AGREE - 1, abs=0.02)


def test_same_numbers_same_bytes_and_another_world_another_network() -> None:
    (one, seen), (two, again), (other, _) = drawn("used"), drawn("used"), drawn("used", world=2)
    assert torch.equal(seen.observation, again.observation) and torch.equal(seen.source, again.source)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.left.weight, other.left.weight)
    assert [number_of(name) for name in PLANS] == list(range(len(PLANS)))
    with pytest.raises(UnknownNameError, match="Did you mean 'used'"):
        PlantedNetwork("usde", world=0)


# -- the true effects ------------------------------------------------------------------------------------------------


def test_effects_on_a_used_concept_follow_from_its_part_of_the_value() -> None:
    p = population("used")
    close(p.ablation(("left",), "mean"), 0.7)
    close(p.ablation(("middle",), "zero"), 0.3)
    close(p.ablation(("left",), "resample"), 1.4)
    close(p.ablation(("right",), "mean"), 0)
    close(p.ablation(("left", "middle"), "mean"), 1)
    close(p.erasure(("left",)), 0.7)
    close(p.erasure(("middle",)), 0)
    close(p.patching(("left",)), 1)
    close(p.patching(("middle",)), 0)
    close(p.dose_response("left", (-2.0, 1.0)), 0.7**0.5)
    close(p.interchange("left"), 1)
    assert p.flip() == pytest.approx(2 * (0.7 / VARIANCE) ** 0.5, abs=0.02)
    close(population("weak").erasure(("left",)), 0.02)


def test_a_concept_that_is_not_used_has_no_effect_and_pairs_are_not_measurable() -> None:
    p = population("unused")
    assert p.flip() == pytest.approx(0, abs=1e-5)
    close(p.erasure(("left",)), 0)
    close(p.ablation(("left",), "mean"), 1)
    assert torch.isnan(torch.tensor(p.patching(("left",)).truth))
    assert p.dose_response("left", (1.0,)).truth == pytest.approx(0, abs=1e-4)


def test_erasing_a_concept_takes_the_proxy_along_by_the_closed_form() -> None:
    p, r = population("proxy"), 2 * AGREE - 1
    covariance, cross = torch.tensor([[VARIANCE, r], [r, VARIANCE]]), torch.tensor([1.0, r])
    lost = r**2 / float(cross @ torch.linalg.solve(covariance, cross)) / VARIANCE
    close(p.erasure(("left",)), 0, lost)
    unit = cross / cross.norm()
    slope = float(unit[1] * (unit @ covariance @ unit) ** 0.5) / VARIANCE**0.5
    close(p.dose_response("left", (1.0,)), 0, slope)


def test_either_copy_suffices_and_both_are_needed() -> None:
    p = population("redundant")
    assert p.ablation(("left",), "mean").truth < 0.1 * p.ablation(("left", "middle"), "mean").truth
    assert p.erasure(("left",)).truth < 0.1 * p.erasure(("left", "middle")).truth
    close(p.patching(("left",)), 0.5)
    close(p.patching(("left", "middle")), 1)
    half = population("distributed")
    close(half.ablation(("left",), "mean"), 0.7 / 4)
    close(half.ablation(("left", "middle"), "mean"), 0.7)


def test_a_product_leaves_no_linear_trace_and_carries_everything() -> None:
    p = population("xor")
    erased = p.erasure(("left",))
    assert erased.limit == 0 and erased.truth > 1
    close(p.patching(("left",)), 1)
    close(p.interchange("left"), 1)


def test_only_zero_ablation_is_misled_by_a_constant() -> None:
    p = population("constant")
    close(p.ablation(("right",), "zero"), 0, CONSTANT**2 / VARIANCE)
    close(p.ablation(("right",), "resample"), 0)


def test_what_is_true_does_not_depend_on_the_world_of_a_wired_network() -> None:
    for name in ("redundant", "proxy", "dead"):
        one, two = (
            Population.of(PlantedNetwork(name, noise=NOISE, world=world), rows=40_000, rng=rng(5)) for world in (1, 2)
        )
        for where in SITES:
            for a, b in (
                (one.ablation((where,), "mean"), two.ablation((where,), "mean")),
                (one.erasure((where,)), two.erasure((where,))),
            ):
                assert (a.truth, a.limit) == pytest.approx((b.truth, b.limit), abs=0.03)
