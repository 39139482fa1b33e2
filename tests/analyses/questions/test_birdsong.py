from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.birdsong import measure as pieces
from imprint.analyses.questions.birdsong.question import decide


def quiet(*_: Any) -> None:
    """Say nothing."""


def test_what_came_out_better_is_preferred_as_reinforce_says() -> None:
    flock = pieces.Flock((0,), 2)
    before = flock.preference.clone()
    commands = flock.draw(3)
    error = torch.tensor([[1.0, -1.0, 0.0], [2.0, 0.0, 7.0]])
    sung = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    flock.reinforce(commands, error, sung)
    for bird in range(2):
        used = [i for i in range(3) if sung[bird, i]]
        spread = error[bird, used].std(unbiased=False)
        expected = torch.zeros_like(before[bird])
        for i in used:
            drawn = torch.eye(3)[commands[bird, i]]
            expected += pieces.RATE * error[bird, i] / spread * (drawn - before[bird].softmax(-1)) / 3
        assert torch.allclose(flock.preference[bird] - before[bird], expected, atol=1e-5)


@pytest.mark.parametrize("arm", ["hearing", "deaf"])
def test_what_is_heard_are_the_senses_of_the_body(arm: str) -> None:
    flock = pieces.Flock((3,), 2, arm)
    flock.body = type(flock.body)(flock.body.settings.model_copy(update={"jitter": 0.0}))
    commands = flock.draw(4).flatten(0, 1)
    songs = pieces.sing(flock.body, commands, flock.rng)
    state, place = flock.body.levels(8, rng=flock.rng), pieces.LEVELS ** torch.arange(pieces.P - 1, -1, -1)
    for step in range(flock.body.settings.length):
        outcome = flock.body.follow(state, (commands[:, step] * place).sum(1))
        senses = flock.body.senses(outcome.before, outcome.action, outcome.after)
        state = outcome.after
        assert torch.allclose(songs.heard[:, :, step], torch.stack([senses[name] for name in pieces.FEATURES]))


def test_a_judge_teaches_the_hearing_and_not_the_deaf() -> None:
    hearing, deaf = (pieces.Flock((7, 8), 2, arm) for arm in ("hearing", "deaf"))
    born = hearing.measured()["score"].mean()
    for _ in range(60):
        hearing.practise()
        deaf.practise()
    grown, flat = (flock.measured()["score"].mean() for flock in (hearing, deaf))
    assert float(grown) > float(born) + 0.25 and float(flat) < float(born) + 0.1
    assert 0.8 < float(hearing.perfect.min()) <= 1.0


def test_birds_with_one_program_are_alike_and_other_species_are_not() -> None:
    flock = pieces.Flock((1, 2, 3), 2)
    flock.preference = (40 * flock.preference[::2]).repeat_interleave(2, 0)
    alike = flock.alike()
    assert float(alike["song alike"].min()) > 0.95 and float(alike["motor program alike"].min()) > 0.999
    assert float(alike["song alike, other species"].abs().max()) < 0.8


def test_days_and_practice_of_a_life_by_hand() -> None:
    scores = torch.tensor([[0.1, 0.1], [0.3, 0.2], [0.9, 0.3], [0.7, 0.2]])
    sang = torch.tensor([[0.5, 0.5], [0.7, 0.1], [0.2, 0.0], [0.1, 0.2]])
    table = pieces.of_days(scores, sang, ((4, 5), "two channels", 0.8)).set_index(["seed", "measure"])["value"]
    assert table[4, "days"] == 3 and table[5, "days"] == 4
    assert table[4, "practice while bad"] == pytest.approx(0.6)
    assert table[5, "practice while bad"] == pytest.approx(0.2)
    assert table[4, "practice in the end"] == pytest.approx(0.1) and table[5, "score in the end"] == pytest.approx(0.2)


# -- the rule ----------------------------------------------------------------------------------------------------------

SONG: dict[str, tuple[str, str, int, float]] = {
    "babble": ("babble", "score", 0, 0.1),
    "newborn": ("hearing", "score", 0, 0.1),
    "grown": ("hearing", "score", 9, 0.95),
    "song": ("hearing", "song alike", 9, 0.95),
    "motor": ("hearing", "motor program alike", 9, 0.3),
    "strange": ("hearing", "song alike, other species", 9, 0.05),
    "deaf": ("deaf", "score", 9, 0.1),
    "scrambled": ("scrambled", "score", 9, 0.2),
    "teacher": ("scrambled", "score by its teacher", 9, 0.95),
    "plain": ("plain body", "motor program alike", 9, 0.8),
}
LIFE: dict[str, tuple[str, str, float]] = {
    "two": ("two channels", "days", 100.0),
    "one": ("one scalar", "days", 500.0),
    "fed": ("no food", "days", 110.0),
    "bad_one": ("one scalar", "practice while bad", 0.1),
    "bad_two": ("two channels", "practice while bad", 0.8),
    "end": ("two channels", "practice in the end", 0.1),
}


def decided(**change: float) -> str:
    noise = 0.01 * np.cos(np.arange(8))
    songs = [
        {"arm": arm, "day": day, "measure": name, "seed": seed, "value": change.get(key, value) + each}
        for key, (arm, name, day, value) in SONG.items()
        for seed, each in enumerate(noise)
    ]
    lives = [
        {"arm": arm, "measure": name, "seed": seed, "value": change.get(key, value) * (1 + each)}
        for key, (arm, name, value) in LIFE.items()
        for seed, each in enumerate(noise)
    ]
    return decide(pd.DataFrame(songs), pd.DataFrame(lives))[0]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"newborn": 0.2}, "refuted"),
        ({"grown": 0.7}, "refuted"),
        ({"grown": 0.901}, "undetermined"),
        ({"song": 0.6}, "refuted"),
        ({"motor": 0.7, "plain": 0.95}, "refuted"),
        ({"deaf": 0.4, "grown": 0.7}, "undetermined"),
        ({"teacher": 0.5}, "undetermined"),
        ({"plain": 0.35}, "undetermined"),
        ({"one": 150.0}, "refuted"),
        ({"bad_one": 0.6}, "refuted"),
        ({"bad_one": 0.4}, "undetermined"),
        ({"fed": 300.0, "one": 150.0}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decided(**change) == verdict


def test_a_few_days_run_from_end_to_end() -> None:
    question = load_question("birdsong", {"seeds": 2, "birds": 2, "days": 3, "looks": 2, "life": 10})
    tables = {p.name: p.function(**p.arguments, say=quiet) for p in question.work()}
    answer = question.conclude(tables, {})
    assert [exhibit.name for exhibit in answer.exhibits] == ["scores", "alike", "practice", "days", "seeds"]
    assert answer.sentence.startswith("Told nothing but a score") and (answer.findings["metric"] == "days").any()
