"""Studies of agents in the hall (:mod:`tests.known.hall`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imprint
from tests.known.hall import Hall, Network, at, imitating, place, steps_to


@pytest.fixture(scope="session")
def hall() -> Callable[..., Any]:
    """Begins a study of the hall."""

    def begin(**changes: Any) -> Any:
        given = {
            "goals": {"coin": at("coin"), "lamp": at("lamp")},
            "designs": {"train": lambda seed: Hall(), "apart": lambda seed: Hall(apart=True)},
            "facts": {name: place(name.partition("_")[0]) for name in ("coin_place", "lamp_place", "at")},
            "distances": {"coin": steps_to("coin"), "lamp": steps_to("lamp")},
            "evaluation": {"levels": 60, "states": 200, "placebos": 2, "resamples": 300, "discount": 0.9},
            "name": "hall",
        }
        return imprint.AgentStudy(Hall, **{**given, **changes})

    return begin


@pytest.fixture(scope="session")
def judged(hall: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Runs of networks that walk to the coin, beside two untrained ones, and of one that walks to the lamp."""
    runs = {}
    for name, goal, seeds in (("coin", 0, 2), ("lamp", 1, 1)):
        study, path = hall(), Path(tmp_path_factory.mktemp("runs")) / name
        for seed in range(seeds):
            study.add(imitating(goal, seed), age=250, seed=seed)
            if goal == 0:
                study.add(Network(100 + seed).eval(), age=0, seed=seed, untrained=True)
        runs[name] = study.finish(path)
    return runs
