"""Modules inside wrappers of other tools are subjects like themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects.subject import Subject


class Envoy:
    """Holds a module as nnsight does."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module


def both(wrapper: object, model: nn.Module) -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    wrapped, bare = Subject(wrapper), Subject(model)
    assert wrapped.model is model and torch.equal(wrapped.values(x), bare.values(x))
    assert torch.equal(wrapped.activations(x, ["0"])["0"], bare.activations(x, ["0"])["0"])
    assert float((wrapped.values(x, edits={"0": torch.zeros_like}) - bare.values(x)).abs().max()) > 0


def test_the_module_inside_is_examined() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    both(Envoy(model), model)
    with pytest.raises(ImprintError, match=r"weights of this Envoy are not loaded yet.*dispatch=True"):
        Subject(Envoy(nn.Linear(3, 1, device="meta")))
    with pytest.raises(ImprintError, match=r"a subject wraps a torch.nn.Module; got Envoy"):
        Subject(Envoy("no module"))


def test_nnsight_s_own_wrapper() -> None:
    nnsight = pytest.importorskip("nnsight")
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).eval()
    both(nnsight.NNsight(model), model)
