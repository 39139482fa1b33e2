"""The long-term predictor beside tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from imprint.models.assessors.long_term import LongTerm

OPEN = torch.ones(1, dtype=torch.bool)


def predictor(width: int, seeds: int = 1, **changes: object) -> LongTerm:
    return LongTerm(LongTerm.Settings(signal="pain", plain=True, rate=0.5, **changes), seeds, width)


def trial(values: list[float]) -> tuple[Tensor, Tensor]:
    """One-hot states in a row, ``[1, 1, T, T]``, and a signal ``[1, 1, T]``."""
    return torch.eye(len(values))[None, None], torch.tensor(values)[None, None]


def test_the_switch_takes_truth_or_its_own_output_and_the_sum_adds_them() -> None:
    signal, output = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[10.0, 20.0, 30.0]]], dtype=torch.float64)
    told = torch.tensor([[[True, False, True]]])
    assert predictor(1).supervisor(signal, output, told).tolist() == [[[1.0, 20.0, 3.0]]]
    assert predictor(1).supervisor(signal, output).tolist() == [[[1.0, 2.0, 3.0]]]
    assert predictor(1, threshold=1.5).supervisor(signal, output).tolist() == [[[10.0, 2.0, 3.0]]]
    half = predictor(1, form="sum", discount=0.5)
    assert half.supervisor(signal, output, told).tolist() == [[[1.0, 12.0, 3.0]]]
    assert half.supervisor(signal, output).tolist() == [[[6.0, 12.0, 18.0]]]


@settings(max_examples=25, deadline=None)
@given(
    path=st.lists(st.integers(0, 4), min_size=2, max_size=40),
    rewards=st.lists(st.floats(-2, 2), min_size=40, max_size=40),
    ends=st.lists(st.booleans(), min_size=40, max_size=40),
    discount=st.floats(0, 1),
    switch=st.booleans(),
)
def test_step_by_step_it_is_tabular_td(
    path: list[int], rewards: list[float], ends: list[bool], discount: float, switch: bool
) -> None:
    ours = predictor(5) if switch else predictor(5, form="sum", discount=discount)
    table = [0.0] * 5
    for seen, then, reward, over in zip(path, path[1:], rewards, ends, strict=False):
        states = torch.eye(5, dtype=torch.float64)[[seen, then]][None, None]
        signal, told = torch.tensor([[[0.0, reward]]], dtype=torch.float64), torch.tensor([[[False, over]]])
        ours.update(states, signal, OPEN, told)
        held = 0.0 if over else table[then]
        target = reward * (over or not switch) + (held if switch else discount * held)
        table[seen] += 0.5 * (target - table[seen])
    assert np.abs(ours.weight[0].numpy() - table).max() < 1e-12


def test_the_prediction_walks_back_one_step_a_trial_and_is_held_flat() -> None:
    ours = predictor(5, threshold=0.0)
    states, signal = trial([0, 0, 0, 0, 1.0])
    first = []
    for _ in range(60):
        ours.update(states, signal, OPEN)
        first.append(ours.weight[0].tolist())
    assert [next(i for i, row in enumerate(first) if row[cell] > 0) for cell in (3, 2, 1, 0)] == [0, 1, 2, 3]
    ours_long = [ours.update(states, signal, OPEN) for _ in range(600)]
    assert torch.allclose(ours.weight[0, :4], torch.ones(4, dtype=torch.float64), atol=1e-3)
    assert float(ours_long[-1]) < 1e-5


def test_no_override_keeps_a_flat_belief_to_the_bit_and_an_override_of_zero_ends_it() -> None:
    ours = predictor(4, threshold=0.0)
    ours.weight = torch.tensor([[1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    states, nothing = trial([0, 0, 0, 0])
    ours.update(states, nothing, OPEN)
    assert ours.weight.tolist() == [[1.0] * 4]
    told = torch.tensor([[[False, False, False, True]]])
    for _ in range(400):
        ours.update(states, nothing, OPEN, told)
    assert float(ours.weight[0, :3].max()) < 0.01


def test_channels_along_the_leading_axis_learn_as_if_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    x, signals = torch.randn(1, 30, 5, 6, generator=rng), torch.rand(3, 30, 5, generator=rng)
    array = LongTerm(LongTerm.Settings(signal="any", threshold=0.7), 3, 6)
    alone = [LongTerm(LongTerm.Settings(signal="any", threshold=0.7), 1, 6) for _ in range(3)]
    for _ in range(5):
        array.update(x.expand(3, -1, -1, -1), signals, torch.ones(3, dtype=torch.bool))
        for channel, one in enumerate(alone):
            one.update(x, signals[channel : channel + 1], OPEN)
    for channel, one in enumerate(alone):
        assert torch.allclose(array.linear(channel)[0], one.linear(0)[0], atol=1e-6)


def test_settings_of_the_other_form_are_refused() -> None:
    with pytest.raises(ValueError, match="a switch has none"):
        LongTerm.Settings(signal="pain", discount=0.9)
    with pytest.raises(ValueError, match="a sum has no override"):
        LongTerm.Settings(signal="pain", form="sum", threshold=0.5)


def test_plain_is_linear_in_raw_latents() -> None:
    ours = predictor(3)
    states, signal = trial([0.0, 1.0, 0.5])
    ours.update(states, signal, OPEN)
    weight, bias = ours.linear(0)
    x = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(ours.predict(x)[0], x[0] @ weight + bias) and float(bias) == 0.0
