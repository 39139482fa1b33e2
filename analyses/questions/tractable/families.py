"""Families of tasks on strips of n cells, and what the simplest learner would need.

    place    one mark, four cells long, or its negative, anywhere on an empty strip: which of the two?
    weigh    n signs: is their sum positive, each sign weighed by a drawn +1 or -1 (the first by 1.5: no ties)?
    pair     n signs: are those in two drawn places alike?
    table    n signs: anything; half of the 2^n strips, drawn at random, are answered with yes

In each, the two answers are equally likely. The first three have a structure that a learner may find, as tasks of a
world have one; the fourth holds every task that there is on n signs, and most of those have none. What it takes to name
a task of a family, in bits: :func:`bits`. A learner that remembers strips and guesses where a strip is new:
:func:`remembered`.

Letters: S tasks, one for each learner, n cells, B strips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from imprint.models.chance import generator
from imprint.models.errors import unknown_name

STRUCTURED, UNSTRUCTURED = ("place", "weigh", "pair"), "table"
FAMILIES = (*STRUCTURED, UNSTRUCTURED)
MARKS = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
"""No mark can be told from its negative by its sum."""
LENGTH = MARKS.shape[1]


class Tasks:
    """S tasks of one family and size, and their strips.

    Raises :class:`UnknownNameError` for a family that is not there.
    """

    def __init__(self, family: str, n: int, seeds: Sequence[int]) -> None:
        if family not in FAMILIES:
            raise unknown_name("family", family, FAMILIES)
        self.family, self.n = family, n
        rngs = [generator("task", family, n, seed) for seed in seeds]
        self.mark = MARKS[torch.stack([torch.randint(len(MARKS), (), generator=rng) for rng in rngs])]
        self.weights = torch.stack([torch.randint(2, (n,), generator=rng) for rng in rngs]).float() * 2 - 1
        self.weights[:, 0] *= 1.5
        self.places = torch.stack([torch.randperm(n, generator=rng)[:2] for rng in rngs])
        if family == UNSTRUCTURED:
            self.answers = torch.stack([torch.randperm(2**n, generator=rng) % 2 for rng in rngs]).bool()
        self.rngs = [generator("strips", family, n, seed) for seed in seeds]

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """The next ``count`` strips of every task ``[S, B, n]``, and their answers ``[S, B]`` (bool)."""
        if self.family == "place":
            right = torch.stack([torch.randint(2, (count,), generator=rng) for rng in self.rngs])
            where = torch.stack([torch.randint(self.n - LENGTH + 1, (count,), generator=rng) for rng in self.rngs])
            marks = self.mark[:, None] * (right * 2.0 - 1)[..., None]
            strips = torch.zeros(len(self.rngs), count, self.n)
            return strips.scatter_(2, where[..., None] + torch.arange(LENGTH), marks), right.bool()
        strips = torch.stack([torch.randint(2, (count, self.n), generator=rng) for rng in self.rngs]).float() * 2 - 1
        return strips, self.answer(strips)

    def answer(self, strips: Tensor) -> Tensor:
        """Answers bool ``[S, B]`` to strips of signs."""
        if self.family == "weigh":
            return (strips * self.weights[:, None]).sum(2) > 0
        if self.family == "pair":
            return strips.gather(2, self.places[:, None].expand(-1, strips.shape[1], -1)).prod(2) > 0
        number = ((strips > 0).long() << torch.arange(self.n)).sum(2)
        return self.answers.gather(1, number)


def bits(family: str, n: int) -> float:
    """Bits that it takes to name one task of the family: the logarithm of how many there are."""
    count = {"place": 2 * len(MARKS), "pair": math.comb(n, 2)}
    if family == UNSTRUCTURED:
        return math.log2(math.comb(2**n, 2 ** (n - 1)))
    return float(n) if family == "weigh" else math.log2(count[family])


def remembered(family: str, n: int, right: float) -> float:
    """Examples after which a learner that remembers every strip, and guesses others, is expected to be ``right``.

    Of the m strips that there are it has seen a part 1 - (1 - 1 / m)^N, and must have seen 2 ``right`` - 1.
    """
    strips = 2 * (n - LENGTH + 1) if family == "place" else 2**n
    return math.log(2 - 2 * right) / math.log1p(-1 / strips) if strips > 1 else 1.0
