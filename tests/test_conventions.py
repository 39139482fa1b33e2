"""What is said in docs/conventions.md: three ways of drawing the same network, and what does not depend on them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from imprint.analyses.latch.latch import Latch, latch
from imprint.models.handwriting import splits
from imprint.models.learners.base import Frame
from imprint.models.learners.recurrent import Recurrent
from imprint.models.learning.plain_steps import learned, newborn, started
from imprint.models.rules.base import Network
from imprint.probes.subjects.subject import Subject
from tests.known.learners import known

# -- inside or outside -------------------------------------------------------------------------------------------------


class Relabelled(nn.Module):
    """A learner and its assessor as one network: the value is a layer, what was a signal between two is inside."""

    def __init__(self, model: nn.Module, value: Callable[[Tensor], Tensor], shift: float = 0.0) -> None:
        super().__init__()
        self.inner, self.value, self.shift = model, value, shift

    def forward(self, observation: Tensor) -> Tensor:
        """The value ``[n]``."""
        return self.value(observation) + self.shift * observation.flatten(1)[:, 0]


def latched(subject: Subject, sites: list[str]) -> Latch:
    _, world = known("concept")
    return latch(subject, world, intended="concept", proxies=["proxy"], n=300, sites=sites)


def numbers(one: Latch) -> pd.DataFrame:
    frame = one.findings.copy()
    frame["site"] = frame["site"].astype(str).str.replace("inner.", "", regex=False)
    return frame.drop(columns=["why"])


def test_a_value_that_is_called_part_of_the_network_has_the_same_latch_as_one_that_reads_it_from_outside() -> None:
    outside, _ = known("concept")
    sites = ["early", "middle", "late"]
    within = [f"inner.{site}" for site in sites]
    inside = Relabelled(outside.model, outside.model)
    apart = latched(Subject(outside.model, value=lambda observation: outside.model(observation), sites=sites), sites)
    one = latched(Subject(inside, sites=within), within)
    assert one.verdict == apart.verdict == "intended"
    pd.testing.assert_frame_equal(numbers(one), numbers(apart), rtol=1e-5, atol=1e-6)
    other = Relabelled(outside.model, outside.model, shift=1.0)  # another function is another latch
    changed = latched(Subject(other, sites=within), within)
    assert not numbers(changed)["estimate"].equals(numbers(apart)["estimate"])


# -- recurrent, or deep with tied weights ------------------------------------------------------------------------------


def test_a_recurrent_learner_is_a_deep_network_whose_layers_are_one_and_the_same() -> None:
    frame = Frame(6, 1, 8, 8)
    learner = Recurrent.born(Recurrent.Settings(), frame, rng=torch.Generator().manual_seed(0)).double()
    observation = torch.rand(5, 6, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    encoding = learner.encode(observation).detach()

    def layer(gates: nn.Linear, candidate: nn.Linear, now: Tensor, below: Tensor) -> Tensor:
        both = torch.sigmoid(torch.cat([now, below], 1) @ gates.weight.T + gates.bias)
        reset, keep = both.split(below.shape[1], dim=1)
        fresh = torch.tanh(torch.cat([now, reset * below], 1) @ candidate.weight.T + candidate.bias)
        return fresh + keep * (below - fresh)

    activity, depths = torch.zeros_like(encoding[:, 0]), []
    for depth in range(6):
        activity = layer(learner.gates, learner.candidate, encoding[:, depth], activity)
        depths.append(activity)
    assert torch.allclose(torch.stack(depths, 1), learner(observation), atol=1e-6, rtol=0)


def rolled(weights: Tensor, state: Tensor, steps: int) -> Tensor:
    """States after ``steps`` layers ``[L, d, d]``; beyond the last, the last goes on."""
    for step in range(steps):
        state = torch.tanh(state @ weights[min(step, len(weights) - 1)].T)
    return state


def trained(layers: int, steps: int = 4, units: int = 8) -> Tensor:
    """Layers that move a pattern of -1 and 1 on by ``steps`` places in ``steps`` layers, taught by the end alone."""
    rng = torch.Generator().manual_seed(0)
    start = torch.eye(units) + 0.3 * torch.randn(layers, units, units, generator=rng)
    weights = start.requires_grad_(True)
    optimiser = torch.optim.Adam([weights], lr=0.03)
    for _ in range(700):
        state = torch.randint(0, 2, (64, units), generator=rng).float() * 2 - 1
        optimiser.zero_grad()
        (rolled(weights, state, steps) - 0.9 * state.roll(steps, 1)).square().mean().backward()
        optimiser.step()
    return weights.detach()


def test_tied_layers_go_on_beyond_the_depth_that_they_were_taught_at_and_untied_ones_do_not() -> None:
    state = torch.randint(0, 2, (500, 8), generator=torch.Generator().manual_seed(9)).float() * 2 - 1
    right = {}
    for layers in (1, 4):
        weights = trained(layers)
        for steps in (4, 8):
            found = rolled(weights, state, steps).sign() == state.roll(steps, 1)
            right[layers, steps] = float(found.float().mean())
    assert right[1, 4] > 0.95 and right[4, 4] > 0.95
    assert right[1, 8] >= right[4, 8] + 0.1


# -- layer by layer, or all at once in time ----------------------------------------------------------------------------


def wave(network: Network, x: Tensor, times: int) -> list[list[Tensor]]:
    """Activities of all layers at every time, when each layer hears the one below as it was a moment before."""
    silent = [torch.zeros(*x.shape[:2], width) for width in network.widths[1:]]
    history = [silent]
    for _ in range(times):
        below = [x, *history[-1][:-1]]
        history.append([network.layer(index, each) for index, each in enumerate(below)])
    return history


def test_a_forward_pass_is_the_end_of_a_wave_that_reaches_one_layer_after_the_other() -> None:
    widths, split = (64, 24, 24, 24, 10), splits([0])
    born = newborn(widths, [torch.Generator().manual_seed(0)])
    orders = [torch.Generator().manual_seed(1)]
    network = learned(born, started("backprop", widths, [0]), split, orders, epochs=4, rate=0.3)
    x, layers = split.tests[:, :200], len(widths) - 1
    history = wave(network, x, layers + 2)
    for index, activity in enumerate(network.activities(x)[1:]):
        for time in (index + 1, layers + 2):
            assert torch.allclose(history[time][index], activity, atol=1e-6)
    other = wave(network, x.flip(1), layers + 2)  # the same wave with other images patched in at the bottom
    arrival = [
        next(time for time in range(layers + 3) if not torch.equal(history[time][index], other[time][index]))
        for index in range(layers)
    ]
    assert arrival == [1, 2, 3, 4]
    named = [float((each[-1].argmax(2) == split.answers[:, :200]).float().mean()) for each in history]
    assert max(named[:layers]) < 0.3 and min(named[layers:]) > 0.8
    assert named[-1] == pytest.approx(named[layers])
