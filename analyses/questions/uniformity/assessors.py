"""One cell type for all short-term predictors: what is lost when no channel may have a learning rate of its own?

A learner of the nursery grows up by prediction alone. Every sense of the world is foretold from its latents by
assessors of one kind (:mod:`imprint.models.assessors.valence`) at several lags; they differ in nothing but which signal
teaches them and how far ahead. Each channel is learned at every one of :data:`RATES`; what counts is the squared
correlation between foretold and true signal. The tuned rate of a channel is the best of its own, the shared one is the
best on average over all channels, both by one set of episodes; both are then tested on another set.

Letters: S seeds, C channels (sense and lag), R rates, n episodes, T steps, D latent width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.valence import Valence
from imprint.models.chance import birth, generator
from imprint.models.learning.cohort import Cohort
from imprint.models.lifetimes.learner import Experience
from imprint.models.setup.learner import Setup, frame_of
from imprint.models.setup.load import load_setup
from imprint.models.worlds.base import Batch, World

RATES = (0.03, 0.1, 0.3, 1.0, 1.9)
LAGS = (0, 1, 2)
LESSONS, EXAM, KNOWN = 150, 800, 0.05
"""Batches from which assessors learn, episodes of a test, and the least score of a channel that can be told at all."""


def senses_of(world: World, batch: Batch, names: Sequence[str] = ()) -> dict[str, Tensor]:
    """Senses called so, by default every one that varies, ``[n, T]``."""
    senses = {name: value.float() for name, value in world.senses(batch).values.items()}
    return {name: senses[name] for name in names or sorted(senses) if names or float(senses[name].std()) > 0}


def squared_correlation(value: Tensor, signal: Tensor) -> Tensor:
    """Of values and signals ``[..., n, T]``, ``[...]``; 0 where one of them does not vary."""
    a, b = (part.flatten(-2).double() for part in (value, signal))
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    spread = a.square().sum(-1) * b.square().sum(-1)
    return torch.where(spread > 0, (a * b).sum(-1).square() / spread.clamp_min(1e-30), 0.0)


def chosen(tuning: Tensor) -> tuple[int, Tensor]:
    """Shared rate and that of each channel, as places, from scores ``[C, R]``."""
    return int(tuning.mean(0).argmax()), tuning.argmax(1)


def measure_assessors(*, seeds: Sequence[int], experiences: int, say: Say) -> pd.DataFrame:
    """Rows of part, stream (channel), measure, seed and value: score with shared and with tuned rates."""
    plan = load_setup("nursery", expect=Setup)
    world = plan.make_world(0)
    cohort = Cohort([plan.make_learner(frame_of(world), rng=birth(s)) for s in seeds], plan.schedule.learning_rate)
    streams = [Experience(world, plan.schedule.batch, seed) for seed in seeds]
    grown = experiences // plan.schedule.batch
    for step in range(grown):
        cohort.learn(torch.stack([stream.next().observation for stream in streams]))
        say(step, grown + LESSONS, "learners grow up")
    exams = [[world.held_out().sample(EXAM, rng=generator(part, s)) for s in seeds] for part in ("tune", "test")]
    names = list(senses_of(world, exams[0][0]))
    look = torch.no_grad()(cohort.call)

    def seen(batches: Sequence[Batch]) -> tuple[Tensor, dict[str, Tensor]]:
        latents: Tensor = look(torch.stack([batch.observation for batch in batches]))
        each = [senses_of(world, batch, names) for batch in batches]
        return latents, {name: torch.stack([senses[name] for senses in each]) for name in names}

    width = look(torch.stack([batch.observation[:1] for batch in exams[0]])).shape[-1]
    cells = {
        (name, lag, rate): Valence(Valence.Settings(signal=name, lag=lag, rate=rate), len(seeds), width)
        for name in names
        for lag in LAGS
        for rate in RATES
    }
    every = torch.ones(len(seeds), dtype=torch.bool)
    for step in range(LESSONS):
        latents, signals = seen([stream.next() for stream in streams])
        for (name, _, _), cell in cells.items():
            cell.update(latents, signals[name], every)
        say(grown + step, grown + LESSONS, "assessors learn")
    scores = []
    for batches in exams:
        latents, signals = seen(batches)
        found = [
            squared_correlation(cell.predict(latents)[:, :, : latents.shape[2] - lag], signals[name][:, :, lag:])
            for (name, lag, _), cell in cells.items()
        ]
        scores.append(torch.stack(found, 1).unflatten(1, (len(names) * len(LAGS), len(RATES))))
    return rows_of(scores[0], scores[1], [f"{name}, {lag} ahead" for name in names for lag in LAGS], seeds)


def rows_of(tuning: Tensor, test: Tensor, channels: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """Rows of each seed and of each channel that can be told, from scores ``[S, C, R]``; and over them the ratio."""
    rows: list[dict[str, Any]] = []
    for place, seed in enumerate(seeds):
        known = tuning[place].amax(1) >= KNOWN
        shared, own = chosen(tuning[place][known])
        with_shared, with_own = test[place][known][:, shared], test[place][known].gather(1, own[:, None])[:, 0]
        about = {"part": "assessors", "seed": seed}
        told = [channel for channel, is_known in zip(channels, known.tolist(), strict=True) if is_known]
        for measure, values in (("shared", with_shared), ("tuned", with_own)):
            each = zip(told, values.tolist(), strict=True)
            rows += [{**about, "stream": channel, "measure": measure, "value": value} for channel, value in each]
        ratio = float(with_shared.mean() / with_own.mean()) if told else float("nan")
        rows.append({**about, "stream": "all channels", "measure": "shared / tuned", "value": ratio})
        worst = float(test[place][known].amin(1).mean() / with_own.mean()) if told else float("nan")
        rows.append({**about, "stream": "all channels", "measure": "worst / tuned", "value": worst})
    return pd.DataFrame(rows)
