"""Handwritten digits of scikit-learn as individuals that never look the same twice, split by writer.

The 1,797 images of 8 x 8 (Alpaydin & Kaynak 1998) stay in file order, which is by writer; contiguous blocks of them are
groups. The first part of the file is for training, the last part (after a gap of one block) is held out. Experiments
that are compared with published figures split the images at random instead, as those do (:func:`splits`).

Letters: n episodes (images of a split), K appearances, S seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from imprint.models.errors import ImprintError

TRAIN_SHARE = 0.66
FIGURE = 8
"""Pixels along one side of an image."""
CLASSES = 10


@cache
def digits() -> tuple[Tensor, np.ndarray]:
    """Images ``[1797, 8, 8]`` in 0..1 and their classes, in file order."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.tensor(data.images / 16.0, dtype=torch.float32), np.asarray(data.target)


class Split(NamedTuple):
    """Flat images in 0..1 and their classes, for training and for the test, of S seeds."""

    x: Tensor
    """``[S, n, 64]``."""
    y: Tensor
    """``[S, n]``."""
    tests: Tensor
    """``[S, n', 64]``."""
    answers: Tensor
    """``[S, n']``."""


def splits(seeds: Iterable[int], held_out: float = 0.25) -> Split:
    """A random split for each seed, stratified by class; ``held_out``: the part for the test."""
    from sklearn.model_selection import train_test_split

    images, classes = digits()
    flat = images.flatten(1).numpy()
    parts = [
        train_test_split(flat, classes, test_size=held_out, stratify=classes, random_state=seed % 2**32)
        for seed in seeds
    ]
    x, tests, y, answers = (torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True))
    return Split(x, y.long(), tests, answers.long())


class Handwriting:
    """The originals of some classes of digits, block by block."""

    def __init__(self, classes: Sequence[int], *, block: int, held_out: bool, least: int = 2) -> None:
        """``block``: originals per group. Blocks with fewer than ``least`` originals of some class are left out."""
        self.images, digit = digits()
        cut = int(len(self.images) * TRAIN_SHARE) // block * block
        span = range(cut + block, len(self.images)) if held_out else range(0, cut)
        blocks = [np.arange(start, min(start + block, span.stop)) for start in span[::block]]
        found = [(rows, [rows[digit[rows] == person] for person in classes]) for rows in blocks]
        found = [(rows, each) for rows, each in found if min(map(len, each)) >= least]
        if not found:
            raise ImprintError(
                f"no {block} originals hold {least} of every digit {tuple(classes)}; give larger blocks."
            )
        self.block_id = torch.tensor([int(rows[0]) // block for rows, _ in found])
        self.count = torch.tensor([[len(index) for index in each] for _, each in found])
        self.originals = torch.zeros(len(found), len(classes), int(self.count.max()), dtype=torch.long)
        for b, (_, each) in enumerate(found):
            for p, index in enumerate(each):
                self.originals[b, p, : len(index)] = torch.from_numpy(index)

    def draw_blocks(self, n: int, rng: torch.Generator) -> dict[str, Tensor]:
        """``block`` ``[n]``, uniform, and its number in the file, ``group`` ``[n]``."""
        block = torch.randint(0, len(self.originals), (n,), generator=rng)
        return {"block": block, "group": self.block_id[block]}

    def appearances(self, block: Tensor, person: Tensor, draws: Tensor) -> Tensor:
        """Index of an original of each person (its place among the classes) for every appearance, ``[n, K]``.

        ``draws`` ``[n, K]`` are uniform on 0 to 1. The first draw chooses an original, each later one another than the
        one before, so that the choice depends on nothing but the person.
        """
        count = self.count[block, person]
        index = (draws[:, 0] * count).long()
        chosen = [index]
        for draw in draws[:, 1:].unbind(1):
            index = (index + 1 + (draw * (count - 1)).long()) % count
            chosen.append(index)
        return self.originals[block[:, None], person[:, None], torch.stack(chosen, 1)]
