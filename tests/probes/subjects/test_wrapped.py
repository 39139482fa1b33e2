"""Modules inside wrappers of other tools are subjects like themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

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


class Attending(nn.Module):
    """A mean over the positions that its mask shows."""

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        shown = torch.ones_like(tokens) if attention_mask is None else attention_mask
        return (tokens * shown).sum(1) / shown.sum(1)


class HandingOn(nn.Module):
    """A wrapper that takes anything, as those of adapters and trainers do."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.model(*inputs, **named)


@pytest.mark.parametrize("wrap", [HandingOn, nn.DataParallel, lambda m: torch.compile(m, backend="eager")])
def test_a_wrapped_model_is_given_its_mask(wrap: Callable[[nn.Module], nn.Module]) -> None:
    tokens = torch.tensor([[1.0, 3.0, 9.0], [2.0, 8.0, 8.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert Subject(wrap(Attending()), mask=mask).values(tokens).tolist() == [2.0, 2.0]


class TwoSided(nn.Module):
    """A model that needs a second input, which the value gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x: Tensor, also: Tensor | None = None) -> Tensor:
        if also is None:
            raise ValueError("a second input is needed")
        out: Tensor = self.used(x) + also
        return out


def test_a_site_beside_the_value_of_a_model_that_cannot_run_alone_is_refused() -> None:
    model, x = TwoSided(), torch.ones(4, 3)
    subject = Subject(model, lambda x: model(x, torch.ones(len(x), 1)))
    assert subject.sites(x) == ("used",)
    with pytest.raises(ImprintError, match=r"does not run module 'unused'.*ValueError: a second input is needed"):
        subject.activations(x, ["unused"])
