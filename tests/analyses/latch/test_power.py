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


def test_the_right_word_is_said_where_it_is_true_and_a_wrong_one_hardly_ever() -> None:
    about = {"dominances": [0.3, 0.5, 0.97], "seeds": [10], "runs": 20}
    table = power_table(rows(), Decision(), np.random.default_rng(1), **about).set_index("dominance")
    assert list(table.columns) == [name for name in COLUMNS if name != "dominance"]
    assert table["right_word"].tolist() == ["mixed", "mixed", "intended"]
    assert table.loc[[0.5, 0.97], "right"].min() >= 0.7
    assert table["wrong"].max() <= 0.1
    np.testing.assert_allclose(table[["right", "open", "wrong"]].sum(axis=1), 1.0)


@pytest.mark.parametrize("wrong", [{"dominance": 1.0}, {"carried": 0.0}, {"seeds": 0}, {"spread": 0.5}])
def test_a_truth_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ImprintError, match="expected dominance and carried between 0 and 1"):
        Truth(**{"dominance": 0.5, "seeds": 3, **wrong})  # type: ignore[arg-type]
