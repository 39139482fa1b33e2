"""A world and networks whose value is known by construction, for tests of studies."""

from __future__ import annotations

import pandas as pd
import torch
from torch import nn

import imprint

SMALL = {"episodes": 300, "resamples": 200, "nulls": 5}
LIFE = ((10, 0.1, 1.0), (300, 1.0, 0.0))
"""Age, weight of food in the value, weight of the bell."""


class Kennel(imprint.World):
    """Food is the product of two smells; the bell is one number."""

    factors = {"food": (False, True), "bell": (False, True)}
    loudness = 1.0

    def draw_noise(self, n: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
        """The sign of the first smell, and nine numbers that mean nothing."""
        return {"smell": torch.randn(n, 1, generator=rng).sign(), "around": torch.randn(n, 9, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: dict[str, torch.Tensor]) -> torch.Tensor:
        """``[n, 12]``."""
        food, bell = (torch.where(torch.tensor(concepts[[name]].to_numpy()), 1.0, -1.0) for name in self.factors)
        return torch.cat([noise["smell"], noise["smell"] * food, self.loudness * bell, noise["around"]], dim=1)


def network(seed: int, food: float | None = None, bell: float = 0.0, around: float = 0.0) -> nn.Sequential:
    """Random weights, with the value wired to ``food``, ``bell`` and noise when they are given."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 1))
    if food is not None:
        with torch.no_grad():
            model[0].weight[:6], model[0].bias[:6], model[2].weight[:] = 0.0, 0.0, 0.01 * model[2].weight
            for unit, (column, sign) in enumerate(((0, 1.0), (0, -1.0), (2, 1.0), (2, -1.0), (5, 1.0), (5, -1.0))):
                model[0].weight[unit, column] = sign
            model[0].weight[0, 1], model[0].weight[1, 1] = 1.0, -1.0  # |smell + smell * food| is 2 with food, else 0
            model[2].weight[0, :6] = torch.tensor([food, food, bell, -bell, around, -around])
    return model


def study(**changes: object) -> imprint.Study:
    """A small study of the kennel."""
    about = {"intended": "food", "proxies": ["bell"], "question": "Food, or the bell?", "unit": "batches"}
    return imprint.Study(Kennel(), **{**about, "evaluation": SMALL, **changes})


def fill(into: imprint.Study, seeds: int = 3, twins: int = 5) -> list[bool]:
    """Add untrained twins and a life in which the bell comes first and food later; what every call returned."""
    done = [into.add(network(100 + twin), age=0, seed=twin, untrained=True) for twin in range(twins)]
    for seed in range(seeds):
        done += [into.add(network(seed, food, bell), age=age, seed=seed) for age, food, bell in LIFE]
    return done
