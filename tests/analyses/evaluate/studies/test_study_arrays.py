"""A study of arrays and labels says what can be read and since when, and what it cannot say without a world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imprint
from imprint.analyses.evaluate.studies import pooling
from imprint.models.errors import ImprintError
from imprint.models.files import write_table
from tests.analyses.evaluate.studies.planted import SMALL

N = 240


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(pooling, "check_instruments", lambda path, seed: write_table(path, pd.DataFrame()))
    monkeypatch.setattr(pooling, "power_findings", lambda exam, seeds, limits, *, say: pd.DataFrame())
    food = rng.random(N) < 0.5
    return pd.DataFrame({"food": food, "bell": food ^ (rng.random(N) < 0.3), "episode": np.arange(N) // 2})


def rows_of(labels: pd.DataFrame, seed: int, *, food: float) -> np.ndarray:
    x = np.random.default_rng([7, seed, int(food)]).normal(size=(N, 6))
    x[:, seed % 6] += food * labels["food"]
    return x


def test_arrays_are_located_over_ages_and_their_values_judged_as_associations(
    labels: pd.DataFrame, tmp_path: Path
) -> None:
    study = imprint.Study(
        labels, intended="food", proxies=["bell"], groups="episode", evaluation=SMALL, folder=tmp_path / "run"
    )
    for twin in range(5):
        values = np.random.default_rng([1, twin]).normal(size=N)
        study.add_arrays({"mid": rows_of(labels, 50 + twin, food=0.0)}, values=values, age=0, seed=twin, untrained=True)
    for seed in range(3):
        for age, food in ((10, 0.0), (200, 3.0)):
            followed = labels["bell"] if age == 10 else labels["food"]
            values = followed + np.random.default_rng([2, seed, age]).normal(size=N) / 5
            assert study.add_arrays({"mid": rows_of(labels, seed, food=food)}, values=values, age=age, seed=seed)
            assert not study.add_arrays({"mid": rows_of(labels, seed, food=food)}, values=values, age=age, seed=seed)
    run = study.finish()
    grid = run.findings.query("metric == 'selectivity' and concept == 'food' and seed.isna()").set_index("age")[
        "verdict"
    ]
    assert grid[10] != "present" and grid[200] == "present"
    words = run.findings.query("metric == 'probability' and seed.isna()").set_index(["age", "control"])["estimate"]
    assert words[10, "proxy:bell"] >= 0.95 and run.verdict == "intended"
    limits = " ".join(run.findings.query("metric == 'limit'")["why"])
    assert "no world that could change a concept alone" in limits
    page = imprint.report(run).read_text(encoding="utf-8")
    assert "has labels and no world" in page and "Parts of this page could not be made" not in page
    checks = {check.name: check.state for check in imprint.verify(run).checks}
    assert checks["verdict"] == checks["files"] == checks["registration"] == "right"
    with pytest.raises(ImprintError, match="add_arrays"):
        study.add(object(), age=0, seed=0)
    with pytest.raises(ImprintError, match="expected those of this study: mid"):
        study.add_arrays({"late": rows_of(labels, 1, food=0.0)}, age=1, seed=0)
    with pytest.raises(ImprintError, match="has 239 rows"):
        study.add_arrays({"mid": rows_of(labels, 1, food=0.0)[:-1]}, age=1, seed=0)


def test_without_values_no_latch_is_claimed(labels: pd.DataFrame, tmp_path: Path) -> None:
    study = imprint.Study(
        {"food": labels["food"], "bell": labels["bell"]}, intended="food", proxies=["bell"], evaluation=SMALL
    )
    for seed in range(2):
        study.add_arrays({"mid": rows_of(labels, seed, food=3.0)}, age=5, seed=seed)
    run = study.finish(tmp_path / "run")
    assert run.verdict == "undetermined" and "no values were given" in str(run.latch_row()["why"])
    (found,) = run.findings.query("metric == 'selectivity' and concept == 'food' and seed.isna()").to_dict("records")
    assert found["estimate"] > 0.2 and found["verdict"] == "undetermined"  # neither twins nor inputs were given
    assert "floors of this run could not be measured" in found["why"]
    assert "Parts of this page could not be made" not in imprint.report(run).read_text(encoding="utf-8")
