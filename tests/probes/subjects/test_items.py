"""Items of what a module returns: read and edited by name, index or key, and refused where an edit cannot act."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from imprint.models.errors import ImprintError
from imprint.probes.subjects.subject import Subject

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


class Reads(nn.Module):
    """A recurrent network whose head reads the outputs, the hidden state or the cell state."""

    def __init__(self, kind: str, read: str, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.memory = KINDS[kind](5, 4, **options)
        width = 4 * (2 if options.get("bidirectional") else 1)
        self.head, self.read = nn.Linear(4 if read in "hc" else width, 1), read

    def forward(self, x: Tensor) -> Tensor:
        out, state = self.memory(x if self.memory.batch_first else x.transpose(0, 1))
        hidden, cell = state if isinstance(state, tuple) else (state, state)
        last = out[:, -1] if self.memory.batch_first else out[-1]
        part = {"h": hidden[-1], "c": cell[-1], "o": last}[self.read]
        given: Tensor = self.head(part)[:, 0]
        return given


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_outputs_are_read_by_name(kind: str, options: dict[str, Any]) -> None:
    model, x = Reads(kind, "h", **options).eval(), rows(20, 7, 5)
    out, state = model.memory(x if options.get("batch_first") else x.transpose(0, 1))
    hidden, cell = state if isinstance(state, tuple) else (state, None)
    subject = Subject(model)
    found = subject.activations(x, ["memory.h", "memory.h@-1", "memory.output", "memory"], batch_size=6)
    torch.testing.assert_close(found["memory.h"], hidden.transpose(0, 1).flatten(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(found["memory.h@-1"], hidden[-1], atol=1e-6, rtol=0)
    expected = (out if options.get("batch_first") else out.transpose(0, 1)).flatten(1)
    torch.testing.assert_close(found["memory.output"], expected, atol=1e-6, rtol=0)
    assert torch.equal(found["memory"], found["memory.output"])
    edited = subject.values(x, edits={"memory.h@-1": torch.zeros_like})
    torch.testing.assert_close(edited, model.head.bias.detach().expand(20))
    if cell is not None:
        state = subject.activations(x, ["memory.c"])["memory.c"]
        torch.testing.assert_close(state, cell.transpose(0, 1).flatten(1), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("read", "used"), [("h", "memory.h"), ("c", "memory.c"), ("o", "memory")])
def test_what_the_value_is_not_computed_from_is_no_default_site_and_cannot_be_edited(read: str, used: str) -> None:
    model, x = Reads("lstm", read, batch_first=True).eval(), rows(20, 7, 5)
    subject = Subject(model)
    assert subject.sites(x) == (used, "head")
    others = {"memory.output", "memory.h", "memory.c", "memory[1][0]", "memory@last"}
    reaching = {name for name in others if subject.reaches(name, x)}
    same = {"h": {"memory.h", "memory[1][0]"}, "c": {"memory.c"}, "o": {"memory.output", "memory@last"}}
    assert reaching == same[read]
    for name in others - reaching:
        with pytest.raises(ImprintError, match=rf"cannot reach the value.*it uses {used}"):
            subject.values(x, edits={name: torch.zeros_like})
        with pytest.raises(ImprintError, match="cannot reach the value"):
            subject.value_with_grad(x, edits={name: torch.zeros_like})


def test_the_hidden_state_and_the_last_output_carry_the_same() -> None:
    """Heads on either read the same numbers, so edits of either must act alike."""
    x, values = rows(50, 7, 5), []
    for read, site in (("h", "memory.h"), ("o", "memory@last")):
        model = Reads("lstm", read, batch_first=True).eval()
        subject = Subject(model)
        mean = subject.activations(x, [site])[site].mean(0)
        values.append(subject.values(x, edits={site: lambda a, m=mean: a - 0.5 * (a - m)}))
        assert float(values[-1].std()) < float(subject.values(x).std())
    torch.testing.assert_close(values[0], values[1], atol=1e-6, rtol=0)


Pair = namedtuple("Pair", "first second")


@dataclass(frozen=True)
class Parts:
    first: Tensor
    second: Tensor


BUILD = {
    "tuple": (lambda a, b: (a, b), lambda out: out[1], "[1]"),
    "list": (lambda a, b: [a, b], lambda out: out[1], "[-1]"),
    "dict": (lambda a, b: {"first": a, "second": b}, lambda out: out["second"], "[second]"),
    "dict by place": (lambda a, b: {"first": a, "second": b}, lambda out: out["second"], "[1]"),
    "named": (Pair, lambda out: out.second, "[second]"),
    "dataclass": (Parts, lambda out: out.second, "[second]"),
    "nested": (lambda a, b: (a, {"x": [a, b]}), lambda out: out[1]["x"][1], "[1][x][1]"),
}


class Returns(nn.Module):
    """A block that returns a container, and a head that reads its second item."""

    class Block(nn.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.kind, self.weight = kind, nn.Parameter(rows(5, 4))

        def forward(self, x: Tensor) -> Any:
            return BUILD[self.kind][0](x * 2, x @ self.weight)

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.block, self.head, self.kind = self.Block(kind), nn.Linear(4, 1), kind

    def forward(self, x: Tensor) -> Tensor:
        given: Tensor = self.head(BUILD[self.kind][1](self.block(x)))[:, 0]
        return given


@pytest.mark.parametrize("kind", BUILD)
def test_items_of_containers_are_read_and_edited(kind: str) -> None:
    model, x = Returns(kind).eval(), rows(12, 5)
    subject, name = Subject(model), f"block{BUILD[kind][2]}"
    torch.testing.assert_close(subject.activations(x, [name])[name], x @ model.block.weight.detach())
    torch.testing.assert_close(subject.activations(x, ["block"])["block"], x * 2)
    edited = subject.values(x, edits={name: lambda a: a + 1})
    torch.testing.assert_close(edited, model.head(x @ model.block.weight + 1).detach()[:, 0])
    assert len([site for site in subject.sites(x) if site.startswith("block[")]) == 1
    with pytest.raises(ImprintError, match="cannot reach the value"):
        subject.values(x, edits={"block": torch.zeros_like})
    with pytest.raises(ImprintError, match="item"):
        subject.activations(x, ["block[9]"])
    with pytest.raises(ImprintError, match=r"unknown site.*Did you mean"):
        subject.site("blok")


def test_an_item_of_a_tensor_is_refused() -> None:
    with pytest.raises(ImprintError, match="has no item"):
        Subject(nn.Sequential(nn.Linear(5, 1)).eval()).activations(rows(4, 5), ["0[1]"])


def test_packed_sequences_are_read_as_padded_ones_and_packed_again() -> None:
    class Packs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.head = nn.GRU(5, 4, batch_first=True), nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            lengths = (x[:, :, 0] != 0).sum(1)
            out, _ = self.memory(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            padded, _ = pad_packed_sequence(out, batch_first=True)
            given: Tensor = self.head(padded.sum(1))[:, 0]
            return given

    model, x = Packs().eval(), rows(8, 6, 5)
    lengths = torch.tensor([6, 2, 3, 6, 1, 4, 5, 2])
    x[torch.arange(6) >= lengths[:, None]] = 0
    subject = Subject(model, mask=lambda seen: seen[:, :, 0] != 0)
    last = torch.stack([model.memory(x[i : i + 1, :n])[0][0, -1] for i, n in enumerate(lengths.tolist())])
    read = subject.activations(x, ["memory@last", "memory.h"])
    torch.testing.assert_close(read["memory@last"], last.detach(), atol=1e-6, rtol=0)
    torch.testing.assert_close(read["memory.h"], last.detach(), atol=1e-6, rtol=0)
    doubled = subject.values(x, edits={"memory": lambda a: 2 * a}) - model.head.bias.detach()
    torch.testing.assert_close(doubled, 2 * (subject.values(x) - model.head.bias.detach()))


class Packed(nn.Module):
    """Packs its rows, as long as they are without zeros, and reads the output at the last packed position."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.lstm, self.head = nn.Embedding(9, 4), nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        lengths = (tokens != 0).sum(1)
        packed = pack_padded_sequence(self.embed(tokens), lengths, batch_first=True, enforce_sorted=False)
        output, lengths = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        read: Tensor = self.head(output[torch.arange(len(tokens)), lengths - 1])
        return read


def test_positions_of_a_packed_sequence_are_those_that_were_packed() -> None:
    model, rng = Packed(), torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 9, (20, 6), generator=rng)
    tokens[torch.arange(6) >= torch.randint(2, 7, (20, 1), generator=rng)] = 0
    subject, real = Subject(model), tokens != 0
    read = subject.activations(tokens, ["lstm.output@last", "lstm.output@mean", "lstm.h"], batch_size=7)
    assert torch.equal(read["lstm.output@last"], read["lstm.h"])
    masked = Subject(model, mask=real).activations(tokens, ["lstm.output@mean"])["lstm.output@mean"]
    assert torch.allclose(read["lstm.output@mean"], masked, atol=1e-6)
    edited = subject.values(tokens, edits={"lstm.output@last": torch.zeros_like})
    assert torch.equal(edited, model.head.bias.detach().expand(20))
