"""Leaks are looked for all over the table, whatever its order, and looking changes nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import imprint
from imprint.analyses.locate import leaks as leak_checks
from imprint.analyses.locate.leaks import BLOCK_ROWS, BLOCKS


def written(label: np.ndarray, rng: np.random.Generator, width: int = 8) -> np.ndarray:
    x = rng.normal(size=(len(label), width))
    x[:, 0] += 2.0 * label
    return x


def test_a_table_sorted_by_class_is_searched_and_found_clean() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(6000) >= 3000
    table = imprint.locate({"s": written(label, rng)}, pd.DataFrame({"c": label}), resamples=100)
    assert table["verdict"].tolist() == ["present"]
    assert table.attrs["leaks"].empty


def test_duplicates_far_down_a_table_sorted_by_class_are_seen() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(6000) >= 3000
    x = written(label, rng)
    x[5500:] = x[5500]
    table = imprint.locate({"s": x}, pd.DataFrame({"c": label}), resamples=100)
    assert table["verdict"].tolist() == ["undetermined"]
    assert "duplicates" in set(table.attrs["leaks"]["kind"])


def test_a_rare_class_out_of_sight_is_said_not_to_be_searched() -> None:
    rng = np.random.default_rng(0)
    label = np.zeros(8000, dtype=bool)
    label[120:170] = True  # between two of the runs that are looked at
    x = written(label, rng)
    x[:, 0] += 3.0 * label
    table = imprint.locate({"s": x}, pd.DataFrame({"c": label}), resamples=100)
    assert table["verdict"].tolist() == ["present"]
    assert "leaks were not looked for" in table["why"][0]
    assert table.attrs["leaks"]["kind"].tolist() == [leak_checks.UNSOUGHT]


def test_the_rows_looked_at_are_runs_of_neighbours_from_the_first_to_the_last() -> None:
    rows = leak_checks.rows_examined(9001)
    runs = rows.reshape(BLOCKS, BLOCK_ROWS)
    assert (np.diff(runs, axis=1) == 1).all()
    assert rows[0] == 0 and rows[-1] == 9000
    assert np.ptp(np.diff(runs[:, 0])) <= 1
    assert leak_checks.rows_examined(1500).tolist() == list(range(1500))


@pytest.mark.parametrize("kind", ["grad", "half", "numbers"])
def test_activations_of_any_kind_are_searched(kind: str) -> None:
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.5
    x = torch.from_numpy(written(label, rng)).float()
    given = {"grad": x.clone().requires_grad_(), "half": x.half(), "numbers": x.numpy()}[kind]
    table = imprint.locate({"s": given}, pd.DataFrame({"c": label}), resamples=100)
    assert table["verdict"].tolist() == ["present"]


def test_the_best_site_does_not_depend_on_looking_for_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.5
    given = {"s": written(label, rng)}, pd.DataFrame({"c": label})
    looked = imprint.locate(*given, resamples=100)
    monkeypatch.setattr("imprint.analyses.locate.locate.leaks_of", lambda *_, **__: [])
    assert str(imprint.locate(*given, resamples=100).attrs["best"]) == str(looked.attrs["best"])
