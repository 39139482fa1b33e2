"""Trained world models, how well they predict, and assessors after a life without reward, for questions that imagine.

Letters: n rows, D width of latents, V assessors, C channels, H and W cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from imprint.analyses.engine import Say
from imprint.models.assessors.base import Assessor
from imprint.models.assessors.valence import Valence
from imprint.models.chance import generator
from imprint.models.environments.base import Environment
from imprint.models.environments.coin import Coin
from imprint.models.errors import NotMeasurableError
from imprint.models.imagination.training import train
from imprint.models.imagination.walks import Walks, walk
from imprint.models.imagination.world_model import WorldModel
from imprint.models.settings import FrozenSettings
from imprint.models.states import State, rows

CHUNKS = 100
"""Parts in which a life is given to an assessor, so that its running moments settle before there is any signal."""


class Growing(FrozenSettings):
    """How world models are trained."""

    walks: int = Field(1000, ge=10, le=10_000_000)
    """Random walks, without reward, that are learned from."""
    updates: int = Field(1000, ge=0, le=10_000_000)
    """Gradient steps; 0: untrained."""
    batch: int = Field(32, ge=2, le=10_000_000)
    """Segments in a gradient step."""
    length: int = Field(3, ge=1, le=10_000_000)
    """Steps of a segment, all predicted from its first observation."""
    learning_rate: float = Field(8e-3, gt=0.0, le=1e6)
    """Highest learning rate of Adam."""
    ends: bool = True
    """Whether the end of an episode is predicted, too."""
    channels: int = Field(12, ge=2, le=65_536)
    """Latent channels of a cell."""
    hidden: int = Field(32, ge=2, le=65_536)
    """Hidden units of a cell."""
    summary: int = Field(16, ge=1, le=65_536)
    """Units of the summary latents."""


def grow(
    environment: Environment, seeds: Sequence[int], growing: Growing, say: Say
) -> list[tuple[int, WorldModel, Walks]]:
    """One world model per seed, trained on random walks in ``environment``, all as one batch; seed, model and walks."""
    walks = []
    for seed in seeds:
        rng = generator("walks", seed)
        levels = environment.levels(growing.walks, rng=rng)
        walks.append(walk(environment, levels, environment.settings.limit, rng=rng))
    settings = WorldModel.Settings(**growing.model_dump(include={"ends", "channels", "hidden", "summary"}))
    models = [WorldModel.born(settings, environment.view, rng=generator("world model", seed)) for seed in seeds]
    orders = [generator("segments", seed) for seed in seeds]

    def report(update: int, loss: Tensor) -> None:
        say(update, growing.updates, f"training world models, loss {float(loss.mean()):.2f}")

    numbers = {name: getattr(growing, name) for name in ("updates", "batch", "length", "learning_rate")}
    train(models, walks, orders, **numbers, report=report)
    return list(zip(seeds, models, walks, strict=True))


def foreseen(model: WorldModel, walks: Walks) -> list[dict[str, Any]]:
    """How often the frame, and the place on channel 1, are exactly right, by step after the only observation.

    Rows of step, metric, value and n. Channel 1 is the agent's in every grid world that ships.
    """
    observation = walks.observation.float()
    with torch.no_grad():
        imagined = model(observation[:, 0], walks.action)
        logits, end = model.predicted(imagined.maps), model.end(imagined.summary)[..., 0] > 0
    right = {
        "frame": ((logits > 0) == (observation > 0.5)).flatten(2).all(-1),
        "agent": logits[:, :, 1].flatten(2).argmax(-1) == observation[:, :, 1].flatten(2).argmax(-1),
    }
    table = []
    for step in range(1, observation.shape[1]):
        known = walks.known[:, step]
        for name, hit in right.items():
            table.append({"step": step, "metric": name, "value": _rate(hit[:, step], known), "n": int(known.sum())})
    for name, hit, among in (("end_hit", end, walks.ended), ("end_false", end, walks.known & ~walks.ended)):
        value = _rate(hit[:, 1:], among[:, 1:])
        table.append({"step": 0, "metric": name, "value": value, "n": int(among[:, 1:].sum())})
    return table


def near_rooms(
    world: Coin, goals: Sequence[str], horizon: int, n: int, *, among: int, design: str = "train", rng: torch.Generator
) -> State:
    """The first ``n`` of ``among`` fresh rooms in which all ``goals`` are 2 to ``horizon`` steps away.

    Raises :class:`NotMeasurableError` when there are fewer.
    """
    levels = world.levels(among, rng=rng, design=design)
    away = world.distances(levels)
    near = torch.stack([(away[goal] >= 2) & (away[goal] <= horizon) for goal in goals]).all(0)
    index = torch.nonzero(near).flatten()[:n]
    if len(index) < n:
        raise NotMeasurableError(f"only {len(index)} of {n} rooms have {' and '.join(goals)} within {horizon} steps.")
    return rows(levels, index)


def _rate(hit: Tensor, among: Tensor) -> float:
    return float(hit[among].float().mean()) if bool(among.any()) else float("nan")


def frames(walks: Walks, n: int, *, rng: torch.Generator) -> Tensor:
    """``n`` frames of walks, drawn with replacement, float ``[n, C, H, W]``."""
    known = torch.nonzero(walks.known)
    chosen = known[torch.randint(0, len(known), (n,), generator=rng)]
    return walks.observation[chosen[:, 0], chosen[:, 1]].float()


def lived(latents: Tensor, copies: int, *, rate: float = 1.0) -> Valence:
    """Assessors that were given ``latents`` ``[n, D]`` of a life in which the signal was always 0.

    Their weights are zero and their running moments are those of the life.
    """
    valence = Valence(Valence.Settings(signal="taste", lag=0, rate=rate), copies, latents.shape[1])
    gate = torch.ones(copies, dtype=torch.bool)
    for chunk in latents.chunk(CHUNKS):
        copied = chunk[None, :, None].expand(copies, -1, -1, -1)
        valence.update(copied, torch.zeros(copied.shape[:3]), gate)
    return valence


def columns(assessor: Assessor) -> tuple[Tensor, Tensor]:
    """Weights ``[D, V]`` and biases ``[V]`` on raw latents of V assessors."""
    pairs = [assessor.linear(v) for v in range(assessor.seeds)]
    return torch.stack([w for w, _ in pairs], 1), torch.stack([b for _, b in pairs])
