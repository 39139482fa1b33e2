"""Folds keep groups whole; shuffles act at the level at which a label varies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.models.errors import NotMeasurableError
from imprint.probes.controls import compact_groups, constant_within, folds_of, principal_inputs, shuffled


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=8, max_size=80), st.integers(2, 6), st.integers(0, 5))
def test_folds_never_split_a_group(labels: list[int], folds: int, seed: int) -> None:
    groups = compact_groups(labels, len(labels))
    if len(set(labels)) < 2:
        with pytest.raises(NotMeasurableError, match="fewer than two groups"):
            folds_of(groups, folds, np.random.default_rng(seed))
        return
    fold = folds_of(groups, folds, np.random.default_rng(seed))
    assert all(len(set(fold[groups == g])) == 1 for g in set(groups))
    assert set(fold) == set(range(min(folds, len(set(labels)))))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 10), st.integers(2, 8), st.booleans(), st.integers(0, 9))
def test_shuffles_keep_what_they_must(size: int, count: int, constant: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(count), size)
    labels = rng.integers(0, 3, count)[groups] if constant else rng.integers(0, 3, len(groups))
    out = shuffled(labels, groups, 7, rng)
    assert out.shape == (len(labels), 7)
    for column in out.T:
        assert sorted(column) == sorted(labels)
        for g in range(count):
            inside = column[groups == g]
            if constant_within(labels, groups):
                assert len(set(inside)) == 1
            else:
                assert sorted(inside) == sorted(labels[groups == g])


def test_rows_without_groups_are_their_own() -> None:
    assert (compact_groups(None, 4) == np.arange(4)).all()
    with pytest.raises(NotMeasurableError, match="one per row"):
        compact_groups([1, 2], 3)


def test_wide_inputs_keep_their_geometry() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(30, 4)) @ rng.normal(size=(4, 100))).astype(np.float32)
    rotated = principal_inputs(x, 10)
    assert rotated.shape == (30, 4)
    centred = x - x.mean(0)
    np.testing.assert_allclose(rotated @ rotated.T, centred @ centred.T, rtol=1e-3, atol=1e-2)
