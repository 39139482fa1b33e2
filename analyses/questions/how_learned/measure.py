"""Modules whose teacher is known, raised whole and with one signal lesioned at a time, and audited.

An episode has five causes, each +1 or -1, that follow a common one with probability ``rho``, so that each tells
something of all others. Cause 3 stands in the input as it is; each other one is hidden in a pair of input lines, whose
signs agree when it is +1, so that no line alone tells it. A fixed layer of random units expands every pair. Each module
is one layer on that code, which the delta rule teaches. What teaches is *prediction* (the next input, which follows
cause 0), *warmth* and *food* (crude steering senses, wrong one time in ten), and *warmth's reading*, the output of the
module that warmth teaches.

    predicts     taught by prediction
    warms        taught by warmth, of cause 1
    feeds        taught by food, of cause 2
    follows      taught by warmth's reading
    either       taught by warmth and by food in turn, both of which sense cause 4 here
    innate       wired at birth to tell cause 1, taught by nothing
    passes on    the input line of cause 3; taught by nothing
    idle         taught by noise

A lesion deals a signal out to other episodes, so that it keeps its distribution and tells nothing. A competence is the
correlation of a module's output with its cause on episodes in which causes are independent.

Letters: R replicates, L lives (whole, and one a lesion), M modules, n episodes, D width of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imprint.analyses.audit.rule import ALL, Audited, Competence, Source, audit
from imprint.analyses.statistics import mean_of_all

Floats = NDArray[np.float64]

SIGNALS = ("prediction", "warmth", "food", "warmth's reading")
SOURCES = (
    Source("prediction", "the world"),
    Source("warmth", "steering"),
    Source("food", "steering"),
    Source("warmth's reading", "another module", learned=True),
)
LIVES = ("whole", *SIGNALS, ALL)
MODULES = ("predicts", "warms", "feeds", "follows", "either", "innate", "passes on", "idle")
CAUSE = np.array([0, 1, 2, 1, 4, 1, 3, 2])
"""Cause that each module's competence is about."""
TRUTH: Mapping[str, str] = dict(
    zip(MODULES, ["prediction", "warmth", "food", "warmth", "more than one signal suffices"], strict=False)
) | {"innate": "there at birth", "passes on": "given by the input", "idle": "not there"}
PAIRED, LINE = (0, 1, 2, 4), 3
"""Causes that are hidden in a pair of lines, and the one that has a line of its own."""
UNITS, BATCH, RATE = 12, 32, 0.01
"""Random units a pair; episodes in a batch; step of the delta rule."""
WRONG, NOISE, TEST = 0.1, 0.3, 400
"""How often a crude sense is wrong; noise of input and prediction; episodes on which competences are measured."""
AGREES, LEAST = 0.3, 0.2
"""Least agreement with a signal for which the naive rule says that anything was learned; least competence."""


@dataclass(frozen=True)
class Raised:
    """What was measured of replicates."""

    scores: Floats
    """``[R, L, ages, M]``: competence in every life, at birth, half-way and in the end."""
    given: Floats
    """``[R, M]``: how well the best input line tells the cause."""
    agreement: Floats
    """``[R, 3, M]``: absolute correlation of output and outside signal in ordinary episodes of the whole life."""


class World:
    """Episodes of R replicates, each with a random code of its own."""

    def __init__(self, replicates: int, rho: float, rng: np.random.Generator) -> None:
        self.replicates, self.rho, self.rng = replicates, rho, rng
        self.weights = rng.normal(size=(replicates, len(PAIRED), 2, UNITS)) * 1.5
        self.bias = rng.normal(size=(replicates, len(PAIRED), 1, UNITS))

    def causes(self, n: int, *, apart: bool = False) -> Floats:
        """Causes ``[R, n, 5]``; ``apart``: independent of one another."""
        own = self._signs(self.replicates, n, 5)
        follows = self.rng.random(own.shape) < (0.0 if apart else self.rho)
        return np.where(follows, self._signs(self.replicates, n, 1), own)

    def code(self, causes: Floats) -> tuple[Floats, Floats]:
        """The code ``[R, n, D]`` of a batch, whose last unit is the line of cause 3; all lines ``[R, n, 9]``."""
        key = self._signs(*causes.shape[:2], len(PAIRED))
        lines = np.stack([key, key * causes[..., list(PAIRED)]], -1)
        lines = lines + NOISE * self.rng.normal(size=lines.shape)
        line = causes[..., LINE : LINE + 1] + NOISE * self.rng.normal(size=(*causes.shape[:2], 1))
        hidden = np.tanh(np.einsum("rnpk,rpku->rpnu", lines, self.weights) + self.bias)
        flat = hidden.transpose(0, 2, 1, 3).reshape(*causes.shape[:2], -1)
        return np.concatenate([flat, line], -1), np.concatenate([lines.reshape(*causes.shape[:2], -1), line], -1)

    def senses(self, causes: Floats) -> Floats:
        """What prediction, warmth and food say ``[R, n, 3]``, of cause 0, 1 and 2."""
        crude = np.where(self.rng.random((*causes.shape[:2], 2)) < WRONG, -1.0, 1.0) * causes[..., 1:3]
        return np.concatenate([causes[..., :1] + NOISE * self.rng.normal(size=(*causes.shape[:2], 1)), crude], -1)

    def _signs(self, *shape: int) -> Floats:
        return self.rng.choice([-1.0, 1.0], size=shape)


def raised(replicates: int, batches: int, rho: float, sham: bool, rng: np.random.Generator) -> Raised:
    """All modules of some replicates in all lives; ``sham``: lesions change nothing."""
    world = World(replicates, rho, rng)
    test = world.causes(TEST, apart=True)
    code, lines = world.code(test)
    weights = np.zeros((replicates, len(LIVES), len(MODULES), code.shape[-1]))
    innate = np.linalg.solve(code.swapaxes(1, 2) @ code + np.eye(code.shape[-1]), code.swapaxes(1, 2) @ test[..., [1]])
    weights[:, :, MODULES.index("innate")] = innate.swapaxes(1, 2)
    weights[:, :, MODULES.index("passes on"), -1] = 1.0
    code, lines = world.code(test)
    scores = [_correlation(_outputs(code, weights), test[:, None][..., CAUSE], 2)]
    for half in range(2):
        for number in range(half * batches // 2, (half + 1) * batches // 2):
            _batch(world, weights, number, sham)
        scores.append(_correlation(_outputs(code, weights), test[:, None][..., CAUSE], 2))
    given = np.abs(_correlation(lines[..., :, None], test[:, :, None, CAUSE], 1)).max(1)
    return Raised(np.stack(scores, 2), given, _agreement(world, weights))


def _batch(world: World, weights: Floats, number: int, sham: bool) -> None:
    """One step of the delta rule of every module that is taught, in every life."""
    causes = world.causes(BATCH)
    code, _ = world.code(causes)
    said = _outputs(code, weights)
    senses = np.repeat(world.senses(causes)[:, None], len(LIVES), 1)
    fourth = causes[..., [4]] * np.where(world.rng.random((*causes.shape[:2], 1)) < WRONG, -1.0, 1.0)
    told = np.concatenate([senses, said[..., [1]], np.repeat(fourth[:, None], len(LIVES), 1)], -1)
    other = world.rng.permutation(BATCH)
    if not sham:
        lesioned = np.array([[life in (name, ALL) for name in SIGNALS] for life in LIVES])
        turn = lesioned[:, 1 + number % 2]
        dealt = np.concatenate([lesioned, turn[:, None]], 1)
        told = np.where(dealt[None, :, None], told[:, :, other], told)
    noise = world.rng.normal(size=said.shape[:3])
    target = np.stack([told[..., 0], told[..., 1], told[..., 2], told[..., 3], told[..., 4], noise], -1)
    taught = [MODULES.index(name) for name in ("predicts", "warms", "feeds", "follows", "either", "idle")]
    error = target - said[..., taught]
    weights[:, :, taught] += RATE * np.einsum("rlnm,rnd->rlmd", error, code) / BATCH * 4


def _outputs(code: Floats, weights: Floats) -> Floats:
    """Outputs ``[R, L, n, M]``."""
    said: Floats = np.einsum("rnd,rlmd->rlnm", code, weights)
    return said


def _agreement(world: World, weights: Floats) -> Floats:
    causes = world.causes(TEST)
    said = _outputs(world.code(causes)[0], weights[:, :1])[:, 0]
    return np.abs(_correlation(world.senses(causes)[..., :, None], said[..., None, :], 1))


def _correlation(a: Floats, b: Floats, axis: int) -> Floats:
    """Correlation over ``axis``, which holds episodes; 0 where one of the two does not vary."""
    a, b = (x - x.mean(axis, keepdims=True) for x in (a, b))
    size = np.sqrt((a**2).sum(axis) * (b**2).sum(axis))
    found: Floats = (a * b).sum(axis) / np.where(size > 0, size, np.inf)
    return found


def judged(found: Raised, module: int) -> Audited:
    """The audit of one module, from its replicates."""
    scores = found.scores[..., module]
    shown = [age for age in range(scores.shape[2]) if mean_of_all(scores[:, 0, age]).low > 0]
    return audit(
        Competence(
            MODULES[module],
            whole=mean_of_all(scores[:, 0, -1]),
            sources=SOURCES,
            lesions={name: mean_of_all(scores[:, life, -1]) for life, name in enumerate(LIVES) if life},
            birth=mean_of_all(scores[:, 0, 0]),
            given=mean_of_all(found.given[:, module]),
            least=LEAST,
            age=float(shown[0]) if shown else float("nan"),
        )
    )


def naive(found: Raised, module: int) -> str:
    """The signal from outside that the module's output goes along with most."""
    agreement = found.agreement[..., module].mean(0)
    return SIGNALS[int(agreement.argmax())] if agreement.max() > AGREES else "not there"


def measure(
    *, audits: tuple[int, ...], replicates: int, batches: int, rho: float, sham: bool, say: Callable[..., object]
) -> pd.DataFrame:
    """A row for every module of every audit: what the rule and the naive rule answer, and what they go by.

    ``rho``: how far causes go along with one another; ``sham``: lesions that change nothing, a control.
    """
    rows = []
    for done, number in enumerate(audits, start=1):
        found = raised(replicates, batches, rho, sham, np.random.default_rng(number))
        for m, module in enumerate(MODULES):
            answer, simple = ", ".join(sorted(judged(found, m).answer)), naive(found, m)
            scores = found.scores[..., m].mean(0)
            left = {f"without {name}": scores[life, -1] for life, name in enumerate(LIVES) if life}
            row = {"seed": number, "module": module, "truth": TRUTH[module], "answer": answer, "naive": simple}
            row |= {"right": float(answer == TRUTH[module]), "naive_right": float(simple == TRUTH[module])}
            rows.append({**row, "whole": scores[0, -1], "at birth": scores[0, 0], **left})
        say(done, len(audits), "")
    return pd.DataFrame(rows)
