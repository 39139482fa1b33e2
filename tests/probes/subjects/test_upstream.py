"""Edits share what comes before them, and the values are those of full passes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects import guards
from imprint.probes.subjects.subject import Subject
from imprint.probes.subjects.upstream import BATCH, values_under


class Counted(nn.Module):
    """A linear layer that counts its runs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.runs = nn.Linear(width, width), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return self.linear(x)


class Net(nn.Module):
    """Three layers with a residual stream; one module is used before and after the place of the edit."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.twice = Counted(6), Counted(6), Counted(6), Counted(6)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.relu(self.twice(self.first(x)))
        x = x + self.second(x)
        return self.head(x + self.twice(self.third(x)))


@pytest.mark.parametrize("site", ["second", "third", "first"])
def test_values_are_those_of_full_passes_and_upstream_runs_once(site: str) -> None:
    torch.manual_seed(0)
    net = Net().eval()
    subject, x = Subject(net), torch.randn(BATCH + 20, 6)
    edits = [{site: lambda a, k=k: a * k} for k in (0.0, 2.0, -1.0)] + [{"third": lambda a: a + 1}]
    full = torch.stack([torch.cat([subject.values(b, edits=e) for b in x.split(BATCH)]) for e in edits])
    for module in net.modules():
        if isinstance(module, Counted):
            module.runs = 0
    calls: list[int] = []
    (shared,) = values_under(subject, x, [edits], done=lambda: calls.append(1))
    torch.testing.assert_close(shared, full, rtol=0, atol=0)
    assert len(calls) == 2 * len(edits)
    once = 1 + 2 + 2  # the trial, two passes that look for what is left on the side, and one recording a batch
    always = once + 1 + 2 * len(edits)
    assert net.first.runs == once
    assert net.second.runs == (always if site == "first" else once)
    assert net.third.runs == (once if site == "third" else always)
    assert "forward" not in net.first.__dict__
    torch.testing.assert_close(subject.values(x, edits=edits[0]), subject.values(x, edits=edits[0]))


def test_devices_are_refused_by_name_and_kept_by_views() -> None:
    subject = Subject(Net().eval(), device="cpu")
    assert subject.reading("second", lambda a: a[:, 0]).device == torch.device("cpu")
    assert subject.activations(torch.randn(4, 6), ["second"])["second"].device.type == "cpu"
    with pytest.raises(ImprintError, match="device is 'abacus', which cannot be used"):
        Subject(Net(), device="abacus")


def test_the_model_is_examined_once_for_all_passes_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)).eval()
    subject, x, looked = Subject(model), torch.randn(300, 3), list[nn.Module]()
    monkeypatch.setattr(guards, "require_no_hooks", looked.append)
    values_under(subject, x, [[{"0": lambda a: a * 0}, {"2": lambda a: a + 1}]])
    assert looked == [model]
    with guards.examined(model), guards.examined(model):
        subject.values(x)
    assert looked == [model, model]
    subject.values(x)  # a call of its own looks again
    assert len(looked) > 2


def test_a_hook_that_is_left_between_two_calls_is_found() -> None:
    model = nn.Sequential(nn.Linear(3, 1)).eval()
    subject, x = Subject(model), torch.randn(5, 3)
    values_under(subject, x, [[{"0": lambda a: a * 0}]])
    handle = model[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ImprintError, match="hooks were left"):
        values_under(subject, x, [[{"0": lambda a: a * 0}]])
    handle.remove()
    with pytest.raises(ZeroDivisionError), guards.examined(model):
        raise ZeroDivisionError
    model.train().append(nn.Dropout())
    with pytest.raises(ImprintError, match="training mode"):  # what failed inside is not held for examined later
        values_under(subject, x, [[{"0": lambda a: a * 0}]])


class Aside(nn.Module):
    """A layer that leaves something on the side, as attention modules leave their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h: torch.Tensor = self.linear(x)
        self.seen = h.tanh()
        return h


class Glancing(nn.Module):
    """A network whose head also reads what a layer left on the side."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.later, self.head = Aside(), nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.later(self.first(x))
        out: torch.Tensor = self.head(h + self.first.seen)
        return out


def test_what_a_module_leaves_on_the_side_is_that_of_the_same_pass() -> None:
    torch.manual_seed(0)
    subject, x = Subject(Glancing().eval()), torch.randn(40, 6)
    places = [[{site: lambda a, k=k: a * k} for k in (0.0, 2.0)] for site in ("first.linear", "later")]
    shared = values_under(subject, x, places)
    for edits, values in zip(places, shared, strict=True):
        torch.testing.assert_close(values, torch.stack([subject.values(x, edits=edit) for edit in edits]))
