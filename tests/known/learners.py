"""Learners with known insides, on which instruments are tested; the same that every report checks itself on."""

from __future__ import annotations

import torch

from imprint.analyses.planted.learners import EXPECTED, SITES, Planted, PlantedWorld, planted, self_check
from imprint.probes.subjects.subject import Subject

__all__ = ["EXPECTED", "SITES", "Planted", "PlantedWorld", "known", "planted", "self_check"]


def known(kind: str, seed: int = 0) -> tuple[Subject, PlantedWorld]:
    """A planted learner and its world."""
    world = PlantedWorld(PlantedWorld.Settings(seed=seed))
    return planted(kind, world, rng=torch.Generator().manual_seed(seed)), world
