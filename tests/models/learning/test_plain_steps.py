from __future__ import annotations

import pytest
import torch

from imprint.models.handwriting import splits
from imprint.models.learning.plain_steps import accuracy, angles, learned, newborn, started, stepped
from imprint.models.rules.base import Network

WIDTHS = (64, 16, 12, 10)


def rngs(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_backprop_by_plain_steps_is_gradient_descent() -> None:
    network, split = newborn(WIDTHS, rngs(0, 1)), splits([0, 1])
    x, y = split.x[:, :32], split.y[:, :32]
    asked = started("backprop", WIDTHS, [0, 1]).changes(network, x, torch.nn.functional.one_hot(y, 10).float())
    found = stepped(network, asked, torch.tensor([0.5, 0.0]))
    for seed, rate in ((0, 0.5), (1, 0.0)):
        layers = torch.nn.Sequential()
        for weight, bias in zip(network.weights, network.biases, strict=True):
            linear = torch.nn.Linear(weight.shape[2], weight.shape[1])
            linear.load_state_dict({"weight": weight[seed], "bias": bias[seed]})
            layers.extend([linear, torch.nn.Tanh()])
        torch.nn.functional.cross_entropy(layers[:-1](x[seed]), y[seed]).backward()
        torch.optim.SGD(layers.parameters(), lr=rate).step()
        for index, linear in enumerate(layers[:-1:2]):
            assert torch.allclose(found.weights[index][seed], linear.weight, atol=1e-6)
            assert torch.allclose(found.biases[index][seed], linear.bias, atol=1e-6)


def test_a_network_learns_digits_whoever_learns_beside_it_and_a_held_one_keeps_its_hidden_layers() -> None:
    both = learned(
        newborn(WIDTHS, rngs(0, 1)), started("backprop", WIDTHS, [0, 1]), splits([0, 1]), rngs(5, 6), epochs=4
    )
    alone = learned(newborn(WIDTHS, rngs(1)), started("backprop", WIDTHS, [1]), splits([1]), rngs(6), epochs=4)
    assert torch.allclose(both.weights[0][1], alone.weights[0][0], atol=1e-5)
    test = splits([0, 1])
    assert float(accuracy(both, test.tests, test.answers).min()) > 0.7
    born = newborn(WIDTHS, rngs(0))
    held = learned(born, started("backprop", WIDTHS, [0]), splits([0]), rngs(5), epochs=1, hidden=False)
    assert torch.equal(held.weights[0], born.weights[0]) and not torch.equal(held.weights[2], born.weights[2])


def test_steps_that_cool_are_a_line_to_zero() -> None:
    split, rule = splits([0]), started("backprop", WIDTHS, [0])
    found = learned(newborn(WIDTHS, rngs(0)), rule, split, [], epochs=2, rate=0.2, cooling=True)
    half = learned(newborn(WIDTHS, rngs(0)), rule, split, [], epochs=1, rate=0.2)
    expected = learned(half, rule, split, [], epochs=1, rate=0.1)
    assert torch.allclose(found.weights[0], expected.weights[0], atol=1e-6)


def test_a_network_that_diverged_is_right_as_often_as_chance() -> None:
    born, split = newborn(WIDTHS, rngs(0, 1)), splits([0, 1])
    weights = [born.weights[0].clone(), *born.weights[1:]]
    weights[0][1] = torch.nan
    found = accuracy(Network(weights, born.biases, "softmax"), split.tests, split.answers)
    assert float(found[1]) == pytest.approx(0.1) and 0.0 <= float(found[0]) < 0.35


def test_the_angle_is_zero_for_the_gradient_and_does_not_move_a_rule() -> None:
    split, network = splits([0, 1]), newborn(WIDTHS, rngs(0, 1))
    assert max(float(angle.max()) for angle in angles(network, started("backprop", WIDTHS, [0, 1]), split)) < 0.1
    rule = started("node_perturbation", WIDTHS, [0, 1])
    first, second = (angles(network, rule, split) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    random = angles(network, started("feedback_alignment", WIDTHS, [0, 1]), split)
    assert float(random[0].min()) > 45 and float(random[-1].max()) < 0.1
