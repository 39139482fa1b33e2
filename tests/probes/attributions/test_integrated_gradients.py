"""Integrated gradients: exact on a linear value, complete on a curved one, and weighed by masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.subjects.subject import Subject


def rows(n: int = 20) -> Tensor:
    return torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(0)) + 1


def linear() -> tuple[Subject, Tensor]:
    weight = torch.arange(6.0).reshape(2, 3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    with torch.no_grad():
        model[1].weight.copy_(weight.reshape(1, 6))
    return Subject(model), weight


@pytest.mark.parametrize("baseline", ["mean", "zeros"])
def test_linear_value_is_exact(baseline: str) -> None:
    subject, weight = linear()
    x = rows()
    start = x.mean(0) if baseline == "mean" else torch.zeros(2, 3)
    found = IntegratedGradients(baseline=baseline)(subject, x)
    torch.testing.assert_close(found.attributions, weight * (x - start), atol=1e-5, rtol=0)
    assert float(found.completeness_error.abs().max()) < 1e-5


def test_complete_on_a_smooth_value() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    found = IntegratedGradients()(Subject(model), rows())
    assert found.value.std() > 0.01
    assert float(found.completeness_error.abs().max()) < 1e-4


def test_mass_follows_the_weight_and_not_the_area() -> None:
    subject, _ = linear()
    with torch.no_grad():
        subject.model[1].weight[:, :5] = 0  # type: ignore[index, union-attr, operator]
    x = rows()
    used = torch.zeros(20, 2, 3, dtype=torch.bool)
    used[:, 1, 2] = True
    table = IntegratedGradients()(subject, x).mass_on({"used": used, "unused": ~used}).set_index("concept")
    assert table["mass"].to_dict() == pytest.approx({"used": 1.0, "unused": 0.0})
    assert table["area"].to_dict() == pytest.approx({"used": 1 / 6, "unused": 5 / 6})


def test_nothing_attributed_has_no_mass() -> None:
    subject = Subject(nn.Flatten(), value=lambda x: x.sum((1, 2)) * 0)
    found = IntegratedGradients()(subject, rows())
    assert found.mass_on({"all": torch.ones(20, 2, 3, dtype=torch.bool)})["mass"].isna().all()


def test_slips() -> None:
    subject, _ = linear()
    with pytest.raises(ImprintError, match="float observation"):
        IntegratedGradients()(subject, torch.ones(3, 2, 3, dtype=torch.long))
    with pytest.raises(ImprintError, match="'mean' or 'zeros'"):
        IntegratedGradients(baseline="median")(subject, rows())
    with pytest.raises(ImprintError, match=r"mask 'a' is \[2\]"):
        IntegratedGradients()(subject, rows()).mass_on({"a": torch.ones(2)})
