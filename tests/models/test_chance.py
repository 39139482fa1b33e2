"""Random numbers of environments are SplitMix64's, counted from a key of each copy."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from imprint.models.chance import uniform


def split_mix(key: int) -> tuple[int, int]:
    """SplitMix64 in plain Python: the next state and output."""
    mask = 2**64 - 1
    key = (key + 0x9E3779B97F4A7C15) & mask
    z = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return key, z ^ (z >> 31)


@given(key=st.integers(-(2**63), 2**63 - 1), count=st.integers(1, 4))
def test_dice_are_split_mix(key: int, count: int) -> None:
    numbers, after = uniform(torch.tensor([key, 0]), count)
    state = key % 2**64
    for i in range(count):
        state, output = split_mix(state)
        assert float(numbers[0, i]) == (output >> 40) / 2**24
    assert int(after[0]) % 2**64 == state
    assert numbers.shape == (2, count) and float(numbers.max()) < 1.0


def test_split_mix_gives_its_published_numbers() -> None:
    _, first = split_mix(1234567)
    assert first == 6457827717110365317


def test_dice_are_even() -> None:
    numbers, _ = uniform(torch.arange(100_000), 2)
    assert abs(float(numbers.mean()) - 0.5) < 0.005 and abs(float(numbers.var()) - 1 / 12) < 0.002
    assert abs(float(torch.corrcoef(numbers.T)[0, 1])) < 0.02
