"""Learners whose insides are known by construction, on which every instrument must be right.

The planted world shows vectors. Each factor (``concept``, ``proxy``, ``bystander``) is +1 or -1, split into two codes
whose product it is: a is drawn at random, b = a * factor, and each is written along its own random direction, with
noise around it. Neither code alone says anything about the factor, so no readout linear in the observation finds it.

A planted learner is a real module with three named sites. ``early`` rotates the observation. ``middle`` multiplies two
readings per factor, and shows the products along random directions beside pieces of the observation that carry nothing.
``late`` passes on what the value needs. What is shown and what the value is wired to are given:

    concept, proxy, both, nothing      the value is wired to these, and the latch must say so
    opposite                           wired to the concept with a negative weight: reversed
    product                            wired to the product of concept and proxy: conditional
    threshold                          the concept holds exactly the part from which it dominates: both words stay open
    untrained                          random weights, beside other random ones: no word
    one site                           concept present at ``middle``, and neither before nor after
    absent                             concept present nowhere

Letters: n rows, p width of the observation, d width of a site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from imprint.analyses.findings import findings
from imprint.analyses.latch.latch import latch
from imprint.analyses.locate.locate import locate
from imprint.models.errors import unknown_name
from imprint.models.settings import FrozenSettings
from imprint.models.setup.learner import Decision
from imprint.models.worlds.base import World
from imprint.probes.subjects.subject import Subject

METRICS = {
    "planted": {
        "self_check": "1 right, 0 wrong about a planted subject, which `control` names; `why`: what was expected"
    }
}

FACTORS = ("concept", "proxy", "bystander")
WIRED: dict[str, Mapping[str, float]] = {
    "concept": {"concept": 1.0},
    "proxy": {"proxy": 1.0},
    "both": {"concept": 1.0, "proxy": 1.0},
    "nothing": {},
    "opposite": {"concept": -1.0},
    "product": {"concept": 0.3, "concept x proxy": 1.0},
    "threshold": {"concept": Decision().dominates ** 0.5, "proxy": (1 - Decision().dominates) ** 0.5},
    "untrained": {"concept": 1.0, "proxy": 1.0},
    "one site": {},
    "absent": {},
}
"""Kind of planted learner -> weights of its value."""
JOINT = "concept x proxy"
"""The weight of the product of the two."""
SHOWN: dict[str, Sequence[str]] = {"absent": ("bystander",)}
"""Kind -> factors computed at ``middle``; all of them, when not listed."""
EXPECTED: dict[str, tuple[str, ...]] = {
    "concept": ("intended",),
    "proxy": ("proxy:proxy",),
    "both": ("mixed",),
    "nothing": ("none",),
    "opposite": ("reversed",),
    "product": ("conditional",),
    "threshold": ("intended or mixed",),
    "untrained": ("none", "undetermined"),
}
"""Kind -> the answers of the latch that are right: a verdict, or the words that are open."""
TWINS = 8
"""Untrained twins beside an untrained learner."""
SITES = ("early", "middle", "late")
VALUE_NOISE = 0.5
"""Standard deviation of the part of the value that no factor explains."""

JUDGED = 1500
"""Rows of a latch check."""
LOCATED = 4000
"""Rows of a locate check; absence is an equivalence test and needs more than presence."""


class PlantedWorld(World):
    """Vectors ``[n, 24]`` in which each factor is the product of two hidden codes."""

    class Settings(FrozenSettings):
        width: int = Field(24, ge=8, le=65_536)
        """p"""
        noise: float = Field(0.3, ge=0.0, le=1e6)
        """Standard deviation of every coordinate around the codes."""
        groups: int = Field(100, ge=2, le=10_000_000)
        """Groups of rows."""
        seed: int = Field(0, ge=0, lt=2**31)
        """Of the directions along which codes are written."""

    factors = dict.fromkeys(FACTORS, (False, True))

    def __init__(self, settings: PlantedWorld.Settings | None = None) -> None:
        super().__init__(settings)
        self.s: PlantedWorld.Settings = self.settings  # type: ignore[assignment]
        rng = torch.Generator().manual_seed(self.s.seed)
        self.directions = torch.linalg.qr(torch.randn(self.s.width, self.s.width, generator=rng)).Q
        """``[p, p]`` orthonormal columns: two per factor, then directions that carry nothing."""

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """First code of each factor, noise of each coordinate, and groups."""
        return {
            "code": 2.0 * torch.randint(0, 2, (n, len(FACTORS)), generator=rng) - 1.0,
            "around": torch.randn(n, self.s.width, generator=rng),
            "group": torch.randint(0, self.s.groups, (n,), generator=rng),
        }

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        """Observation ``[n, p]``."""
        sign = 2.0 * torch.tensor(concepts[list(FACTORS)].to_numpy(dtype=np.float32)) - 1.0
        codes = torch.cat([noise["code"], noise["code"] * sign], dim=1)
        coordinates = self.s.noise * noise["around"]
        coordinates[:, 2 * len(FACTORS) :] += (1 - self.s.noise) * noise["around"][:, 2 * len(FACTORS) :]
        coordinates[:, : 2 * len(FACTORS)] += codes
        observation: Tensor = coordinates @ self.directions.T
        return observation


class _Products(nn.Module):
    """Products of two readings per factor, and pieces of the observation, along random directions of the site."""

    def __init__(self, reading: Tensor, plain: Tensor, mix: Tensor) -> None:
        super().__init__()
        self.reading = nn.Parameter(reading)
        """``[p, 2 f]`` first and second code of each of f factors."""
        self.plain = nn.Parameter(plain)
        """``[p, d - f]``"""
        self.mix = nn.Parameter(mix)
        """``[d, d]``"""

    def forward(self, early: Tensor) -> Tensor:
        """Activations ``[n, d]`` of a rotated observation ``[n, p]``."""
        first, second = torch.tanh(2.0 * early @ self.reading).chunk(2, dim=1)
        out: Tensor = torch.cat([first * second, early @ self.plain], dim=1) @ self.mix
        return out


class Planted(nn.Module):
    """A learner with the sites ``early``, ``middle`` and ``late``, whose output ``[n]`` is its value."""

    def __init__(self, kind: str, world: PlantedWorld, *, rng: torch.Generator, random: bool = False) -> None:
        """``random``: the untrained twin, the same shapes with every weight drawn at random."""
        super().__init__()
        if kind not in WIRED:
            raise unknown_name("planted learner", kind, WIRED)
        p, shown = world.s.width, SHOWN.get(kind, FACTORS)
        turn, mix, late = (torch.linalg.qr(torch.randn(p, p, generator=rng)).Q for _ in range(3))
        directions = torch.linalg.qr(torch.randn(p, p, generator=rng)).Q if random else world.directions
        index = [FACTORS.index(name) for name in shown]
        coded = turn.T @ directions
        self.early = nn.Linear(p, p, bias=False)
        self.early.weight = nn.Parameter(turn.T)
        plain = coded[:, 2 * len(FACTORS) :]
        reading = coded[:, [*index, *(i + len(FACTORS) for i in index)]]
        self.middle = _Products(reading, plain, _square(mix, len(index) + plain.shape[1]))
        weights = torch.tensor([WIRED[kind].get(name, 0.0) for name in shown] + [0.0] * plain.shape[1])
        weights[len(shown)] = VALUE_NOISE
        self._wire(weights, (weights != 0) | (torch.arange(len(weights)) >= len(shown)), late)
        self.joint = WIRED[kind].get(JOINT, 0.0)
        """Weight of concept x proxy, which reaches the value from ``middle`` past ``late``."""
        self.pair = nn.Parameter(torch.linalg.inv(self.middle.mix.detach())[:, :2])
        """``[d, 2]`` reads concept and proxy from ``middle``."""

    def _wire(self, weights: Tensor, kept: Tensor, rotation: Tensor) -> None:
        """``late`` shows what is ``kept`` (bool ``[d]``) of ``middle``, and ``value`` adds it up with ``weights [d]``.

        ``late`` is as wide as what it keeps: a wider site would hold rounding errors alone in the spare directions, and
        those remember what was dropped.
        """
        width = int(kept.sum())
        turn, back = _square(rotation, width), torch.linalg.inv(self.middle.mix.detach())
        self.late = nn.Linear(len(kept), width, bias=False)
        self.late.weight = nn.Parameter((back[:, kept] @ turn).T)
        self.value = nn.Linear(width, 1, bias=False)
        self.value.weight = nn.Parameter((turn.T @ weights[kept])[None])

    def forward(self, observation: Tensor) -> Tensor:
        """Value ``[n]`` of observations ``[n, p]``."""
        middle = self.middle(self.early(observation))
        value: Tensor = self.value(self.late(middle))[:, 0]
        return value + self.joint * (middle @ self.pair).prod(1) if self.joint else value


def _square(rotation: Tensor, size: int) -> Tensor:
    """A random rotation ``[size, size]`` from a larger one."""
    square: Tensor = torch.linalg.qr(rotation[:size, :size]).Q
    return square


def planted(kind: str, world: PlantedWorld, *, rng: torch.Generator) -> Subject:
    """A planted learner as a subject; ``kind`` as in ``WIRED``."""
    return Subject(Planted(kind, world, rng=rng, random=kind == "untrained").eval(), sites=SITES)


def check_latch(seed: int, *, n: int = JUDGED) -> list[dict[str, Any]]:
    """The latch of the wired learners, against what they are."""
    world, rng = PlantedWorld(PlantedWorld.Settings(seed=seed)), torch.Generator().manual_seed(seed)
    rows = []
    for kind, expected in EXPECTED.items():
        subject = planted(kind, world, rng=rng)
        twins = [planted(kind, world, rng=rng) for _ in range(TWINS if kind == "untrained" else 0)]
        names: dict[str, Any] = {"intended": "concept", "proxies": ["proxy"], "untrained": twins, "sites": []}
        one = latch(subject, world, **names, n=n, seed=seed, attribution=0)
        answer = " or ".join(sorted(one.words)) if kind == "threshold" else one.verdict
        rows.append(_row(kind, answer, expected, n=n))
    return rows


def check_locate(seed: int, *, n: int = LOCATED, nulls: int = 20) -> list[dict[str, Any]]:
    """Whether ``locate`` finds the concept at ``middle`` alone where it is, and calls it absent where it is nowhere."""
    world, rng = PlantedWorld(PlantedWorld.Settings(seed=seed)), torch.Generator().manual_seed(seed)
    batch = world.sample(n, rng=rng, design="balanced")
    concepts, groups, inputs = batch.concepts[["concept"]], batch.groups, batch.observation.numpy()
    rows = []
    for kind, expected in (("one site", ("present at middle",)), ("absent", ("absent",))):
        subject = planted(kind, world, rng=rng)
        twin = Subject(Planted(kind, world, rng=rng, random=True).eval(), sites=SITES)
        arrays, untrained = (
            {site: x.numpy() for site, x in one.activations(batch.observation).items()} for one in (subject, twin)
        )
        table = locate(arrays, concepts, groups=groups, untrained=untrained, inputs=inputs, nulls=nulls, seed=seed)
        verdicts = table.set_index("site")["verdict"]
        present = [site for site in SITES if verdicts[site] == "present"]
        answer = "absent" if (verdicts == "absent").all() else "undetermined"
        rows.append(_row(kind, f"present at {', '.join(present)}" if present else answer, expected, n=n))
    return rows


def self_check(seed: int, *, n: int = JUDGED) -> pd.DataFrame:
    """Findings, one row per planted learner: ``verdict``, and ``estimate`` 1 if it is the right one."""
    return findings(check_latch(seed, n=n) + check_locate(seed))


def _row(kind: str, verdict: str, expected: Sequence[str], *, n: int) -> dict[str, Any]:
    why = f"expected {' or '.join(expected)}"
    right = {"estimate": float(verdict in expected), "verdict": verdict, "why": why}
    return {"analysis": "planted", "metric": "self_check", "control": kind, "concept": "concept", "n": n, **right}
