"""Two useful programs, and what lies between them: circuits of NAND gates whose wiring is mixed bit by bit.

One circuit sorts 8 bits (Batcher's network of 19 comparators); the other takes the same 8 bits as the truth table of a
formula with three variables and gives the first assignment that satisfies it, as one of eight bits. Both are lists of
equally many gates, and each gate is two addresses of earlier signals. A program at ``t`` between them takes every bit
of every address from the second circuit with probability t, else from the first. It is useful if it computes either
function for at least :data:`USEFUL` of all 256 inputs, each compared with plain Python.

Letters: P programs, G gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.chance import generator

BITS, USEFUL = 8, 0.95
PLACES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Probabilities t."""
COMPARATORS = (
    *((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2), (5, 6)),
    *((0, 4), (1, 5), (2, 6), (3, 7), (2, 4), (3, 5), (1, 2), (3, 4), (5, 6)),
)
"""Batcher's odd-even merge sort of 8 (1968)."""


class Circuit:
    """A list of gates under construction; signals 0 to 7 are the inputs."""

    def __init__(self) -> None:
        self.gates: list[tuple[int, int]] = []

    def nand(self, a: int, b: int) -> int:
        """A new gate; its signal."""
        self.gates.append((a, b))
        return BITS + len(self.gates) - 1

    def both(self, a: int, b: int) -> int:
        """The signal of a and b."""
        either = self.nand(a, b)
        return self.nand(either, either)

    def any(self, a: int, b: int) -> int:
        """The signal of a or b."""
        return self.nand(self.nand(a, a), self.nand(b, b))

    def ended(self, outputs: Sequence[int], gates: int) -> Tensor:
        """Addresses ``[gates, 2]``; the last gates give the outputs; what is left over before them does nothing."""
        spare = gates - len(self.gates) - 2 * BITS
        for _ in range(spare):
            self.nand(0, 0)
        denied = [self.nand(signal, signal) for signal in outputs]
        for signal in denied:
            self.nand(signal, signal)
        return torch.tensor(self.gates)


def sorter(gates: int = 120) -> Tensor:
    """The circuit that sorts, ``[gates, 2]``."""
    circuit, wires = Circuit(), list(range(BITS))
    for i, j in COMPARATORS:
        wires[i], wires[j] = circuit.both(wires[i], wires[j]), circuit.any(wires[i], wires[j])
    return circuit.ended(wires, gates)


def solver(gates: int = 120) -> Tensor:
    """The circuit that finds the first satisfying assignment, ``[gates, 2]``."""
    circuit, found, outputs = Circuit(), 0, [0]
    for place in range(1, BITS):
        outputs.append(circuit.both(place, circuit.nand(found, found)))
        found = circuit.any(found, place)
    return circuit.ended(outputs, gates)


@cache
def inputs() -> Tensor:
    """All inputs, ``[256, 8]``."""
    return (torch.arange(2**BITS)[:, None] >> torch.arange(BITS) & 1).bool()


def run(programs: Tensor) -> Tensor:
    """Outputs ``[P, 256, 8]`` of programs ``[P, G, 2]``; an address that is not earlier is taken modulo what is."""
    count, gates = programs.shape[:2]
    signals = torch.zeros(count, BITS + gates, len(inputs()), dtype=torch.bool)
    signals[:, :BITS] = inputs().T
    rows = torch.arange(count)
    for gate in range(gates):
        a, b = (programs[:, gate] % (BITS + gate)).unbind(1)
        signals[:, BITS + gate] = ~(signals[rows, a] & signals[rows, b])
    return signals[:, -BITS:].transpose(1, 2)


def wanted() -> Tensor:
    """What the two functions give for all inputs, ``[2, 256, 8]``, in plain Python."""
    rows = [row.tolist() for row in inputs()]
    first = [[bit and not any(row[:place]) for place, bit in enumerate(row)] for row in rows]
    return torch.tensor([[sorted(row) for row in rows], first])


def mixed(t: float, count: int, rng: torch.Generator) -> Tensor:
    """``count`` programs at ``t`` between the two, ``[count, G, 2]``."""
    one, other = sorter(), solver()
    bits = int(max(one.max(), other.max())).bit_length()
    power = torch.arange(bits)
    taken = torch.rand(count, *one.shape, bits, generator=rng) < t
    chosen = torch.where(taken, other[..., None] >> power & 1, one[..., None] >> power & 1)
    return (chosen << power).sum(-1)


def measure_programs(*, seeds: Sequence[int], programs: int, say: Say) -> pd.DataFrame:
    """Rows of part, arm, measure, seed and value: the useful part of ``programs`` at every place between."""
    rows: list[dict[str, Any]] = []
    for done, t in enumerate(PLACES):
        for seed in seeds:
            outputs = run(mixed(t, programs, generator("programs", t.hex(), seed)))
            right = (outputs[None] == wanted()[:, None]).all(3).float().mean(2)
            value = float((right.amax(0) >= USEFUL).float().mean())
            rows.append({"part": "programs", "arm": f"{t:g}", "measure": "useful", "seed": seed, "value": value})
        say(done, len(PLACES), "programs are mixed")
    return pd.DataFrame(rows)
