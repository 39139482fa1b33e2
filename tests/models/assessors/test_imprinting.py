"""The imprinting window opens at its first event, closes by count or by age, exactly to the episode, or never opens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.assessors.imprinting import Imprinting
from imprint.models.assessors.valence import Valence

SEEDS, N, STEPS, WIDTH = 2, 8, 3, 4
BOTH = torch.ones(SEEDS, dtype=torch.bool)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**settings: object) -> Imprinting:
    return Imprinting(Imprinting.Settings(signal="s", lag=1, **settings), SEEDS, WIDTH)


def lesson(seed: int, events: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Latents, and a signal of 1 at the last step of the episodes named for each seed and small noise elsewhere."""
    signal = 0.1 * torch.rand(SEEDS, N, STEPS, generator=rng(seed))
    for s, rows in enumerate(events):
        signal[s, rows, -1] = 1.0
    return torch.randn(SEEDS, N, STEPS, WIDTH, generator=rng(100 + seed)), signal


@pytest.mark.parametrize(
    ("settings", "used"), [({}, range(2, 8)), ({"events": 2}, range(2, 6)), ({"lasts": 3}, range(2, 5))]
)
def test_it_learns_from_exactly_the_episodes_within_the_window(settings: dict[str, int], used: range) -> None:
    window = build(**settings)
    x, signal = lesson(0, [[2, 5, 7], []])
    window.update(x, signal, BOTH)
    oracle = Valence(Valence.Settings(signal="s", lag=1), 1, WIDTH)
    oracle.update(x[:1, list(used)], signal[:1, list(used)], BOTH[:1])
    for mine, theirs in zip(window.linear(0), oracle.linear(0), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert float(window.linear(1)[0].abs().max()) == 0.0 and window.opened.tolist() == [True, False]


def test_it_freezes_for_good_once_closed_and_counts_on_over_batches() -> None:
    window, frozen = build(events=4), []
    for i in range(5):
        window.update(*lesson(i, [[1, 6], [0, 1, 2, 3, 4]]), BOTH)
        frozen.append([window.linear(s)[0].clone() for s in range(SEEDS)])
    assert not torch.equal(frozen[0][0], frozen[1][0]) and torch.equal(frozen[1][0], frozen[4][0])
    assert torch.equal(frozen[0][1], frozen[4][1]) and window.events.tolist() == [4, 4]
    aged = build(lasts=9)
    for i in range(4):
        aged.update(*lesson(i, [[0], [7]]), BOTH)
    assert aged.updates.tolist() == [2, 2], "9 experiences from the first event reach into a second batch"


def test_a_window_that_never_opens_leaves_the_assessor_untouched() -> None:
    window, fresh = build(threshold=2.0, events=5), build()
    for i in range(3):
        window.update(*lesson(i, [[0, 1], [2]]), BOTH)
    assert all(
        torch.equal(window.state(s)[name], fresh.state(s)[name]) for s in range(SEEDS) for name in fresh.state(s)
    )
    window.update(*lesson(4, [[0], [0]]), ~BOTH)
    assert not window.opened.any()
