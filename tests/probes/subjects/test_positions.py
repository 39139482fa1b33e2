"""Positions under a mask, calls of modules that run several times, and pooled maps, against the same by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects.subject import Subject

X = torch.randn(20, 6, 5, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.randint(2, 7, (20,), generator=torch.Generator().manual_seed(2))
RIGHT = torch.arange(6) < LENGTHS[:, None]
LEFT = RIGHT.flip(1)


class Tokens(nn.Module):
    """A layer on every position, and a value that adds up all of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = nn.Linear(5, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        given: Tensor = self.head(self.layer(x)).sum((1, 2))
        return given


def by_hand(values: Tensor, mask: Tensor, position: str) -> Tensor:
    each = [row[real] for row, real in zip(values, mask, strict=True)]
    how = {"first": 0, "last": -1}.get(position, position)
    if how == "mean":
        return torch.stack([row.mean(0) for row in each])
    if how == "max":
        return torch.stack([row.amax(0) for row in each])
    return torch.stack([row[int(how)] for row in each])


@pytest.mark.parametrize("mask", [RIGHT, LEFT], ids=["right", "left"])
@pytest.mark.parametrize("position", ["first", "last", "mean", "max", "1", "-2"])
def test_positions_respect_the_mask(mask: Tensor, position: str) -> None:
    model = Tokens().eval()
    values, site = model.layer(X).detach(), f"layer@{position}"
    for form in (mask, mask.long(), mask.numpy(), lambda seen: mask if len(seen) == 20 else mask[: len(seen)]):
        subject = Subject(model, mask=form)
        read = subject.activations(X, [site], batch_size=20 if callable(form) else 7)[site]
        torch.testing.assert_close(read, by_hand(values, mask, position), atol=1e-6, rtol=0)
    if position == "max":
        with pytest.raises(ImprintError, match="can be read but not edited"):
            subject.values(X, edits={site: torch.zeros_like})
        return
    shift = model.head.weight.detach().sum() * (mask.sum(1) if position == "mean" else torch.ones(20))
    edited = Subject(model, mask=mask).values(X, edits={site: lambda a: a + 1}, batch_size=7)
    torch.testing.assert_close(edited - subject.values(X), shift.float(), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.zeros(20, 6), "no real position in row 0"),
        (torch.full((20, 6), 2), "numbers besides 0 and 1"),
        (torch.ones(19, 6), "for 20 observations"),
        (torch.ones(20, 5), "has 5 positions"),
        (torch.ones(20), "expected"),
        ("text", "mask"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: Any, words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        Subject(Tokens().eval(), mask=mask).activations(X, ["layer@last"])


def test_a_row_without_the_position_is_named() -> None:
    short = int((LENGTHS == 2).nonzero()[0])
    with pytest.raises(ImprintError, match=f"row {short} has 2 real positions"):
        Subject(Tokens().eval(), mask=RIGHT).activations(X, ["layer@2"])


def test_a_model_that_takes_an_attention_mask_is_given_it() -> None:
    class Attends(Tokens):
        def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> Tensor:
            weight = torch.ones(x.shape[:2]) if attention_mask is None else attention_mask.float()
            return (self.head(self.layer(x))[..., 0] * weight).sum(1)

    model = Attends().eval()
    torch.testing.assert_close(Subject(model, mask=RIGHT).values(X), model(X, RIGHT).detach())


class Loops(nn.Module):
    """A cell that runs once a step; with ``lengths``, each row keeps its state after its last real step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = nn.LSTMCell(5, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 4)
        states = []
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
            states.append(h)
        given: Tensor = self.head(torch.stack(states, 1)).sum((1, 2))
        return given

    def states(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 4)
        states = []
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
            states.append(h)
        return torch.stack(states, 1).detach()


@pytest.mark.parametrize("position", ["0", "3", "-1", "-4", "first", "last", "mean", "max"])
def test_calls_are_positions_of_a_module_that_runs_several_times(position: str) -> None:
    model = Loops().eval()
    states, site = model.states(X), f"cell@{position}"
    whole = torch.ones(20, 6, dtype=torch.bool)
    read = Subject(model).activations(X, [site], batch_size=7)[site]
    torch.testing.assert_close(read, by_hand(states, whole, position), atol=1e-6, rtol=0)
    if position in ("3", "-4"):  # some rows have fewer real steps
        return
    read = Subject(model, mask=RIGHT).activations(X, [site.replace("-1", "last")])[site.replace("-1", "last")]
    torch.testing.assert_close(read, by_hand(states, RIGHT, position), atol=1e-6, rtol=0)


def test_calls_are_edited_one_at_a_time() -> None:
    model = Loops().eval()
    states = model.states(X)

    def run_from(t: int, h: Tensor, c: Tensor) -> Tensor:
        total = model.head(h)[:, 0]
        for s in range(t + 1, 6):
            h, c = model.cell(X[:, s], (h, c))
            total = total + model.head(h)[:, 0]
        return total.detach()

    h = c = torch.zeros(20, 4)
    for t in range(4):
        h, c = model.cell(X[:, t], (h, c))
    before = model.head(states[:, :3]).sum((1, 2)).detach()
    edited = Subject(model).values(X, edits={"cell.h@3": torch.zeros_like}, batch_size=7)
    torch.testing.assert_close(edited, before + run_from(3, torch.zeros(20, 4), c))
    torch.testing.assert_close(Subject(model).values(X, edits={"cell@-3": torch.zeros_like}), edited)
    moved = Subject(model, mask=RIGHT).values(X, edits={"cell@last": torch.zeros_like}) - Subject(model).values(X)
    assert bool((moved.abs() > 1e-6).all())
    full = LENGTHS == 6
    shift = model.head(states[:, 5])[:, 0] - model.head.bias
    torch.testing.assert_close(moved[full], -shift[full].detach(), atol=1e-5, rtol=0)
    for bad, words in (("cell", "name a call"), ("cell@6", "ran 6 times"), ("cell@mean", "read but not edited")):
        with pytest.raises(ImprintError, match=words):
            Subject(model).values(X, edits={bad: torch.zeros_like})
    with pytest.raises(ImprintError, match=r"ran 6 times.*cell@last"):
        Subject(model).activations(X, ["cell"])


def test_a_position_inside_a_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x: Tensor) -> Tensor:
            given: Tensor = self.layer(self.layer(x)).sum((1, 2))
            return given

    model = Twice().eval()
    read = Subject(model).activations(X, ["layer@1@2", "layer@0"])
    torch.testing.assert_close(read["layer@1@2"], model.layer(model.layer(X))[:, 2].detach())
    torch.testing.assert_close(read["layer@0"], model.layer(X).flatten(1).detach())


def test_maps_are_pooled_over_space() -> None:
    maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = nn.Sequential(*maps, nn.Flatten(), nn.Linear(144, 1)).eval()
    x = torch.randn(10, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    read = Subject(model).activations(x, ["0@mean", "1@mean", "1@max"])
    torch.testing.assert_close(read["0@mean"], model[0](x).mean((2, 3)).detach())
    torch.testing.assert_close(read["1@mean"], maps(x).mean((2, 3)).detach())
    torch.testing.assert_close(read["1@max"], maps(x).amax((2, 3)).detach())
    edited = Subject(model).values(x, edits={"0@mean": lambda a: a + 1})
    torch.testing.assert_close(edited, model[1:](model[0](x) + 1).detach()[:, 0])
    line = nn.Sequential(nn.Conv1d(5, 4, 3, padding=1), nn.Flatten(), nn.Linear(24, 1)).eval()
    read = Subject(line).activations(X.transpose(1, 2), ["0@mean"])
    torch.testing.assert_close(read["0@mean"], line[0](X.transpose(1, 2)).mean(2).detach())


class Lines(nn.Module):
    """Convolutions over time and layers over features, each with an activation behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv1d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Dropout(), nn.GELU())
        self.steps = nn.Sequential(nn.Linear(4, 5), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        steps: Tensor = self.steps(self.maps(x.transpose(1, 2)).transpose(1, 2))
        return steps.sum((1, 2))


def test_an_activation_has_the_axes_of_the_layer_before_it() -> None:
    model, x = Lines().eval(), torch.randn(12, 9, 3, generator=torch.Generator().manual_seed(2))
    after, before = model.maps(x.transpose(1, 2)).detach(), model.maps[:3](x.transpose(1, 2)).detach()
    read = Subject(model).activations(x, ["maps.2@mean", "maps.4@mean", "maps@mean", "steps.1@mean", "steps@mean"])
    torch.testing.assert_close(read["maps.2@mean"], before.mean(2))
    torch.testing.assert_close(read["maps.4@mean"], after.mean(2))
    torch.testing.assert_close(read["maps@mean"], after.mean(2))
    steps = model.steps(after.transpose(1, 2)).detach()
    torch.testing.assert_close(read["steps.1@mean"], steps.mean(1))
    torch.testing.assert_close(read["steps@mean"], steps.mean(1))
    edited = Subject(model).values(x, edits={"maps@mean": lambda a: a + 1})
    torch.testing.assert_close(edited, model.steps((after + 1).transpose(1, 2)).sum((1, 2)).detach())


def test_columns_and_readings_under_a_mask_of_all_rows() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 2)), torch.randn(20, 5, 3)
    mask = torch.arange(5) <= torch.arange(20)[:, None] % 5
    subject = Subject(model, mask=mask).reading("0@last", lambda a: a[:, 1])
    wanted = model(x)[torch.arange(20), torch.arange(20) % 5, 1].detach()
    assert torch.equal(subject.values(x, batch_size=6), wanted)
    assert Subject(nn.Linear(3, 2), mask=mask).output(1).values(x[:, 0]).shape == (20,)
