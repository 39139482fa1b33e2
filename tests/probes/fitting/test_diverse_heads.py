from __future__ import annotations

import pytest
import torch
from sklearn.metrics import mutual_info_score

from imprint.models.errors import ImprintError
from imprint.probes.fitting.diverse_heads import diverse_heads, mutual_information


def features(n: int, *, together: bool, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Two features that go together or not, in ten columns of another basis; ``[n, 10]`` and bool ``[n, 2]``."""
    truth = torch.rand(n, 2, generator=rng) < 0.5
    if together:
        truth = truth[:, :1].expand(-1, 2)
    basis = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(1)))[0]
    plain = 0.3 * torch.randn(n, 10, generator=rng)
    plain[:, :2] += 2.0 * truth - 1.0
    return plain @ basis, truth


@pytest.mark.parametrize("hidden", [0, 8])
def test_heads_that_are_made_to_differ_disagree_where_two_features_part_and_others_do_not(hidden: int) -> None:
    rng = torch.Generator().manual_seed(0)
    x, labels = features(600, together=True, rng=rng)
    free, _ = features(400, together=False, rng=rng)
    new, truth = features(400, together=False, rng=rng)
    apart = truth[:, 0] != truth[:, 1]
    differ = {}
    for diversity in (0.0, 10.0):
        heads = diverse_heads(x, labels, free, diversity=diversity, hidden=hidden, rng=torch.Generator().manual_seed(3))
        assert all(((logits(head, x) > 0) == labels[:, 0]).float().mean() > 0.97 for head in heads)
        differ[diversity] = (logits(heads[0], new) > 0) != (logits(heads[1], new) > 0)
    assert differ[10.0][apart].float().mean() > 0.9 and differ[10.0][~apart].float().mean() < 0.05
    assert differ[0.0][apart].float().mean() < 0.5


def test_a_column_that_is_constant_but_for_rounding_has_no_say() -> None:
    rng = torch.Generator().manual_seed(4)
    x, labels = features(300, together=True, rng=rng)
    jitter = torch.where(torch.rand(300, 1, generator=rng) < 0.5, 1.0, 1.0 + 2.0**-23)
    x = torch.cat([x, jitter], 1)
    for head in diverse_heads(x, labels, x, diversity=0.0, rng=rng, steps=20):
        moved = x + torch.cat([torch.zeros(10), torch.tensor([4 * 2.0**-23])])
        torch.testing.assert_close(logits(head, x), logits(head, moved))


def logits(head: tuple[torch.Tensor, ...], x: torch.Tensor) -> torch.Tensor:
    """Log-odds from parameters, as the docstring of the function says."""
    out = x.double() @ head[0] + head[1]
    return (out if len(head) == 2 else torch.relu(out) @ head[2] + head[3])[:, 0]


def test_mutual_information_is_that_of_the_answers() -> None:
    first, second = (torch.rand(2, 300, generator=torch.Generator().manual_seed(2)) < 0.5).long()
    second = torch.where(torch.arange(300) < 200, first, second)
    found = float(mutual_information(first.double(), second.double()))
    assert found == pytest.approx(mutual_info_score(first, second), abs=1e-9)


def test_shapes_and_labels_that_do_not_fit_are_named() -> None:
    x, rng = torch.randn(6, 3), torch.Generator()
    labels = torch.tensor([[True, False]] * 3 + [[False, True]] * 3)
    with pytest.raises(ImprintError, match=r"\[n, 2\]"):
        diverse_heads(x, labels[:, 0], x, diversity=1.0, rng=rng)
    with pytest.raises(ImprintError, match="both classes"):
        diverse_heads(x, torch.ones(6, 2, dtype=torch.bool), x, diversity=1.0, rng=rng)
