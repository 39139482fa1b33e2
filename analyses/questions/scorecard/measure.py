"""What the question of the scorecard measures for one training seed on ``meadow``.

An agent is raised; then it lives on levels it has not seen, and K assessors, one for each innate outcome, learn from
what they read in it to foretell their outcome (:mod:`imprint.models.assessors.long_term`, ``sum`` form):

    v_k(t) = expected sum_i discount^i [ outcome k in step t + i ]

They are read on other lives. *Soon* means within ``HORIZON`` steps. Beside them, with the same steps to learn from:
a ridge probe of the first K principal components for each outcome, which is told what comes soon; the same on all that
can be read (a ceiling); the closed-form solution of the assessors' own equations (least-squares temporal differences,
Bradtke & Barto 1996).

One table; ``table`` says what ``value`` is:

auc         of ``outcome`` coming soon against not, by ``reader``
alone       the same among steps in which no other outcome comes soon
lead        mean steps before an outcome from which on the reader was above its threshold without a break (at most
            ``LOOK``); the threshold lets 5 % of the steps pass before which nothing comes
slope, r2   of what came on what was foretold (scorecard)
share       of steps in which the outcome comes soon
novel       AUC of the novel outcome, which has no channel: by the alarm (the highest channel, each in its own standard
            deviations), by the best single channel and its sign (chosen on the lives that taught), by fresh probes

Letters: n lives, T steps, M steps of all lives, D numbers read, K channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.analyses.goals.acting import AgentPolicy
from imprint.analyses.raising.lives import Lives, follow, raised
from imprint.models.assessors.long_term import LongTerm
from imprint.models.chance import generator
from imprint.models.setup.agent import AgentSetup

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]
CHANNELS = ("food_eaten", "mother_reached", "warm", "shelter_reached", "dark", "struck", "survived", "starved")
NOVEL = "stranger_reached"
WARM = 0.75
"""Warmth that counts as the outcome ``warm``: at most one step from the mother."""
HORIZON, LOOK, DISCOUNT = 5, 10, 0.8
FALSE_ALARMS, LEAST, RIDGE, PIECE = 0.05, 20, 1.0, 256


@dataclass(frozen=True)
class Steps:
    """All steps of some lives, one below the other."""

    read: Tensor
    """``[M, D]`` before each step."""
    then: Tensor
    """``[M, D]`` after it."""
    over: Tensor
    """bool ``[M]``: nothing comes after it."""
    felt: Tensor
    """bool ``[M, K + 1]``: outcomes in the step, the novel one last."""
    life: Tensor
    """int64 ``[M]``."""
    soon: Marks
    """``[M, K + 1]``: the outcome comes within the horizon."""
    known: Marks
    """``[M, K + 1]``: whether that is known (a life that was cut off hides what would have come)."""
    came: Floats
    """``[M, K]`` discounted sum of what came; NaN near where a life was cut off."""


def steps_of(lives: Lives) -> Steps:
    """The steps of lives with what came after them."""
    names = (*CHANNELS, NOVEL)
    senses = {**lives.senses, "warm": (lives.senses["warmth"] >= WARM).float()}
    felt = torch.stack([senses[name] > 0.5 for name in names], -1)
    n, length, _ = felt.shape
    t = torch.arange(length)
    alive = t < lives.steps[:, None]
    soon = _within(felt, HORIZON)
    hidden = ~lives.terminated[:, None] & (t + HORIZON > lives.steps[:, None])
    came = torch.zeros(n, length + 1, len(CHANNELS), dtype=torch.float64)
    for i in range(length - 1, -1, -1):
        came[:, i] = felt[:, i, :-1] + DISCOUNT * came[:, i + 1]
    far = lives.terminated[:, None] | (t + 3 * HORIZON <= lives.steps[:, None])
    came = torch.where(far[..., None], came[:, :-1], torch.nan)
    over = lives.terminated[:, None] & (t == lives.steps[:, None] - 1)
    life = torch.arange(n)[:, None].expand(n, length)
    known = ~hidden[..., None] | soon
    return Steps(
        lives.read[:, :-1][alive], lives.read[:, 1:][alive], over[alive], felt[alive], life[alive],
        soon[alive].numpy(), known[alive].numpy(), came[alive].numpy(),
    )  # fmt: skip


def _within(felt: Tensor, horizon: int) -> Tensor:
    """Whether something is felt in any of the ``horizon`` steps from t on, ``[n, T, K]``."""
    total = torch.nn.functional.pad(felt.int().cumsum(1), (0, 0, 1, horizon))
    length = felt.shape[1]
    total[:, length + 1 :] = total[:, length : length + 1]
    return total[:, horizon : horizon + length] > total[:, :length]


class Reading:
    """Whitened numbers and a 1: a linear change of what is read, learned without labels."""

    def __init__(self, read: Tensor) -> None:
        x = read.double()
        self.mean = x.mean(0)
        self.values, self.vectors = torch.linalg.eigh(torch.cov((x - self.mean).T))
        self.values, self.vectors = self.values.flip(0), self.vectors.flip(1)

    def components(self, read: Tensor, count: int) -> Tensor:
        """The first principal components ``[M, count]``."""
        found: Tensor = (read.double() - self.mean) @ self.vectors[:, :count]
        return found

    def whitened(self, read: Tensor) -> Tensor:
        """All components at equal spread, together of length about 1, and a 1: ``[M, D + 1]``."""
        spread = (self.values.clamp(min=0) + 1e-3 * self.values.mean()).sqrt() * len(self.values) ** 0.5
        return torch.nn.functional.pad(self.components(read, len(self.values)) / spread, (0, 1), value=1.0)


def assessors(x: Tensor, then: Tensor, steps: Steps, *, updates: int, seed: int) -> LongTerm:
    """K assessors taught on random steps, ``PIECE`` of them an update, each a pair of moments."""
    settings = LongTerm.Settings(signal="outcome", lag=1, form="sum", discount=DISCOUNT, plain=True, rate=0.5)
    array, rng = LongTerm(settings, len(CHANNELS), x.shape[1]), generator("scorecard", seed)
    gate = torch.ones(len(CHANNELS), dtype=torch.bool)
    for _ in range(updates):
        some = torch.randint(0, len(x), (PIECE,), generator=rng)
        pair = torch.stack([x[some], then[some]], 1).expand(len(CHANNELS), -1, -1, -1)
        felt = steps.felt[some, :-1].T.double()
        signal = torch.stack([torch.zeros_like(felt), felt], 2)
        over = steps.over[some].expand_as(felt)
        array.update(pair, signal, gate, torch.stack([torch.zeros_like(over), over], 2))
    return array


def least_squares(x: Tensor, then: Tensor, steps: Steps) -> Tensor:
    """Weights ``[D + 1, K]`` at which the assessors' mean update is zero."""
    following = DISCOUNT * then * ~steps.over[:, None]
    small = 1e-6 * torch.eye(x.shape[1], dtype=x.dtype)
    wanted = x.T @ steps.felt[:, :-1].double() / len(x)
    found: Tensor = torch.linalg.solve(x.T @ (x - following) / len(x) + small, wanted)
    return found


def probes(x: Tensor, steps: Steps) -> Tensor:
    """Ridge weights ``[D + 1, K + 1]`` of probes that are told what comes soon."""
    weights = []
    for k in range(steps.soon.shape[1]):
        known = torch.from_numpy(steps.known[:, k])
        design, target = x[known], torch.from_numpy(steps.soon[:, k])[known].double()
        small = RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
        weights.append(torch.linalg.solve(design.T @ design + small, design.T @ target))
    return torch.stack(weights, 1)


def auc(score: Floats, soon: Marks, known: Marks) -> float:
    """Area under the curve of a score; NaN with fewer than ``LEAST`` steps on either side."""
    if min(int((known & soon).sum()), int((known & ~soon).sum())) < LEAST:
        return float("nan")
    return float(roc_auc_score(soon[known], score[known]))


def lead(score: Floats, felt: Marks, soon: Marks, known: Marks, life: NDArray[np.int64]) -> float:
    """Mean steps before an outcome from which on the score was above its threshold; NaN with too few outcomes."""
    calm = score[known & ~soon]
    onset = felt & ~np.concatenate([[False], felt[:-1] & (life[1:] == life[:-1])])
    at = np.flatnonzero(onset)
    if len(calm) < LEAST or len(at) < LEAST:
        return float("nan")
    high = score > np.quantile(calm, 1 - FALSE_ALARMS)
    back = at[:, None] - np.arange(LOOK)
    same = (back >= 0) & (life[np.maximum(back, 0)] == life[at][:, None])
    return float(np.cumprod(high[np.maximum(back, 0)] & same, axis=1).sum(1).mean())


# -- a seed ------------------------------------------------------------------------------------------------------------


def monitored(setup: dict[str, Any], lives: int, updates: int, seed: int, say: Say) -> pd.DataFrame:
    """One seed's agent, its scorecard and what stands beside it."""
    made = AgentSetup(**setup)
    agent = raised(made, seed, say=lambda done, total: say(done, 2 * total, f"raising seed {seed}"))[made.planned[-1]]
    taught, held = (_lived(made, agent, lives, seed, part) for part in ("taught", "held out"))
    say(6, 8, "teaching the scorecard")
    return measured(taught, held, updates=updates, seed=seed).assign(seed=seed)


def _lived(setup: AgentSetup, agent: Any, lives: int, seed: int, part: str) -> Steps:
    environment = setup.make_environment()
    start = environment.levels(lives, rng=generator("scorecard", part, seed))
    points = tuple(point for point in agent.read_points if point != "hook_in")
    return steps_of(follow(environment, start, AgentPolicy(agent, seed=seed), agent=agent, points=points))


def measured(taught: Steps, held: Steps, *, updates: int, seed: int) -> pd.DataFrame:
    """All numbers of one seed: ``table, reader, outcome, value``."""
    reading, count = Reading(taught.read), len(CHANNELS)
    x, then, seen = (reading.whitened(part) for part in (taught.read, taught.then, held.read))
    array = assessors(x, then, taught, updates=updates, seed=seed)
    few, few_seen = (
        torch.nn.functional.pad(reading.components(part, count), (0, 1), value=1.0) for part in (taught.read, held.read)
    )
    scores = {
        "scorecard": _foretold(array, seen),
        "closed form": (seen @ least_squares(x, then, taught)).numpy(),
        f"{count} components": (few_seen @ probes(few, taught)).numpy(),
        "all that can be read": (seen @ probes(x, taught)).numpy(),
    }
    rows = [row for reader, score in scores.items() for row in _by_outcome(reader, score[:, :count], held)]
    rows += _calibration(scores["scorecard"], held)
    rows += [{"table": "novel", "reader": name, "value": value}
             for name, value in _novel(_foretold(array, x), scores, taught, held).items()]  # fmt: skip
    return pd.DataFrame(rows)


def _foretold(array: LongTerm, x: Tensor) -> Floats:
    return array.predict(x.expand(len(CHANNELS), 1, -1, -1))[:, 0].T.numpy()


def _by_outcome(reader: str, score: Floats, held: Steps) -> list[dict[str, Any]]:
    rows, felt, life = [], held.felt.numpy(), held.life.numpy()
    for k, outcome in enumerate(CHANNELS):
        soon, known = held.soon[:, k], held.known[:, k]
        quiet = ~np.delete(held.soon[:, : len(CHANNELS)], k, axis=1).any(1)
        numbers = {
            "auc": auc(score[:, k], soon, known),
            "alone": auc(score[:, k], soon, known & quiet),
            "lead": lead(score[:, k], felt[:, k], soon, known, life),
            "share": float(soon[known].mean()),
        }
        rows += [{"table": table, "reader": reader, "outcome": outcome, "value": v} for table, v in numbers.items()]
    return rows


def _calibration(score: Floats, held: Steps) -> list[dict[str, Any]]:
    rows = []
    for k, outcome in enumerate(CHANNELS):
        known = np.isfinite(held.came[:, k])
        foretold, came = score[known, k], held.came[known, k]
        enough = int((came > 0).sum()) >= LEAST and foretold.std() > 0 and came.std() > 0
        related = np.cov(foretold, came) if enough else np.full((2, 2), np.nan)
        slope, fit = related[0, 1] / related[0, 0], related[0, 1] ** 2 / (related[0, 0] * related[1, 1])
        about = {"reader": "scorecard", "outcome": outcome}
        rows += [{"table": "slope", **about, "value": slope}, {"table": "r2", **about, "value": fit}]
    return rows


def _novel(before: Floats, scores: dict[str, Floats], taught: Steps, held: Steps) -> dict[str, float]:
    """AUC of the outcome without a channel, by reader; ``before``: the scorecard on the lives that taught it."""
    now, soon, known = scores["scorecard"], held.soon[:, -1], held.known[:, -1]
    alarm = ((now - before.mean(0)) / np.maximum(before.std(0), 1e-9)).max(1)
    there = [auc(before[:, k], taught.soon[:, -1], taught.known[:, -1]) for k in range(len(CHANNELS))]
    best = int(np.argmax(np.abs(np.nan_to_num(there, nan=0.5) - 0.5)))
    sign = 1.0 if there[best] >= 0.5 else -1.0
    return {
        "alarm": auc(alarm, soon, known),
        "best channel": auc(sign * now[:, best], soon, known),
        **{name: auc(score[:, -1], soon, known) for name, score in scores.items() if score.shape[1] > len(CHANNELS)},
    }
