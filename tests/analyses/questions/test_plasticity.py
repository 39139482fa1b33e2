from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.plasticity import measure as pieces
from imprint.analyses.questions.plasticity.question import PLANNED, category, decide, summary
from imprint.models.steering.base import Body, Senses
from imprint.models.steering.saccade import Saccade
from imprint.models.steering.tally import Tally


def test_a_variable_made_of_synapses_is_the_steering_signals_variable() -> None:
    rng = torch.Generator().manual_seed(0)
    won, about = (torch.rand(3, 40, generator=rng) < 0.6).float(), torch.rand(3, 40, generator=rng) * 2 - 1
    senses = Senses({"near": torch.ones(3, 40), "fought": torch.ones(3, 40), "won": won, "place": about})
    tally = Tally.Settings(name="t", opponent="near", fought="fought", won="won", rate=pieces.FIGHT)
    expected = Tally(tally).adjusted(senses, Body({}))["t.tally"]
    for count in (1, 7):
        held = pieces.live("fight tally", won, about, count).mean(1)
        assert torch.allclose(held, expected, atol=1e-6)
    muscle = torch.tensor([1.0, 0.6, 0.3])
    saccade = Saccade(Saccade.Settings(name="s", target="place", strength="muscle", rate=pieces.JUMP))
    gain = saccade.adjusted(senses, Body({"muscle": muscle}))["s.gain"]
    held = pieces.live("saccade gain", muscle[:, None].expand(-1, 40), about, 5).mean(1)
    assert torch.allclose(held, gain, atol=1e-5)


def test_the_dimension_is_that_of_what_is_kept() -> None:
    found = {role: pieces.dimension(role, 0) for role in ("learner", "alike", "fight tally", "silenced")}
    assert found["learner"] > 50 and found["alike"] == 1 and found["fight tally"] == 1 and found["silenced"] == 0


def test_a_larger_learner_is_better_and_a_silenced_one_learns_nothing() -> None:
    small, large = (pieces.score_of_learner("learner", (0, 1), count, 600) for count in (4, 64))
    assert bool((large > small + 0.05).all())
    assert float(pieces.score_of_learner("silenced", (0, 1), 64, 50).max()) <= 0.05


def test_a_tally_takes_most_of_the_error_away_whatever_its_size() -> None:
    one, many = (pieces.score_of_variable("fight tally", (0, 1), count, 200) for count in (1, 9))
    assert float(one.min()) > 0.5 and torch.allclose(one, many, atol=1e-4)


@pytest.mark.parametrize(
    ("slope", "dimension", "expected"),
    [(0.3, 128, "learning"), (0.3, 1, "neither"), (0.0, 1, "variable"), (0.0, 128, "neither"), (0.04, 1, "neither")],
)
def test_categories_need_both_numbers(slope: float, dimension: float, expected: str) -> None:
    assert category(slope, dimension) == expected


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: tuple[float, float]) -> pd.DataFrame:
    """A finished table of eight seeds: slope per tenfold and dimension of each role."""
    planned = {role: (0.3, 128.0) if PLANNED.get(role) == "learning" else (0.0, 1.0) for role in pieces.ROLES}
    planned |= {"silenced": (0.0, 0.0), "shuffled": (0.0, 128.0)}
    rows: list[dict[str, Any]] = []
    for role, (slope, dimension) in (planned | {name.replace("_", " "): each for name, each in change.items()}).items():
        for seed, noise in enumerate(0.004 * np.cos(np.arange(8))):
            about = {"role": role, "seed": seed}
            for size in (10, 100, 1000):
                score = slope * np.log10(size) + noise - 0.1 * (role in ("silenced", "shuffled"))
                rows.append({**about, "measure": "score", "synapses": size, "value": score})
            rows.append({**about, "measure": "dimension", "synapses": 128, "value": dimension})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"learner": (0.0, 128.0)}, "refuted"),
        ({"learner": (0.3, 20.0)}, "refuted"),
        ({"fight_tally": (0.2, 1.0)}, "refuted"),
        ({"fight_tally": (0.0, 40.0)}, "refuted"),
        ({"saccade_gain": (0.0, 3.0)}, "refuted"),
        ({"commanded": (0.01, 128.0)}, "refuted"),
        ({"alike": (0.0, 9.0)}, "undetermined"),
        ({"silenced": (0.2, 0.0)}, "undetermined"),
        ({"shuffled": (0.2, 128.0)}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, tuple[float, float]], verdict: str) -> None:
    made = table(**change)
    last = made[(made["measure"] == "score") & (made["synapses"] == 1000)].set_index("seed")
    controls = [last[last["role"] == role]["value"] for role in ("silenced", "shuffled")]
    assert decide(summary(made), *controls)[0] == verdict


def test_small_devices_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PROBE", 12)
    monkeypatch.setattr(pieces, "LARGE", 12)
    question = load_question("plasticity", {"seeds": 2, "sizes": [2, 4], "events": 20})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    answer = question.conclude(tables, {})
    assert [exhibit.name for exhibit in answer.exhibits] == ["scaling", "numbers", "seeds"]
    assert answer.sentence.endswith("Plastic is not the same as learning.")
