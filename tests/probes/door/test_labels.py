"""Tables of concepts: what a user's table says about the order of rows, the names and the numbers in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.locate.locate import locate
from imprint.models.errors import ImprintError
from imprint.probes.door.labels import table_of

N = 120
RNG = np.random.default_rng(0)
Y = RNG.permutation(np.arange(N) % 2)
X = RNG.normal(size=(N, 3))
X[:, 0] += 3 * Y
SHUFFLED = RNG.permutation(N)
"""An order of the rows."""


def located(activations: Any = X, concepts: Any = None, **options: Any) -> pd.DataFrame:
    labels = {"c": Y} if concepts is None else concepts
    return locate({"s": activations}, labels, nulls=5, resamples=20, **options)


@pytest.mark.parametrize("given", ["activations", "groups", "mask", "value", "untrained", "concepts"])
def test_tables_that_hold_the_same_rows_in_another_order_are_refused(given: str) -> None:
    frame, other = pd.DataFrame(X), pd.Series(np.ones(N, dtype=int)).iloc[SHUFFLED]
    labels: Any = pd.DataFrame({"c": Y})
    options: dict[str, Any] = {} if given in ("activations", "concepts") else {given: other}
    if given == "untrained":
        options = {"untrained": [frame.iloc[SHUFFLED]]}
    if given == "concepts":
        labels = {"c": pd.Series(Y), "d": pd.Series(Y).iloc[SHUFFLED]}
    with pytest.raises(ImprintError, match="the same rows in another order"):
        located(frame.iloc[SHUFFLED] if given == "activations" else frame, labels, **options)


def test_other_indexes_say_nothing_about_the_order() -> None:
    plain = located()["score"].iloc[0]
    aligned = located(pd.DataFrame(X).iloc[SHUFFLED], pd.DataFrame({"c": Y}).iloc[SHUFFLED])
    assert aligned["verdict"].iloc[0] == "present"
    for index in (np.arange(N) + 9, [f"row {i}" for i in range(N)], np.zeros(N)):
        assert located(pd.DataFrame(X), pd.DataFrame({"c": Y}, index=index))["score"].iloc[0] == plain


def test_names_that_are_the_same_as_text_are_refused_and_none_is_lost() -> None:
    with pytest.raises(ImprintError, match="a concept called '1' occurs twice"):
        located(concepts={1: Y, "1": 1 - Y})
    with pytest.raises(ImprintError, match="a site called '1' occurs twice"):
        locate({1: X, "1": X}, {"c": Y})


def test_a_mark_of_another_type_than_the_labels_is_refused() -> None:
    marked = np.where(np.arange(N) % 6 == 0, -1, Y)
    with pytest.raises(ImprintError, match="ignore is '-1', but the labels of 'c' hold -1"):
        located(concepts={"c": marked}, ignore="-1")
    with pytest.raises(ImprintError, match="ignore is -1, but the labels of 'c' hold '-1'"):
        located(concepts={"c": marked.astype(str)}, ignore=-1)
    assert located(concepts={"c": marked}, ignore=[-1, "-1"])["n"].iloc[0] == N - N // 6
    assert located(ignore=-100)["n"].iloc[0] == N  # a mark that does not occur


@pytest.mark.parametrize("kind", [">i8", ">f4", ">u2"])
def test_numbers_in_another_byte_order_are_numbers(kind: str) -> None:
    table = table_of({"c": Y.astype(kind)})
    assert table["c"].dtype.isnative and (table["c"] == Y).all()
    assert located(X.astype(">f8"), pd.DataFrame({"c": Y.astype(kind)}))["verdict"].iloc[0] == "present"
