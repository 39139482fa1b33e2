"""Probes are scored against the truth: what is there is found, what is not is not, and failures are written down."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.questions.instruments import probes as probe_scores
from imprint.analyses.questions.instruments.cases import CASES, SITES, WIDTH, draw
from imprint.analyses.questions.instruments.question import coverage, decide, failures
from imprint.models.errors import UnknownNameError


def said(done: int, total: int, note: str) -> None:
    assert 0 < done <= total


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_a_function_of_its_world_and_its_noise(name: str) -> None:
    one, other = (draw(name, 200, 2.0, world=3, rng=np.random.default_rng(5)) for _ in range(2))
    for site in SITES:
        assert one.activations[site].shape == (200, WIDTH)
        np.testing.assert_array_equal(one.activations[site], other.activations[site])
    pd.testing.assert_series_equal(one.concept, other.concept)
    far = draw(name, 200, 2.0, world=3, rng=np.random.default_rng(6))
    assert not np.array_equal(one.activations["middle"], far.activations["middle"])


def test_a_slip_in_the_name_of_a_case_is_named() -> None:
    with pytest.raises(UnknownNameError, match="linear"):
        draw("linaer", 100, 1.0, world=0, rng=np.random.default_rng(0))


def test_the_planted_site_is_found_and_noise_is_not() -> None:
    table = probe_scores.score_cases(
        "ridge", 300, cases=["linear", "absent", "forgotten groups"], effect=2.0, repeats=4, nulls=5, seed=0, say=said
    ).set_index("case")
    assert table.loc["linear", ["present", "located"]].tolist() == [1.0, 1.0]
    assert abs(table.loc["linear", "bias"]) < 0.05
    assert table.loc["absent", "false"] < 0.5
    assert np.isnan(table.loc["absent", "present"])
    assert table.loc["forgotten groups", "false"] == 0  # refused
    assert table.loc["forgotten groups", "intervals"] == 0


def test_a_class_of_few_rows_is_scored_and_its_interval_counted_as_refused() -> None:
    row = probe_scores.score_cases("ridge", 400, cases=["rare"], effect=2.0, repeats=6, nulls=5, seed=0, say=said).iloc[
        0
    ]
    assert row["refused"] > 0
    assert row["refused"] + row["intervals"] <= row["samples"]


def test_the_true_score_is_the_closed_form() -> None:
    """Bayes accuracy is Phi(effect / 2); a probe fitted on many rows comes near to it."""
    rng = np.random.default_rng(0)
    condition = probe_scores.Condition(CASES["linear"], "ridge", 3000, 2.0)
    true = np.mean([probe_scores.true_score(condition, "middle", world=1, rng=rng) for _ in range(3)])
    bayes = float(torch.special.ndtr(torch.tensor(1.0)))
    assert bayes - 0.015 < true < bayes + 0.01


def test_intervals_that_miss_are_counted_and_published() -> None:
    cases = pd.DataFrame(
        [
            {"case": "linear", "readout": "ridge", "rows": 400, "effect": 1.0, "covered": 50, "intervals": 100,
             "refused": 7, "bias": 0.1, "samples": 100, "present": 1.0, "false": 0.5, "located": 0.2,
             "not_measurable": 0.0}
        ]
    )  # fmt: skip
    covered = coverage(cases)
    found = pd.DataFrame([{"readout": "ridge", "rows": 400, "found": 0.9}])
    leaks = pd.DataFrame([{"case": c, "leak": "x", "flagged": 0.1, "low": 0.0, "kinds": "x"} for c in CASES])
    silent = pd.DataFrame([{"readout": "ridge", "present": 0.0}])
    verdict, why = decide(covered, silent, found, leaks, failed={})
    assert verdict == "refuted"
    assert why.count("NOT as predicted") == 3
    assert "100 given, 7 refused" in why
    assert decide(covered, silent, found, leaks, failed={"noise-ridge": "killed"})[0] == "undetermined"
    assert len(failures(cases, found, leaks)) == 4 + len(CASES)


def test_leaks_and_noise_have_their_rates() -> None:
    leaks = probe_scores.score_leaks(300, repeats=2, seed=0, say=said).set_index("case")
    assert leaks.loc[["forgotten groups", "duplicated rows"], "right_kind"].tolist() == [1.0, 1.0]
    noise = probe_scores.score_noise("mean_difference", 200, grids=1, nulls=5, seed=0, say=said)
    assert noise["cells"].sum() == 2 * np.prod(probe_scores.GRID)
    assert noise["present"].sum() <= 4
