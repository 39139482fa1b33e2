from __future__ import annotations

import lzma
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.ask import load_question
from imprint.analyses.questions.birth import bits, cuts, learners, memory
from imprint.analyses.questions.birth.question import OF_HIDDEN, decide, taught
from imprint.models.learners.base import LEARNERS, Frame, Taught
from imprint.models.learning.cohort import Cohort
from imprint.models.learning.plain_steps import newborn, started
from imprint.models.rules.base import RULES


def quiet(*_: object) -> None:
    """Progress that nobody watches."""


# -- the instruments ---------------------------------------------------------------------------------------------------


class Knowing:
    """Stands for learners of two seeds: one is surprised where the last frame is not that before, one the reverse."""

    def call(self, shown: torch.Tensor, method: str) -> Taught:
        assert method == "objective"
        surprise = (shown[:, :, -1] - shown[:, :, -2]).abs().flatten(1).sum(1)
        return Taught(surprise * torch.tensor([1.0, -1.0, 0.0]), shown)


def test_who_knows_what_comes_next_is_right_who_takes_the_opposite_wrong_and_who_cannot_tell_half() -> None:
    still = torch.rand(4, 3, 16, 1, 1, 2, 2).expand(-1, -1, -1, 5, -1, -1, -1)
    assert learners.rightly_chosen(Knowing(), list(still)).tolist() == [1.0, 0.0, 0.5]  # type: ignore[arg-type]


def test_an_empty_memory_recalls_nothing_and_a_full_one_less_than_one_that_is_not() -> None:
    table = memory.measure_memory(seeds=(0, 1), say=quiet).groupby("arm")["value"].mean()
    assert abs(table["0"] - 0.5) < 0.03 and table["0.05"] > 0.99 > 0.8 > table["0.5"]


def test_one_pattern_is_recalled_by_the_outer_product_rule_in_plain_numpy() -> None:
    rng = np.random.default_rng(0)
    pattern = rng.choice([-1.0, 1.0], 60)
    cue = np.where(rng.random(60) < 0.5, pattern, 1.0)
    weight = np.outer(pattern, pattern) - np.eye(60)
    expected = np.sign(weight @ cue) == pattern
    found = memory.recall(torch.from_numpy(pattern).float()[None], 1, torch.Generator().manual_seed(0))
    assert expected.all() and found == 1.0


def test_claims_have_the_sign_that_a_curve_gives_them() -> None:
    flat = cuts.claims((0, 1, 2, 4), np.array([0.1, 0.1, 0.1, 0.1]))
    assert flat["chance"] == [True] * 3 and flat["rises"] == [False] * 3
    step = cuts.claims((0, 1, 2, 4), np.array([0.1, 0.1, 0.9, 0.95]))
    assert step["chance"] == [True, True, False] and step["rises"] == [True, True, False]
    assert step["early"][0] and not cuts.claims((0, 2, 3, 4), np.array([0.1, 0.1, 0.1, 0.9]))["early"][0]


def test_docstrings_and_comments_are_no_specification_and_noise_does_not_compress() -> None:
    source = (
        '"""Text."""\n\n\nclass A:\n    """More."""\n\n    def f(self):  # why\n        """Text."""\n        return 1\n'
    )
    assert bits.bare(source) == "class A:\n\n    def f(self):\n        return 1"
    assert bits.bare('def f():\n    """Text."""\n') == "def f():\n    pass"
    noise = np.random.default_rng(0).bytes(4000)
    assert bits.compressed(bytes(4000)) < 1000 < 8 * 3900 < bits.compressed(noise)
    made = lzma.compress(b"words " * 50, format=lzma.FORMAT_ALONE, preset=9)
    assert bits.compressed(b"words " * 50) == 8 * len(made)


def test_bits_are_those_of_the_trained_weights_and_of_four_files() -> None:
    plan = learners.plan_of("layers", "hebbian")
    frame = Frame(4, 1, 8, 8)
    newborns = [plan.make_learner(frame, rng=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    spec, weights = bits.bits_of(plan, Cohort(newborns, 0.1))
    parameters = sum(value.numel() for value in newborns[0].parameters())
    assert all(0.8 * 32 * parameters < each < 33 * parameters for each in weights)
    assert 8_000 < spec < 80_000


# -- the rule ----------------------------------------------------------------------------------------------------------

GOOD = {
    "newborn": 0.5,
    "grown": 0.9,
    "born": 0.1,
    "last": 0.9,
    "empty": 0.5,
    "loaded": 0.99,
    "over": 0.6,
    "ratio": 0.005,
}
GOOD |= {"chance": 0.9, "rises": 0.9, "early": 0.9}


def table(**change: float) -> pd.DataFrame:
    """A finished table of eight seeds with these numbers."""
    now, rows = GOOD | change, []

    def add(part: str, arm: str, measure: str, value: float, time: int = -1) -> None:
        noise = value * 0.01 * np.cos(np.arange(8))
        about: dict[str, Any] = {"part": part, "arm": arm, "measure": measure, "time": time}
        rows.extend({**about, "seed": seed, "value": value + noise[seed]} for seed in range(8))

    for kind in ("conv", "layers"):
        add("newborn", kind, "right", now["newborn"])
        add("grown", f"{kind} by backprop", "right", now["grown"])
        add("grown", f"{kind} by backprop", "ratio", now["ratio"])
    add("cuts", "hebbian", "accuracy", now["born"], 0)
    add("cuts", "hebbian", "accuracy", now["last"], cuts.LAST)
    for claim in cuts.CLAIMS:
        add("cuts", "hebbian", claim, now[claim])
    for load, name in (("0", "empty"), ("0.1", "loaded"), ("0.5", "over")):
        add("memory", load, "recall", now[name])
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"newborn": 0.6}, "refuted"),
        ({"grown": 0.55}, "refuted"),
        ({"born": 0.2}, "refuted"),
        ({"last": 0.15}, "refuted"),
        ({"empty": 0.6}, "refuted"),
        ({"loaded": 0.8}, "refuted"),
        ({"ratio": 0.05}, "refuted"),
        ({"chance": 0.2}, "refuted"),
        ({"rises": 0.8}, "undetermined"),
        ({"over": 0.9, "chance": 0.2}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, float], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_every_rule_teaches_a_chain_of_layers_and_backpropagation_everybody_but_a_memory() -> None:
    pairs = taught()
    assert {kind for kind, rule in pairs if rule == "backprop"} == set(LEARNERS.names()) - {"memory"}
    assert {rule for kind, rule in pairs if kind == "layers"} == set(RULES.names())
    assert ("conv", "hebbian") not in pairs and ("memory", None) in pairs
    assert {rule for kind, rule in pairs if kind == "expansion"} == {"backprop", "node_perturbation", "three_factor"}


@pytest.mark.parametrize("kind", OF_HIDDEN)
def test_rules_that_stand_for_one_another_move_an_output_alike(kind: str) -> None:
    rng = torch.Generator().manual_seed(0)
    network, x, y = newborn((6, 3), [rng]), torch.rand(1, 4, 6, generator=rng), torch.eye(4, 3)[None]
    exact, found = (started(each, (6, 3), [0]).changes(network, x, y) for each in ("backprop", kind))
    assert torch.allclose(exact.weights[0], found.weights[0]) and torch.allclose(exact.biases[0], found.biases[0])


def test_a_small_run_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learners, "NEWBORN", learners.Trials(2, 2))
    monkeypatch.setattr(learners, "GROWN", learners.Trials(2, 2))
    monkeypatch.setattr(cuts, "LAST", 1)
    monkeypatch.setattr(cuts, "TIMES", (0, 1))
    monkeypatch.setattr(cuts, "BIRTHS", 2)
    monkeypatch.setattr("imprint.analyses.questions.birth.question.LAST", 1)
    monkeypatch.setattr(
        "imprint.analyses.questions.birth.question.taught",
        lambda: [("layers", "hebbian"), ("conv", "backprop"), ("memory", None)],
    )
    question = load_question("birth", {"seeds": 2, "raised": 2, "newborns": 2, "together": 2, "experiences": 64})
    few = ("newborn-layers-0", "newborn-memory-0", "cuts-hebbian", "cuts-backprop", "memory")
    pieces = [piece for piece in question.work() if piece.name in few or piece.name.startswith("grown")]
    assert len(pieces) == 8
    tables = {piece.name: piece.function(**piece.arguments, say=quiet) for piece in pieces}
    answer = question.conclude(tables, {})
    assert answer.verdict in ("refuted", "undetermined") and "bits" in answer.sentence
    assert [exhibit.name for exhibit in answer.exhibits] == ["useful", "life", "cuts", "bits", "memory"]
