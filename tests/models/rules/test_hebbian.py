"""Oja's rule against an eigenvector of the input's covariance."""

from __future__ import annotations

import torch

from imprint.models.rules.base import Network
from imprint.models.rules.hebbian import Hebbian


def test_a_unit_comes_to_point_along_the_first_principal_direction_with_unit_length() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4000, 5, generator=rng) * torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0])
    x = x @ torch.linalg.qr(torch.randn(5, 5, generator=rng))[0] + 7.0
    centred = torch.nn.functional.normalize(x[0] - x[0].mean(0), dim=1)
    first = torch.linalg.eigh(centred.T @ centred)[1][:, -1]
    rule = Hebbian(Hebbian.Settings(winners=1))
    rule.start((5, 1, 2), (0,))
    weights = [torch.randn(1, 1, 5, generator=rng), torch.randn(1, 2, 1, generator=rng)]
    for _ in range(400):
        changes = rule.changes(Network(weights, [torch.zeros(1, 1), torch.zeros(1, 2)]), x, torch.zeros(1, 4000, 2))
        weights[0] = weights[0] - 0.1 * changes.weights[0]
    assert abs(float(weights[0][0, 0] @ first)) > 0.999
    assert abs(float(weights[0].norm()) - 1) < 1e-2
