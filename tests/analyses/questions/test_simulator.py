from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import sqrtm

from imprint.analyses.ask import load_question
from imprint.analyses.questions.simulator import measure as pieces
from imprint.analyses.questions.simulator.question import decide
from imprint.analyses.raising.womb import newborn, waves


def test_the_distance_is_that_of_the_formula_with_a_matrix_root() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(300, 4)), rng.normal(1.0, 2.0, size=(400, 4)) @ rng.normal(size=(4, 4))
    first, second = np.cov(one.T), np.cov(other.T)
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert pieces.frechet(one, other) == pytest.approx(expected, rel=1e-6)
    assert pieces.frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_fresh_episodes_are_near_and_shuffled_ones_and_noise_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SHOWN", 300)
    dreams, fresh = pieces.Dreams(waves(), 0), waves().sample(300, rng=torch.Generator().manual_seed(5)).observation
    assert abs(dreams.distance(fresh)) < 0.1
    flat = fresh.flatten(1)
    order = torch.rand(flat.shape, generator=torch.Generator().manual_seed(1)).argsort(0)
    assert dreams.distance(flat.gather(0, order).reshape(fresh.shape)) == pytest.approx(1.0, abs=0.1)
    assert dreams.distance(torch.zeros_like(fresh)) > 1


def test_a_half_time_lies_between_ages() -> None:
    assert pieces.half_time(pd.Series([1.0, 1.0, 0.75, 0.25, 0.0], index=[0, 1, 2, 4, 8])) == pytest.approx(2 * 2**0.5)
    assert pieces.half_time(pd.Series([1.0, 0.1, 0.0], index=[0, 1, 2])) == 1.0
    assert np.isnan(pieces.half_time(pd.Series([1.0, 1.1, 1.2], index=[0, 1, 2])))


def test_labels_to_criterion_are_read_off_between_counts() -> None:
    k, c = len(pieces.COUNTS), pieces.CRITERION
    assert pieces.interpolated([0.1] * k) == 2 * pieces.COUNTS[-1] and pieces.interpolated([c] * k) == pieces.COUNTS[0]
    assert pieces.interpolated([c - 0.1, c + 0.1, *[1.0] * (k - 2)]) == pytest.approx(8 * 2**0.5)


def test_random_dynamics_have_the_norm_of_those_that_they_replace() -> None:
    one = newborn("generative", [0]).unstack()[0]
    before = {name: value.detach().clone() for name, value in one.named_parameters()}
    after = {name: value.detach() for name, value in pieces.scrambled(one, 0).named_parameters()}
    for name, value in after.items():
        if name.startswith("dynamics"):
            assert float(value.norm()) == pytest.approx(float(before[name].norm()), rel=1e-5)
            assert not torch.equal(value, before[name])
        else:
            assert torch.equal(value, before[name])


# -- the rule ----------------------------------------------------------------------------------------------------------

AGES = (0, 1, 2, 4, 8)


def table(
    *, dreams: tuple[float, ...] = (1.5, 1.2, 0.6, 0.2, 0.1), high: float = 2.0, labels: dict[str, float] | None = None
) -> pd.DataFrame:
    """A finished table of eight seeds; ``high``: age by which the error of the higher level has fallen."""
    enough = {"matched": 40.0, "mismatched": 160.0, "random": 200.0, "untrained": 300.0, **(labels or {})}
    rows = [
        {"arm": arm, "age": 8, "measure": "labels", "seed": s, "value": value * (1 + 0.02 * np.cos(s + 9 * k))}
        for k, (arm, value) in enumerate(enough.items())
        for s in range(8)
    ]
    falls = {"error, low": 1.0, "error, high": high, "error, expected": 4.0}
    curves = {name: tuple(1.0 if age < at else 0.2 for age in AGES) for name, at in falls.items()} | {"dreams": dreams}
    for name, curve in curves.items():
        for age, value in zip(AGES, curve, strict=True):
            rows += [
                {
                    "arm": "matched",
                    "age": age,
                    "measure": name,
                    "seed": s,
                    "value": value * (1 + 0.01 * np.sin(s + age)),
                }
                for s in range(8)
            ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "confirmed"),
        ({"dreams": (0.5, 0.4, 0.3, 0.2, 0.1)}, "refuted"),
        ({"dreams": (1.5, 1.2, 0.9, 0.8, 0.7)}, "refuted"),
        ({"high": 8.0}, "refuted"),
        ({"labels": {"random": 60.0}}, "refuted"),
        ({"labels": {"mismatched": 80.0}}, "undetermined"),
        ({"labels": {"matched": 600.0}}, "undetermined"),
    ],
)
def test_the_rule_follows_the_card(change: dict[str, Any], verdict: str) -> None:
    assert decide(table(**change))[0] == verdict


def test_a_short_life_runs_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SHOWN", 60), ("TOLD", 40)):
        monkeypatch.setattr(pieces, name, value)
    question = load_question("simulator", {"seeds": 2, "together": 2, "steps": 4})
    tables = {p.name: p.function(**p.arguments, say=lambda *_: None) for p in question.work()}
    whole = next(iter(tables.values()))
    assert whole["value"].notna().all() and set(whole["age"]) == {0, 1, 2, 4}
    answer = question.conclude(tables, {})
    assert answer.exhibits[0].name == "dreams" and "dreams is" in answer.sentence
