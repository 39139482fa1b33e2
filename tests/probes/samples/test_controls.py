"""Folds keep groups whole; shuffles act at the level at which a label varies; a type has one control label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imprint.models.errors import NotMeasurableError
from imprint.probes.samples.controls import (
    compact_groups,
    constant_within,
    control_labels,
    folds_of,
    principal_inputs,
    shuffled,
    type_ids,
)


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


def test_rows_with_the_same_content_are_of_one_type() -> None:
    tokens = ["the", "cat", "the", "dog"]
    assert (type_ids(tokens) == [0, 1, 0, 2]).all()
    boards = np.array([[[0.0, 1.0]], [[-0.0, 1.0]], [[1.0, 0.0]]], dtype=np.float32)
    for inputs in (boards, torch.from_numpy(boards)):
        a, b, c = type_ids(inputs)
        assert a == b != c
    with pytest.raises(NotMeasurableError, match="1 rows of inputs hold NaN"):
        type_ids(np.array([[1.0, np.nan], [1.0, 2.0]]))


@settings(max_examples=30, deadline=None)
@given(st.integers(12, 40), st.integers(2, 3), st.integers(0, 99))
def test_a_control_task_has_one_label_per_type_and_every_class(size: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    types = compact_groups(np.r_[np.arange(size), rng.integers(0, size, 200)], size + 200)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, size + 200 - classes)]
    dealt = control_labels(labels, types, 6, rng)
    for column in dealt.T:
        assert all(len(set(column[types == t])) == 1 for t in range(size))
        assert set(column) == set(labels)


def test_control_labels_are_as_frequent_as_the_real_ones_and_unrelated_to_them() -> None:
    rng = np.random.default_rng(0)
    types = rng.integers(0, 500, 5000)
    labels = (rng.random(500) < 0.2).astype(np.int64)[types]
    dealt = control_labels(labels, types, 50, rng)
    assert dealt.mean() == pytest.approx(labels.mean(), abs=0.01)
    assert dealt[labels == 1].mean() == pytest.approx(dealt[labels == 0].mean(), abs=0.02)
    numbers = rng.normal(size=5000)
    assert set(control_labels(numbers, types, 1, rng)[:, 0]) <= set(numbers)


def test_too_few_types_for_a_control_task_are_refused() -> None:
    with pytest.raises(NotMeasurableError, match="3 types are too few"):
        control_labels(np.array([0, 1, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2]), 1, np.random.default_rng(0))
