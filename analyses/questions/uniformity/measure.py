"""One module, one set of hyperparameters, three streams; and modules in one another's place.

A module is a network of two hidden layers that is shown the last eight symbols and foretells the next one; it learns
by backpropagation with plain steps. Class, widths, step size, batch and number of updates are :data:`RECIPE`, the same
for all streams. Scores are balanced over the symbols that occur (mean over symbols of the part that is foretold
right), so that whatever does not depend on what came before has 1 / (symbols that occur).

    native      taught by the stream that it is tested on
    swapped     taught by another stream, tested on this one: in its place, with this stream's codes for in and out
    retrained   the swapped module after it was taught by this stream for as long as a native one
    shuffled    taught by, and tested on, the stream's symbols in random order: there is nothing to foretell
    bigram      no module: the commonest successor of the last symbol in the part for training

Letters: S seeds, B places of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.questions.uniformity.streams import STREAMS, SYMBOLS, WINDOW, code, stream, windows
from imprint.models.chance import generator
from imprint.models.learning.plain_steps import newborn, started, stepped
from imprint.models.rules.base import Network


class Recipe(NamedTuple):
    """All that a module is made by."""

    widths: tuple[int, ...] = (WINDOW * SYMBOLS, 96, 96, SYMBOLS)
    rule: str = "backprop"
    rate: float = 0.5
    batch: int = 64


RECIPE = Recipe()
TESTS = 8000
"""Places of the test."""


@dataclass(frozen=True)
class Senses:
    """One stream of S seeds, coded and cut into places with what was before them."""

    before: list[Tensor]
    """Of each seed, symbols before each place, in the code for in, ``[m, 8]``."""
    after: list[Tensor]
    """The symbol at each place, in the code for out, ``[m]``."""

    @classmethod
    def of(cls, name: str, seeds: Sequence[int], *, held_out: bool, shuffled: bool = False) -> Senses:
        """The stream called so."""
        before, after = [], []
        for seed in seeds:
            symbols = stream(name, seed, held_out=held_out)
            if shuffled:
                order = torch.randperm(len(symbols), generator=generator("shuffled", name, seed, held_out))
                symbols = symbols[order]
            places = windows(symbols, name)
            earlier = symbols[places[:, None] - torch.arange(WINDOW, 0, -1)]
            before.append(code(name, seed, "in")[earlier])
            after.append(code(name, seed, "out")[symbols[places]])
        return cls(before, after)

    def batch(self, size: int, rngs: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
        """Random places: inputs ``[S, B, 256]`` and the symbols that follow ``[S, B]``."""
        places = [
            torch.randint(len(after), (size,), generator=rng) for after, rng in zip(self.after, rngs, strict=True)
        ]
        seen = torch.stack([before[place] for before, place in zip(self.before, places, strict=True)])
        target = torch.stack([after[place] for after, place in zip(self.after, places, strict=True)])
        return F.one_hot(seen, SYMBOLS).flatten(2).float(), target


def taught(network: Network, senses: Senses, seeds: Sequence[int], *, updates: int) -> Network:
    """The modules after so many updates on a stream."""
    rule = started(RECIPE.rule, network.widths, seeds)
    rngs = [generator("places", seed) for seed in seeds]
    for _ in range(updates):
        x, y = senses.batch(RECIPE.batch, rngs)
        asked = rule.changes(network, x, F.one_hot(y, SYMBOLS).float())
        network = stepped(network, asked, RECIPE.rate)
    return network


def balanced(foretold: Tensor, after: Tensor) -> Tensor:
    """Mean over the symbols that occur of the part that is foretold right, ``[S]`` from ``[S, B]``."""
    truth = F.one_hot(after, SYMBOLS).float()
    count = truth.sum(1)
    right = (truth * (foretold == after)[..., None]).sum(1)
    return (right / count.clamp_min(1)).sum(1) / (count > 0).sum(1)


def score(network: Network, senses: Senses, seeds: Sequence[int]) -> Tensor:
    """Balanced score of modules on a stream, ``[S]``."""
    x, y = senses.batch(TESTS, [generator("tests", seed) for seed in seeds])
    return balanced(network.activities(x)[-1].argmax(2), y)


def bigram(train: Senses, test: Senses, seeds: Sequence[int]) -> Tensor:
    """Balanced score of the commonest successor, ``[S]``."""
    found = []
    x, y = test.batch(TESTS, [generator("tests", seed) for seed in seeds])
    last = x.unflatten(2, (WINDOW, SYMBOLS))[:, :, -1].argmax(2)
    for before, after in zip(train.before, train.after, strict=True):
        pairs = torch.bincount(before[:, -1] * SYMBOLS + after, minlength=SYMBOLS**2).reshape(SYMBOLS, SYMBOLS)
        found.append(pairs.argmax(1))
    return balanced(torch.stack(found).gather(1, last), y)


def measure_modules(*, seeds: Sequence[int], updates: int, say: Say) -> pd.DataFrame:
    """Rows of part, stream, donor, measure, seed and value."""
    train = {name: Senses.of(name, seeds, held_out=False) for name in STREAMS}
    test = {name: Senses.of(name, seeds, held_out=True) for name in STREAMS}
    rows: list[dict[str, Any]] = []

    def note(name: str, donor: str, measure: str, values: Tensor) -> None:
        about = {"part": "modules", "stream": name, "donor": donor, "measure": measure}
        rows.extend({**about, "seed": seed, "value": value} for seed, value in zip(seeds, values.tolist(), strict=True))

    born = newborn(RECIPE.widths, [generator("module", seed) for seed in seeds])
    modules = {}
    for done, name in enumerate(STREAMS):
        say(done, 9, f"modules learn {name}")
        modules[name] = taught(born, train[name], seeds, updates=updates)
        occurring = torch.stack([(torch.bincount(after, minlength=SYMBOLS) > 0).sum() for after in test[name].after])
        note(name, "none", "chance", 1.0 / occurring)
        note(name, "none", "newborn", score(born, test[name], seeds))
        note(name, name, "native", score(modules[name], test[name], seeds))
        note(name, "none", "bigram", bigram(train[name], test[name], seeds))
        noise = [Senses.of(name, seeds, held_out=held_out, shuffled=True) for held_out in (False, True)]
        note(name, "none", "shuffled", score(taught(born, noise[0], seeds, updates=updates // 4), noise[1], seeds))
    for done, (donor, name) in enumerate((a, b) for a in STREAMS for b in STREAMS if a != b):
        say(3 + done, 9, f"modules of {donor} in the place of {name}")
        note(name, donor, "swapped", score(modules[donor], test[name], seeds))
        again = taught(modules[donor], train[name], seeds, updates=updates)
        note(name, donor, "retrained", score(again, test[name], seeds))
    return pd.DataFrame(rows)
