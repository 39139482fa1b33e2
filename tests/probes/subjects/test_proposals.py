"""Default sites of a large model are refused with sites that work; those of small models are read as before."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from imprint.models.errors import ImprintError
from imprint.probes.subjects import proposals
from imprint.probes.subjects.subject import Subject


class Stack(nn.Module):
    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, 4 * width), nn.GELU()) for _ in range(depth))
        self.back = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(depth - 1))

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embed(tokens)
        for i, block in enumerate(self.blocks):
            wide = block(h)
            h = self.back[i](wide) if i < len(self.back) else wide
        return h


def value(model: nn.Module) -> Subject:
    return Subject(model.eval(), value=lambda tokens: model(tokens)[:, -1].sum(1))


def test_a_large_model_is_refused_and_what_is_proposed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, tokens = value(Stack(depth=30, width=2)), torch.zeros(5, 16, dtype=torch.long)
    assert len(subject.activations(tokens)) == 1 + 2 * 30 + 29
    monkeypatch.setattr(proposals, "LARGEST", 30_000)  # a row of these sites has 16 * 4 * (2 + 30 * 16 + 29 * 2) bytes
    with pytest.raises(ImprintError, match=r"90 modules, 34.6 kB of activations a row, 173 kB for 5 rows") as why:
        subject.activations(tokens)
    with pytest.raises(ImprintError, match="90 modules"):
        next(iter(subject.stream(tokens)))
    named = re.search(r"sites=(\[.*?\])", str(why.value))
    assert named is not None
    assert named[1] == repr(list(subject.proposed_sites(tokens)))
    read = subject.activations(tokens, subject.proposed_sites(tokens))
    assert len(read) == 10 and list(read)[-1] == "blocks.29@-1" and read["blocks.29@-1"].shape == (5, 8)
    assert len(subject.sites(tokens)) == 90
    declared = Subject(subject.model, value=lambda t: subject.model(t).sum((1, 2)), sites=["embed", "blocks.3"])
    assert list(declared.activations(tokens)) == ["embed", "blocks.3"]


def test_many_rows_count_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = value(Stack(depth=3, width=2))
    tokens = torch.zeros(50, 16, dtype=torch.long)
    monkeypatch.setattr(proposals, "LARGEST_TOTAL", 100_000)
    assert len(subject.activations(tokens[:20])) == 9
    with pytest.raises(ImprintError, match=r"9 modules, 3.46 kB of activations a row, 173 kB for 50 rows"):
        subject.activations(tokens)
    assert len(list(subject.stream(tokens, batch_size=10))) == 5


def test_a_model_without_blocks_gets_some_of_its_modules() -> None:
    model = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.ReLU()})
    subject = Subject(model, value=lambda x: model["b"](model["a"](x)).sum(1))
    assert subject.proposed_sites(torch.ones(2, 3)) == ("a", "b")


def test_a_subject_prints_its_sites() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    assert repr(Subject(model)) == "Subject(Sequential, value: the model's output; modules: 0, 1, output)"
    assert repr(Subject(model, sites=["1"])) == "Subject(Sequential, value: the model's output; declared sites: 1)"
    shown = repr(value(Stack(depth=30, width=2)))
    assert "modules: embed, blocks, blocks.0, " in shown and " more ..., " in shown and "back.28, output)" in shown
