"""The task is what it says, a trained network solves it, and the search reads its layers rightly."""

from __future__ import annotations

import pytest
import torch

from imprint.analyses.questions.known_results import hierarchical_equality as he
from imprint.probes.causal.alignment_search import Budget, search


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_labels_follow_from_the_objects_and_are_balanced() -> None:
    observation, equal = he.objects(4000, rng=rng())
    four = observation.reshape(4000, 4, he.SIZE)
    assert torch.equal(equal[:, 0], (four[:, 0] == four[:, 1]).all(1))
    assert torch.equal(equal[:, 1], (four[:, 2] == four[:, 3]).all(1))
    for share in (equal[:, 0], equal[:, 1], he.label(equal)):
        assert float(share.float().mean()) == pytest.approx(0.5, abs=0.03)


def test_no_part_of_the_observation_says_the_target_linearly_and_wrong_targets_are_not_the_right_ones() -> None:
    pairs, wrong = he.pairs(4000, rng=rng())
    for other in (wrong, pairs.base[:, 0] > 0, pairs.source[:, 0] > 0):
        assert float((pairs.target == other).float().mean()) == pytest.approx(0.5, abs=0.03)


def test_an_untrained_network_is_born_as_torch_would_bear_it() -> None:
    network = he.untrained(rng=rng(), widths=(64, 32))
    weight = network[2].weight.detach()
    assert [tuple(p.shape) for p in network.parameters()] == [(64, 16), (64,), (32, 64), (32,), (2, 32), (2,)]
    assert float(weight.abs().max()) <= 64**-0.5
    assert float(weight.std()) == pytest.approx(1 / (64 * 3) ** 0.5, rel=0.05)
    assert he.accuracy(network, rng=rng()) == pytest.approx(0.5, abs=0.05)


def test_the_first_layer_holds_the_variable_the_last_does_not_and_no_placebo_gets_near() -> None:
    generator = rng()
    network = he.trained(rng=generator, steps=1200, batch=512)
    assert he.accuracy(network, rng=generator) > 0.98
    subject, untrained = he.subject(network), he.subject(he.untrained(rng=generator))
    assert subject.declared == ("1", "3", "5")
    pairs, wrong = he.pairs(6000, rng=generator)
    found = search(
        subject, "1", pairs, rank=16, budget=Budget(steps=300), wrong_site="5", untrained=untrained,
        wrong_target=wrong, rng=generator,
    )  # fmt: skip
    assert found.score() > 0.85
    for control in ("no interchange", "untrained rotation", "wrong site", "untrained model", "wrong variable"):
        assert found.score(control) < 0.65, control
