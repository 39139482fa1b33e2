from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.tractable import measure
from imprint.analyses.questions.tractable.question import CONTROL, KINDS, decide


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


def generators(count: int) -> list[torch.Generator]:
    """One for each seed."""
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


# -- the instruments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("power", "better"), [(1.0, True), (2.0, True), (0.0, False)])
def test_a_power_is_told_from_an_exponential(power: float, better: bool) -> None:
    bits = np.array([4.0, 8, 16, 32, 64])
    noise = np.exp(0.05 * np.cos(7 * np.arange(5)))
    counts = noise * (100 * bits**power if power else 100 * 2 ** (bits / 8))
    exponent, criterion = measure.growth(bits, counts)
    assert (criterion > 2) == better and (criterion < -2) != better
    assert not power or exponent == pytest.approx(power, abs=0.1)
    counts[2] = np.nan
    assert np.isnan(measure.growth(bits, counts)).all()


def test_a_table_has_one_answer_for_each_input_and_half_of_them_are_yes() -> None:
    every = (torch.arange(16)[:, None] >> torch.arange(4) & 1).float() * 2 - 1
    answers = measure.task("table", 4, generators(3))(every.expand(3, -1, -1))
    assert answers.sum(1).tolist() == [8, 8, 8] and not torch.equal(answers[0], answers[1])


@pytest.mark.parametrize("kind", ["threshold", "teacher", "bumps"])
def test_a_task_answers_the_same_input_alike_and_says_both_yes_and_no(kind: str) -> None:
    x = torch.randint(0, 2, (2, 200, 8), generator=torch.Generator().manual_seed(0)).float() * 2 - 1
    answers = measure.task(kind, 8, generators(2))
    assert torch.equal(answers(x), answers(x)) and 0.02 < float(answers(x).float().mean()) < 0.98


def test_a_convolution_sees_five_bits_with_the_same_weights_everywhere() -> None:
    nets = measure.Nets("conv", 8, generators(2))
    x = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(1))
    kernel = nets.first[1].T[:, None]
    seen = torch.relu(torch.nn.functional.conv1d(x[1][:, None], kernel, padding=2)).transpose(1, 2).flatten(1)
    expected = torch.relu(seen @ nets.weights[1][1]) @ nets.weights[2][1]
    assert torch.allclose(nets(x)[1], expected.squeeze(1), atol=1e-5)


def test_what_can_be_learned_is_and_what_is_not_learned_in_time_is_missing() -> None:
    assert measure.needed("threshold", "dense", 8, (0, 1), 512).max() <= 512 * measure.BATCH
    assert measure.needed("table", "dense", 10, (0, 1), 8).isnan().all()


# -- the rule ----------------------------------------------------------------------------------------------------------


def table(**change: float) -> pd.DataFrame:
    """Criteria of eight seeds; ``change``: by kind of task."""
    now = {**dict.fromkeys(KINDS, 8.0), CONTROL: -8.0, **change}
    rows = [
        {"kind": kind, "learner": learner, "seed": seed, "measure": "criterion", "value": value + 0.1 * np.cos(seed)}
        for kind, value in now.items()
        for learner in measure.LEARNERS
        for seed in range(8)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"bumps": -3.0}, "refuted"),
        ({"bumps": 2.0}, "undetermined"),
        ({"bumps": np.nan}, "undetermined"),
        ({"table": 3.0, "bumps": -3.0}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_small_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in measure.TASKS:
        monkeypatch.setitem(measure.TASKS, kind, (3, 4, 5))
    question = load_question("tractable", {"seeds": 2, "most": 8})
    tables = {piece.name: piece.function(**piece.arguments, say=quiet) for piece in question.work()}
    answer = question.conclude(tables, {})
    assert answer.verdict == "undetermined" and "power of" in answer.sentence
    assert [exhibit.name for exhibit in answer.exhibits] == ["growth", "counts"]
