"""Models whose answer is no function of the observation are refused; threads and hookless modules are handled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from imprint.models.errors import ImprintError
from imprint.probes.attributions.base import gradient_at
from imprint.probes.subjects.subject import Subject

X = torch.randn(40, 5, generator=torch.Generator().manual_seed(1))


class Model(nn.Module):
    """A linear model with a twist."""

    def __init__(self, twist: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.head, self.twist, self.calls = nn.Linear(5, 5), nn.Linear(5, 1), twist, 0
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        h = self.inner(x)
        self.calls += 1
        if self.twist == "dropout":
            h = functional.dropout(h, 0.5)
        elif self.twist == "count":
            h = h + self.calls
        elif self.twist == "memory":
            h, self.last = h + self.last, h.mean().detach()[None]
        elif self.twist == "batch":
            h = h - h.mean(0)
        elif self.twist == "softmax":
            h = h.softmax(0)
        elif self.twist == "order":
            h = h.cumsum(0)
        elif self.twist == "in place":
            x.mul_(0.5)
            h = self.inner(x)
        out: Tensor = self.head(h)[:, 0]
        return out


@pytest.mark.parametrize("twist", ["dropout", "count", "memory", "batch", "softmax", "order"])
def test_chance_memory_and_company_are_refused_before_the_first_answer(twist: str) -> None:
    state = torch.get_rng_state()
    for ask in (
        lambda subject: subject.values(X),
        lambda subject: subject.activations(X, ["inner"]),
        lambda subject: subject.value_with_grad(X),
        lambda subject: subject.sites(X),
    ):
        model = Model(twist).eval()
        torch.set_rng_state(state)
        with pytest.raises(ImprintError, match=r"differs by [0-9.e+-]+ when they are .* no function"):
            ask(Subject(model))
        assert torch.equal(torch.get_rng_state(), state)


def test_a_function_of_the_observation_is_accepted_whatever_its_precision() -> None:
    for kind in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        model = Model().eval().to(kind)
        expected = model(X.to(kind)).detach()
        assert torch.equal(Subject(model).values(X), expected.to(torch.promote_types(kind, torch.float32)))
    assert len(Subject(Model().eval()).values(X[:1])) == 1


def test_an_observation_changed_in_place_stays_as_it_was() -> None:
    given = X.clone()
    model = Model("in place").eval()
    expected = model.head(model.inner(0.5 * X))[:, 0].detach()
    subject = Subject(model)
    torch.testing.assert_close(subject.values(given), expected)
    torch.testing.assert_close(subject.values(given), expected)
    assert torch.equal(given, X)


def test_threads_on_one_model_get_the_right_answers() -> None:
    model = Model().eval()
    subjects = [Subject(model), Subject(model)]
    plain, inner = model(X).detach(), model.inner(X).detach()
    zeroed = model.head.bias.detach().expand(40)

    def ask(i: int) -> bool:
        subject = subjects[i % 2]
        if i % 3 == 0:
            return torch.equal(subject.values(X), plain)
        if i % 3 == 1:
            return torch.equal(subject.values(X, edits={"inner": torch.zeros_like}), zeroed)
        return torch.equal(subject.activations(X, ["inner"])["inner"], inner) and torch.equal(model(X), plain)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(300)))


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
def test_modules_that_take_no_hooks_are_left_out_and_refused_by_name() -> None:
    model = nn.Sequential(torch.jit.script(nn.Linear(5, 5)), nn.ReLU(), nn.Linear(5, 1)).eval()
    assert Subject(model).sites(X) == ("1", "2")
    with pytest.raises(ImprintError, match=r"module '0' is compiled to TorchScript, which takes no hooks"):
        Subject(model).activations(X, ["0"])


@pytest.mark.filterwarnings("ignore")  # lazy modules are a development feature
def test_modules_that_are_not_built_yet_are_refused_by_name() -> None:
    lazy = nn.Sequential(nn.LazyLinear(5), nn.Linear(5, 1)).eval()
    with pytest.raises(ImprintError, match=r"'0\.weight' of this model is built in its first pass"):
        Subject(lazy).values(X)
    with pytest.raises(ImprintError, match="module '0' is built in its first pass"):
        Subject(lazy).site("0")
    lazy(X)
    assert Subject(lazy).sites(X) == ("0", "1")

    class Builds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first: Any = None

        def forward(self, x: Tensor) -> Tensor:
            if self.first is None:
                self.first = nn.Linear(5, 1)
            out: Tensor = self.first(x)[:, 0]
            return out

    subject = Subject(Builds().eval())
    assert len(subject.values(X)) == 40
    assert subject.activations(X, ["first"])["first"].shape == (40, 1)


@pytest.mark.filterwarnings("ignore")  # nested tensors are a prototype
def test_nested_tensors_are_left_out_and_refused_by_name() -> None:
    class Encodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            padding = torch.arange(x.shape[1]) >= (1 + x[:, 0, 0].abs().ceil().long().clamp(max=5))[:, None]
            out: Tensor = self.head(self.encoder(x, src_key_padding_mask=padding)[:, 0])[:, 0]
            return out

    subject, x = Subject(Encodes().eval()), torch.randn(12, 6, 4, generator=torch.Generator().manual_seed(3))
    x[0, 0, 0] = 9.0  # one sequence without padding
    sites = subject.sites(x)
    assert "head" in sites
    assert all(len(a) == 12 for a in subject.activations(x, sites).values())

    class Nests(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            ragged = torch.nested.as_nested_tensor([row[: 2 + int(row[0] > 0)] for row in x])
            out: Tensor = self.inner(ragged).to_padded_tensor(0.0).sum(1)
            return out

    assert Subject(Nests().eval()).sites(X) == ()
    with pytest.raises(ImprintError, match="module 'inner' gives a nested tensor, whose rows differ in length"):
        Subject(Nests().eval()).activations(X, ["inner"])


class Recomputing(nn.Module):
    """Runs its middle again on the way back."""

    def __init__(self, *, recompute: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.middle, self.head, self.recompute = nn.Sequential(nn.Linear(5, 4), nn.Tanh()), nn.Linear(4, 1), recompute

    def forward(self, x: Tensor) -> Tensor:
        h = checkpoint(self.middle, x, use_reentrant=False) if self.recompute else self.middle(x)
        out: Tensor = self.head(h)[:, 0]
        return out


def test_gradients_under_an_edit_of_a_model_that_recomputes_are_refused() -> None:
    plain, recomputing = (Subject(Recomputing(recompute=yes)) for yes in (False, True))
    x = X.clone().requires_grad_()
    gradients = [torch.autograd.grad(subject.value_with_grad(x).sum(), x)[0] for subject in (plain, recomputing)]
    assert torch.equal(*gradients)
    assert torch.equal(*(subject.values(X, edits={"middle.0": lambda a: a + 1}) for subject in (plain, recomputing)))
    with pytest.raises(ImprintError, match=r"recomputes activations on the way back.*turn that off"):
        gradient_at(recomputing, X, "middle.0")


def test_a_value_of_another_tool_is_taken_and_edits_reach_it() -> None:
    model = Model().eval()
    ways: list[Any] = [
        lambda x: model(x).numpy(),
        lambda x: model(x).tolist(),
        lambda x: [model(row[None])[0] for row in x],
        lambda x: model(x).numpy()[:, None].astype("float64"),
    ]
    for value in ways:
        assert torch.allclose(Subject(model, value).values(X).float(), model(X).detach(), atol=1e-6)
    for value in ways[:2]:
        moved = Subject(model, value).values(X, edits={"inner": torch.zeros_like})
        assert torch.allclose(moved.float(), model.head.bias.detach(), atol=1e-6)
    with pytest.raises(ImprintError, match="cannot be computed with a gradient: RuntimeError"):
        Subject(model, ways[0]).value_with_grad(X.clone().requires_grad_())


class Mine(Exception):
    """An error of a user's own."""


@pytest.mark.parametrize("error", [Mine("no"), StopIteration(), KeyError("k")])
def test_any_error_of_the_first_call_is_told(error: Exception) -> None:
    def value(_x: Tensor) -> Tensor:
        raise error

    with pytest.raises(ImprintError, match=f"the value cannot be computed of observations.*{type(error).__name__}"):
        Subject(Model().eval(), value).values(X)


def test_weights_and_observations_of_inference_mode_are_read_and_edited() -> None:
    with torch.inference_mode():
        model, x = Model().eval(), X * 1
        tuple_first = Subject(nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 1)))
        assert tuple_first.reaches("0", X)
    assert Subject(model).reaches("inner", X)
    assert torch.equal(Subject(model).values(x, edits={"inner": torch.zeros_like})[:1], model.head.bias)
    plain = Subject(Model().eval())
    assert plain.value_with_grad(x).requires_grad
    with pytest.raises(ImprintError, match="with a gradient: RuntimeError: Inference tensors"):
        Subject(model).value_with_grad(X.clone().requires_grad_())


class Mixed(nn.Module):
    """Half of its weights in another precision than the observations that it takes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rough, self.fine = nn.Linear(5, 1).bfloat16(), nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rough(x.bfloat16()).float() + self.fine(x)
        return out


def test_a_model_of_two_precisions_is_given_observations_as_they_are() -> None:
    model = Mixed()
    assert torch.equal(Subject(model).values(X), model(X)[:, 0].detach())
    with pytest.raises(ImprintError, match=r"float64 \[8, 5\]|bfloat16 \[8, 5\]"):
        Subject(model).values(X[:8].double())
