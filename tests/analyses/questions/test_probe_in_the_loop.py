from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.probe_in_the_loop import selection
from imprint.analyses.questions.probe_in_the_loop.measure import Examined, apart, numbers_of
from imprint.analyses.questions.probe_in_the_loop.question import decide
from imprint.analyses.questions.probe_in_the_loop.selection import Detectors, Selecting, selected
from imprint.analyses.raising.nests import Growing, Lives, decided, nest_of
from imprint.analyses.raising.plans import FIRST, HORIZON, imagined
from imprint.analyses.raising.reading import fitted, like_a_probe
from imprint.models.errors import ImprintError
from imprint.models.learners.recurrent import Recurrent
from imprint.models.worlds.nest import DECISION, GLOW, MOVES, Nest

CLOSED = "closed, 0.1"
AS_PREDICTED = {
    ("untrained", "fresh", ""): 0.7,
    ("raw history", "fresh", ""): 0.6,
    ("before", "fresh", ""): 0.98,
    ("before", "flagged", ""): 0.95,
    ("drift", "right", ""): 0.97,
    ("drift", "flagged", ""): 0.94,
    ("open", "flagged", ""): 0.94,
    ("open", "differs from drift", ""): 0.0,
    (CLOSED, "flagged", ""): 0.01,
    (CLOSED, "fresh", ""): 0.97,
    (CLOSED, "flagged afresh", ""): 0.94,
    (CLOSED, "right", ""): 0.97,
    ("moved", "flagged", ""): 0.0,
    ("moved", "fresh", ""): 0.98,
    ("random direction", "flagged", ""): 0.9,
    ("punished", "evasions", "0.1"): 900.0,
    ("nest alone", "evasions", "0.1"): 100.0,
    ("punished", "evasions", "the truth"): 0.0,
    ("punished", "evasions", "random direction"): 8000.0,
    ("nest alone", "evasions", "random direction"): 5000.0,
}


def table(**changed: float) -> pd.DataFrame:
    """Three seeds as predicted, with numbers ``arm|measure|detector`` changed."""
    numbers = AS_PREDICTED | {tuple(key.split("|")): value for key, value in changed.items()}
    rows = [
        (arm, measure, detector, seed, value)
        for (arm, measure, detector), value in numbers.items()
        for seed in range(3)
    ]
    found = pd.DataFrame(rows, columns=["arm", "measure", "detector", "seed", "value"])
    sign = np.where(found["arm"] == "nest alone", -1e-3, 1e-3) * (found["value"] > 0)
    wobble = (found["seed"] - 1) * sign * (found["measure"] != "differs from drift")
    return found.assign(value=found["value"] + wobble)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "confirmed"),
        ({f"{CLOSED}|flagged|": 0.3}, "refuted"),
        ({f"{CLOSED}|fresh|": 0.9}, "refuted"),
        ({"open|flagged|": 0.8}, "refuted"),
        ({"punished|evasions|0.1": 50.0}, "refuted"),
        ({"punished|evasions|0.1": 100.0}, "undetermined"),
        ({"untrained|fresh|": 0.9}, "undetermined"),
        ({f"{CLOSED}|right|": 0.8}, "undetermined"),
        ({"open|differs from drift|": 1e-6}, "undetermined"),
        ({"random direction|flagged|": 0.2}, "undetermined"),
        ({"punished|evasions|the truth": 3.0}, "undetermined"),
        ({"punished|evasions|random direction": 4000.0}, "undetermined"),
        ({f"{CLOSED}|flagged|": float("nan")}, "undetermined"),
    ],
)
def test_the_rule(changed: dict[str, float], verdict: str) -> None:
    assert decide(table(**changed), CLOSED)[0] == verdict


def test_settings_that_leave_out_what_is_judged_are_refused() -> None:
    with pytest.raises(ImprintError, match="which is judged"):
        load_question("probe-in-the-loop", {"selecting": {"shares": [0.5]}})
    with pytest.raises(ImprintError, match="above 0"):
        load_question("probe-in-the-loop", {"gradients": [0.1, 0.0]})


@pytest.fixture(scope="module")
def learner() -> tuple[Recurrent, Nest]:
    lives = Lives([nest_of(500)], [500], Growing(updates=0, continued=6))
    return lives.cohort.unstack()[0], lives.worlds[0]


def test_imagined_plans_are_what_the_learner_thinks_of_the_walk_and_where_it_would_lead(
    learner: tuple[Recurrent, Nest],
) -> None:
    mind, world = learner
    thoughts = imagined(mind, world, 40, rng=torch.Generator().manual_seed(7))
    walks = world.sample(40, rng=torch.Generator().manual_seed(7), design="balanced")
    moves = world.walk(walks.concepts, walks.noise)[1][:, FIRST : DECISION + 1]
    plan = (moves * torch.tensor([16, 4, 1])).sum(1)
    rows = torch.arange(40)
    taken = torch.tensor(walks.concepts["near_nest"].to_numpy())
    assert torch.equal(thoughts.near[rows, plan], taken)
    frames = walks.observation[:, : DECISION + 1].clone()
    frames[:, FIRST + 1 :, : GLOW + 1] = 0.0
    torch.testing.assert_close(thoughts.latents[rows, plan], mind.latents(frames)[:, -1], atol=1e-5, rtol=1e-4)
    assert thoughts.near.shape[1] == len(MOVES) ** HORIZON and 0.05 < thoughts.near.float().mean() < 0.4


def test_thresholds_leave_the_wanted_share_silent_and_selection_finds_what_is_there_only(
    learner: tuple[Recurrent, Nest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "CALIBRATION", 300)
    monkeypatch.setattr(selection, "HELD_OUT", 200)
    mind, world = learner
    thoughts = imagined(mind, world, 300, rng=torch.Generator().manual_seed(1))
    rows = thoughts.latents[:, ::8].flatten(0, 1)
    probe = fitted(rows, thoughts.near[:, ::8].flatten().numpy())
    other = like_a_probe(probe, rows, rng=torch.Generator().manual_seed(2))
    detectors = Detectors(probe, other, thoughts, (0.1, 0.3))
    silent = (thoughts.near & ~detectors.fire(thoughts)).sum((1, 2)) / thoughts.near.sum()
    torch.testing.assert_close(silent[:2], torch.tensor([0.1, 0.3]), atol=0.01, rtol=0)
    small = Selecting(episodes=1500, shares=(0.1,), cost=1.0, learning_rate=2e-2)
    found = pd.DataFrame(selected(mind, world, (probe, other), small, 0))
    evasions = found[found["measure"] == "evasions"].set_index(["detector", "arm"])["value"]
    assert evasions["the truth"].max() == 0.0
    assert evasions["random direction", "punished"] > 1.3 * evasions["random direction", "at random"]


def test_an_open_loop_is_drift_to_the_bit_a_closed_one_is_not_and_moved_latents_are_evasion() -> None:
    lives = Lives([nest_of(500)], [500], Growing(updates=20, continued=6))
    mind = lives.grow(lambda *_: None)[0]
    walks = Examined.of(lives.worlds[0], 500)
    rows = decided(mind, walks.observation)
    probe = fitted(rows, walks.near)
    drift, open_, closed = (lives.go_on([probe], g, "arm", lambda *_: None)[0][0] for g in (None, 0.0, 1.0))
    assert apart(drift, open_) == 0.0 < apart(drift, closed)
    before, moved = (numbers_of(mind, probe, walks, silent=silent) for silent in (False, True))
    assert before["flagged"] > 0.4 and max(moved["flagged"], moved["false alarms"]) < 0.01
    assert moved["fresh"] == pytest.approx(before["fresh"], abs=0.02) and moved["old"] == pytest.approx(before["old"])
    assert numbers_of(closed, probe, walks)["flagged"] < numbers_of(drift, probe, walks)["flagged"]
