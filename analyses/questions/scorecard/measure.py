"""Assessors of innate outcomes as a monitor, for one training seed on ``meadow``.

An agent is trained; then it acts on unseen levels, and K assessors, one for each innate outcome, learn from its
activations to predict their outcome (:mod:`imprint.models.assessors.long_term`, ``sum`` form):

    v_k(t) = expected sum_i discount^i [ outcome k in step t + i ]

They are judged on other episodes. *Soon* means within ``HORIZON`` steps. Beside them, with the same steps to learn
from: a ridge probe of the first K principal components for each outcome, trained on whether it comes soon; the same on
all activations (a ceiling); the closed-form solution of the assessors' own equations (least-squares temporal
differences, Bradtke & Barto 1996).

One table; ``table`` says what ``value`` is:

auc         of ``outcome`` coming soon against not, by ``reader``
alone       the same among steps in which no other outcome comes soon
lead        mean number of steps for which the reader was above its threshold without a break before an outcome (at most
            ``LOOK``); the threshold lets 5 % of the steps pass before which nothing comes
slope, r2   of what came on what was predicted (scorecard)
share       of steps in which the outcome comes soon
novel       AUC of the novel outcome, which has no channel: by the alarm (the highest channel, each in its own standard
            deviations), by the best single channel and its sign (chosen on the training episodes), by fresh probes

Letters: n episodes, T steps, M steps of all episodes, D width of the activations, K channels.
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
"""Warmth from which on the outcome ``warm`` holds: at most one step from the mother."""
HORIZON, LOOK, DISCOUNT = 5, 10, 0.8
FALSE_ALARMS, LEAST, RIDGE, PIECE = 0.05, 20, 1.0, 256


@dataclass(frozen=True)
class Steps:
    """All steps of some episodes, one below the other."""

    read: Tensor
    """``[M, D]`` activations before each step."""
    then: Tensor
    """``[M, D]`` activations after it."""
    over: Tensor
    """bool ``[M]``: the episode ends with it."""
    outcome: Tensor
    """bool ``[M, K + 1]``: outcomes in the step, the novel one last."""
    episode: Tensor
    """int64 ``[M]`` index of the episode."""
    soon: Marks
    """``[M, K + 1]``: the outcome comes within the horizon."""
    known: Marks
    """``[M, K + 1]``: whether that is known (an episode that was cut off hides what would have come)."""
    came: Floats
    """``[M, K]`` discounted sum of outcomes that came; NaN near where an episode was cut off."""


def steps_of(lives: Lives) -> Steps:
    """The steps of episodes with what came after them."""
    senses = {**lives.senses, "warm": (lives.senses["warmth"] >= WARM).float()}
    outcome = torch.stack([senses[name] > 0.5 for name in (*CHANNELS, NOVEL)], -1)
    n, length, _ = outcome.shape
    t = torch.arange(length)
    alive = t < lives.steps[:, None]
    soon = _within(outcome, HORIZON)
    hidden = ~lives.terminated[:, None] & (t + HORIZON > lives.steps[:, None])
    came = torch.zeros(n, length + 1, len(CHANNELS), dtype=torch.float64)
    for i in range(length - 1, -1, -1):
        came[:, i] = outcome[:, i, :-1] + DISCOUNT * came[:, i + 1]
    far = lives.terminated[:, None] | (t + 3 * HORIZON <= lives.steps[:, None])
    came = torch.where(far[..., None], came[:, :-1], torch.nan)
    over = lives.terminated[:, None] & (t == lives.steps[:, None] - 1)
    episode = torch.arange(n)[:, None].expand(n, length)
    known = ~hidden[..., None] | soon
    return Steps(
        read=lives.read[:, :-1][alive],
        then=lives.read[:, 1:][alive],
        over=over[alive],
        outcome=outcome[alive],
        episode=episode[alive],
        soon=soon[alive].numpy(),
        known=known[alive].numpy(),
        came=came[alive].numpy(),
    )


def _within(outcome: Tensor, horizon: int) -> Tensor:
    """Whether an outcome ``[n, T, K]`` comes in any of the ``horizon`` steps from t on, ``[n, T, K]``."""
    total = torch.nn.functional.pad(outcome.int().cumsum(1), (0, 0, 1, horizon))
    length = outcome.shape[1]
    total[:, length + 1 :] = total[:, length : length + 1]
    return total[:, horizon : horizon + length] > total[:, :length]


class Whitening:
    """Principal components of activations: a linear change of basis, learned without labels."""

    def __init__(self, activations: Tensor) -> None:
        x = activations.double()
        self.mean = x.mean(0)
        self.values, self.vectors = torch.linalg.eigh(torch.cov((x - self.mean).T))
        self.values, self.vectors = self.values.flip(0), self.vectors.flip(1)

    def components(self, activations: Tensor, count: int) -> Tensor:
        """The first principal components ``[M, count]``."""
        components: Tensor = (activations.double() - self.mean) @ self.vectors[:, :count]
        return components

    def whitened(self, activations: Tensor) -> Tensor:
        """All components at equal spread, together of length about 1, and a column of ones: ``[M, D + 1]``."""
        spread = (self.values.clamp(min=0) + 1e-3 * self.values.mean()).sqrt() * len(self.values) ** 0.5
        return torch.nn.functional.pad(self.components(activations, len(self.values)) / spread, (0, 1), value=1.0)


def assessors(x: Tensor, then: Tensor, steps: Steps, *, updates: int, seed: int) -> LongTerm:
    """K assessors trained on random steps, ``PIECE`` of them an update, each a pair of moments."""
    settings = LongTerm.Settings(signal="outcome", lag=1, form="sum", discount=DISCOUNT, plain=True, rate=0.5)
    array, rng = LongTerm(settings, len(CHANNELS), x.shape[1]), generator("scorecard", seed)
    gate = torch.ones(len(CHANNELS), dtype=torch.bool)
    for _ in range(updates):
        index = torch.randint(0, len(x), (PIECE,), generator=rng)
        pair = torch.stack([x[index], then[index]], 1).expand(len(CHANNELS), -1, -1, -1)
        outcome = steps.outcome[index, :-1].T.double()
        over = steps.over[index].expand_as(outcome)
        signal, override = (torch.stack([torch.zeros_like(now), now], 2) for now in (outcome, over))
        array.update(pair, signal, gate, override)
    return array


def least_squares(x: Tensor, then: Tensor, steps: Steps) -> Tensor:
    """Weights ``[D + 1, K]`` at which the assessors' mean update is zero."""
    following = DISCOUNT * then * ~steps.over[:, None]
    small = 1e-6 * torch.eye(x.shape[1], dtype=x.dtype)
    target = x.T @ steps.outcome[:, :-1].double() / len(x)
    weight: Tensor = torch.linalg.solve(x.T @ (x - following) / len(x) + small, target)
    return weight


def probes(x: Tensor, steps: Steps) -> Tensor:
    """Ridge weights ``[D + 1, K + 1]`` of probes that are trained on what comes soon."""
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


def lead(score: Floats, outcome: Marks, soon: Marks, known: Marks, *, episode: NDArray[np.int64]) -> float:
    """Mean number of steps for which a score was above its threshold before an outcome; NaN with too few outcomes.

    All arguments are ``[M]``.
    """
    calm = score[known & ~soon]
    onset = outcome & ~np.concatenate([[False], outcome[:-1] & (episode[1:] == episode[:-1])])
    at = np.flatnonzero(onset)
    if len(calm) < LEAST or len(at) < LEAST:
        return float("nan")
    high = score > np.quantile(calm, 1 - FALSE_ALARMS)
    back = at[:, None] - np.arange(LOOK)
    same = (back >= 0) & (episode[np.maximum(back, 0)] == episode[at][:, None])
    return float(np.cumprod(high[np.maximum(back, 0)] & same, axis=1).sum(1).mean())


def monitored(*, setup: dict[str, Any], lives: int, updates: int, seed: int, say: Say) -> pd.DataFrame:
    """One seed's agent, its scorecard and the readers beside it.

    ``lives``: episodes that train the readers, and as many on which they are judged; ``updates``: of the assessors.
    """
    chosen = AgentSetup(**setup)
    agents = raised(chosen, seed, say=lambda done, total: say(done, 2 * total, f"training seed {seed}"))
    agent = agents[chosen.planned[-1]]
    points = tuple(point for point in agent.read_points if point != "hook_in")

    def steps(part: str) -> Steps:
        environment = chosen.make_environment()
        start = environment.levels(lives, rng=generator("scorecard", part, seed))
        return steps_of(follow(environment, start, AgentPolicy(agent, seed=seed), agent=agent, points=points))

    trained_on, held_out = steps("taught"), steps("held out")
    say(6, 8, "training the scorecard")
    return measured(trained_on, held_out, updates=updates, seed=seed).assign(seed=seed)


def measured(trained_on: Steps, held_out: Steps, *, updates: int, seed: int) -> pd.DataFrame:
    """All numbers of one seed: ``table, reader, outcome, value``."""
    basis, count = Whitening(trained_on.read), len(CHANNELS)
    x, then, new = (basis.whitened(part) for part in (trained_on.read, trained_on.then, held_out.read))
    array = assessors(x, then, trained_on, updates=updates, seed=seed)
    few, few_new = (
        torch.nn.functional.pad(basis.components(part, count), (0, 1), value=1.0)
        for part in (trained_on.read, held_out.read)
    )
    scores = {
        "scorecard": _predicted(array, new),
        "closed form": (new @ least_squares(x, then, trained_on)).numpy(),
        f"{count} components": (few_new @ probes(few, trained_on)).numpy(),
        "all that can be read": (new @ probes(x, trained_on)).numpy(),
    }
    rows = [row for reader, score in scores.items() for row in _by_outcome(reader, score[:, :count], held_out)]
    rows += _calibration(scores["scorecard"], held_out)
    novel = _novel(_predicted(array, x), scores, trained_on, held_out)
    rows += [{"table": "novel", "reader": reader, "value": value} for reader, value in novel.items()]
    return pd.DataFrame(rows)


def _predicted(array: LongTerm, x: Tensor) -> Floats:
    return array.predict(x.expand(len(CHANNELS), 1, -1, -1))[:, 0].T.numpy()


def _by_outcome(reader: str, score: Floats, steps: Steps) -> list[dict[str, Any]]:
    rows, happened, episode = [], steps.outcome.numpy(), steps.episode.numpy()
    for k, outcome in enumerate(CHANNELS):
        soon, known = steps.soon[:, k], steps.known[:, k]
        quiet = ~np.delete(steps.soon[:, : len(CHANNELS)], k, axis=1).any(1)
        numbers = {
            "auc": auc(score[:, k], soon, known),
            "alone": auc(score[:, k], soon, known & quiet),
            "lead": lead(score[:, k], happened[:, k], soon, known, episode=episode),
            "share": float(soon[known].mean()),
        }
        rows += [{"table": table, "reader": reader, "outcome": outcome, "value": v} for table, v in numbers.items()]
    return rows


def _calibration(score: Floats, steps: Steps) -> list[dict[str, Any]]:
    rows = []
    for k, outcome in enumerate(CHANNELS):
        known = np.isfinite(steps.came[:, k])
        predicted, came = score[known, k], steps.came[known, k]
        enough = int((came > 0).sum()) >= LEAST and predicted.std() > 0 and came.std() > 0
        related = np.cov(predicted, came) if enough else np.full((2, 2), np.nan)
        slope, fit = related[0, 1] / related[0, 0], related[0, 1] ** 2 / (related[0, 0] * related[1, 1])
        about = {"reader": "scorecard", "outcome": outcome}
        rows += [{"table": "slope", **about, "value": slope}, {"table": "r2", **about, "value": fit}]
    return rows


def _novel(before: Floats, scores: dict[str, Floats], trained_on: Steps, held_out: Steps) -> dict[str, float]:
    """AUC of the outcome without a channel, by reader; ``before``: the scorecard on the training episodes."""
    now, soon, known = scores["scorecard"], held_out.soon[:, -1], held_out.known[:, -1]
    alarm = ((now - before.mean(0)) / np.maximum(before.std(0), 1e-9)).max(1)
    own = [auc(before[:, k], trained_on.soon[:, -1], trained_on.known[:, -1]) for k in range(len(CHANNELS))]
    best = int(np.argmax(np.abs(np.nan_to_num(own, nan=0.5) - 0.5)))
    sign = 1.0 if own[best] >= 0.5 else -1.0
    return {
        "alarm": auc(alarm, soon, known),
        "best channel": auc(sign * now[:, best], soon, known),
        **{name: auc(score[:, -1], soon, known) for name, score in scores.items() if score.shape[1] > len(CHANNELS)},
    }
