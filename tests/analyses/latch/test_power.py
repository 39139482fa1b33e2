"""Power: the right word is said where it is true, no wrong one, and more seeds help."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.power import COLUMNS, Rows, Truth, power_table
from imprint.models.errors import ImprintError
from imprint.models.setup.learner import Decision


def rows(n: int = 800) -> Rows:
    index = np.arange(n)
    concepts = pd.DataFrame({"a": index % 2 == 0, "b": index // 2 % 3, "c": index // 6 % 2 == 0})
    return Rows.of(concepts, index % 50, ["a", "b", "c"])


def test_contrasts_are_standardised_and_independent() -> None:
    contrasts = rows(1200).contrasts
    np.testing.assert_allclose(contrasts @ contrasts.T / 1200, np.eye(2), atol=1e-12)


def test_parts_have_the_mean_and_the_spread_that_were_given() -> None:
    parts = Truth(0.8, 100_000, spread=0.2).parts(np.random.default_rng(0))
    assert parts.mean() == pytest.approx(0.8, abs=0.003)
    assert parts.std() == pytest.approx(0.2 * np.sqrt(4 * 0.8 * 0.2), abs=0.003)
    assert Truth(0.8, 3, spread=0.0).parts(np.random.default_rng(0)).tolist() == [0.8] * 3


def test_where_seeds_agree_the_right_word_is_said_and_where_they_differ_it_is_said_less_often() -> None:
    """Dominance .2 from each threshold is ten standard errors of 800 rows away, so every run must say the word."""
    about = {"dominances": [0.05, 0.5, 0.95], "seeds": [4], "runs": 10}
    agree, differ = (
        power_table(rows(), Decision(), np.random.default_rng(1), **about, spread=spread).set_index("dominance")
        for spread in (0.0, 0.3)
    )
    assert list(agree.columns) == [name for name in COLUMNS if name != "dominance"]
    assert agree["right_word"].tolist() == ["proxy:b", "mixed", "intended"]
    assert (agree["right"] == 1.0).all()
    assert differ["right"].mean() < 0.8
    for table in (agree, differ):
        np.testing.assert_allclose(table[["right", "open", "wrong"]].sum(axis=1), 1.0)


@pytest.mark.parametrize("wrong", [{"dominance": 1.0}, {"carried": 0.0}, {"seeds": 0}, {"spread": 0.5}])
def test_a_truth_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ImprintError, match="expected dominance and carried between 0 and 1"):
        Truth(**{"dominance": 0.5, "seeds": 3, **wrong})  # type: ignore[arg-type]
