"""Every leak is found where it was planted, and at most 5 % of clean data sets are said to have it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.samples.leaks import KINDS, Leak, find_leaks

N, D, G = 240, 8, 24


def clean(rng: np.random.Generator, *, numbers: bool = False, ordered: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Independent rows that show a label along one direction."""
    labels = rng.normal(size=N) if numbers else rng.integers(0, 2, N)
    labels = np.sort(labels) if ordered else labels
    return rng.normal(size=(N, D)) + labels[:, None] * np.eye(D)[0], labels


def grouped(rng: np.random.Generator, offset: float = 1.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups with an offset and one label each, and no concept."""
    groups = np.repeat(np.arange(40), 10)
    x = rng.normal(size=(400, 16)) + offset * rng.normal(size=(40, 16))[groups]
    return x, rng.permutation(np.arange(40) % 2)[groups], groups


def kinds(leaks: tuple[Leak, ...]) -> list[str]:
    return [leak.kind for leak in leaks]


@pytest.mark.parametrize(("numbers", "ordered"), [(False, False), (False, True), (True, False), (True, True)])
def test_clean_data_without_groups_raise_few_alarms(numbers: bool, ordered: bool) -> None:
    """100 data sets without a leak."""
    alarms: Counter[str] = Counter()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, labels = clean(rng, numbers=numbers, ordered=ordered)
        alarms.update(kinds(find_leaks(x, labels, rng=rng)))
    assert all(alarms[kind] <= 10 for kind in KINDS), alarms  # 5 expected of an exact test; 11 or more: p = .01
    assert alarms["duplicates"] == alarms["shared groups"] == alarms["unit is label"] == 0


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_clean_groups_raise_few_alarms(offset: float) -> None:
    """100 data sets whose groups differ, with labels that vary inside them."""
    alarms: Counter[str] = Counter()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, labels = clean(rng)
        groups = rng.integers(0, G, N)
        x += offset * rng.normal(size=(G, D))[groups]
        groups = np.unique(groups, return_inverse=True)[1]
        alarms.update(kinds(find_leaks(x, labels, groups=groups, rng=rng)))
    assert all(alarms[kind] <= 10 for kind in KINDS), alarms
    assert alarms["label follows group"] == 0


@pytest.mark.parametrize("offset", [0.5, 1.0, 2.0])
def test_rows_that_share_an_offset_and_a_label_are_dependent(offset: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(40), 25)
        x = rng.normal(size=(1000, 64)) + offset * rng.normal(size=(40, 64))[groups]
        labels = rng.permutation(np.arange(40) % 2)[groups]
        (leak,) = find_leaks(x, labels, rng=rng)
        assert leak.kind == "dependent rows"
        assert leak.why == "rows next to one another are not independent; give groups="
        assert leak.p_value <= 0.05


def test_neighbours_of_a_drifting_number_are_dependent() -> None:
    rng = np.random.default_rng(0)
    drift = np.cumsum(rng.normal(size=(600, 6)), axis=0)
    (leak,) = find_leaks(drift[:, :5] + rng.normal(size=(600, 5)), drift[:, 5], rng=rng)
    assert leak.kind == "dependent rows"


def test_with_groups_given_the_label_is_said_to_follow_them() -> None:
    rng = np.random.default_rng(2)
    x, labels, groups = grouped(rng)
    (leak,) = find_leaks(x, labels, groups=groups, rng=rng)
    assert leak.kind == "label follows group"
    assert "the same in all rows" in leak.why
    labels[::50] = 1 - labels[::50]
    (leak,) = find_leaks(x, labels, groups=groups, rng=rng)
    assert "almost the same" in leak.why


def test_a_number_that_follows_the_group_is_found() -> None:
    rng = np.random.default_rng(3)
    x, _, groups = grouped(rng)
    number = rng.normal(size=40)[groups] + 0.1 * rng.normal(size=400)
    assert kinds(find_leaks(x, number, groups=groups, rng=rng)) == ["label follows group"]


def test_equal_rows_in_different_groups_are_found_and_named() -> None:
    rng = np.random.default_rng(4)
    x, labels = clean(rng)
    x[7] = x[100]
    groups = np.arange(N) // 10
    for given in (None, groups):
        (leak,) = find_leaks(torch.from_numpy(x), labels, groups=given, rng=rng)
        assert leak.kind == "duplicates"
        assert (leak.rows == [7, 100]).all()
    groups[100] = groups[7]
    assert find_leaks(x, labels, groups=groups, rng=rng) == ()


def test_one_recording_under_two_names_is_found() -> None:
    rng = np.random.default_rng(5)
    x, labels = clean(rng)
    groups = np.arange(N) // 10
    x[40:48] = x[120:128]
    duplicates, shared = find_leaks(x, labels, groups=groups, rng=rng)
    assert (duplicates.kind, shared.kind) == ("duplicates", "shared groups")
    assert (shared.rows == np.r_[40:50, 120:130]).all()


def test_a_state_that_every_group_visits_is_no_shared_group() -> None:
    rng = np.random.default_rng(6)
    x, labels = clean(rng)
    x[::10] = x[0]
    x[1::10] = x[1]
    assert kinds(find_leaks(x, labels, groups=np.arange(N) // 10, rng=rng)) == ["duplicates"]


@pytest.mark.parametrize("kind", ["two classes", "four classes", "number"])
def test_a_unit_that_is_the_label_is_found(kind: str) -> None:
    rng = np.random.default_rng(7)
    x, labels = clean(rng, numbers=kind == "number")
    if kind == "four classes":
        labels = rng.integers(0, 4, N)
    x[:, 5] = 3.0 - 0.25 * labels
    (leak,) = find_leaks(x.astype(np.float32), labels, rng=rng)
    assert leak.kind == "unit is label"
    assert "unit 5" in leak.why
    x[0, 5] += 0.1
    assert "unit is label" not in kinds(find_leaks(x, labels, rng=rng))


def test_a_unit_that_merely_predicts_the_label_well_is_not_the_label() -> None:
    rng = np.random.default_rng(8)
    x, labels = clean(rng)
    x[:, 0] = 20.0 * labels + rng.normal(size=N)
    assert find_leaks(x, labels, rng=rng) == ()


def test_a_few_rows_that_fall_in_with_a_unit_by_chance_are_no_leak() -> None:
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(100):
        x = rng.integers(0, 2, (6, 40)) + 0.0
        labels = np.array([0, 0, 0, 1, 1, 1])
        alarms += "unit is label" in kinds(find_leaks(x, labels, rng=rng))
    assert alarms == 0


def test_the_same_seed_finds_the_same() -> None:
    x, labels, _ = grouped(np.random.default_rng(10))
    one, other = (find_leaks(x, labels, rng=np.random.default_rng(3)) for _ in range(2))
    assert [(a.kind, a.why, a.p_value) for a in one] == [(b.kind, b.why, b.p_value) for b in other]


def test_what_cannot_be_examined_is_refused() -> None:
    rng = np.random.default_rng(11)
    x, labels = clean(rng)
    with pytest.raises(NotMeasurableError, match="never varies"):
        find_leaks(x, np.zeros(N), rng=rng)
    with pytest.raises(NotMeasurableError, match="NaN or infinite"):
        find_leaks(np.where(x > 2, np.nan, x), labels, rng=rng)
    with pytest.raises(ImprintError, match="239 labels for 240 rows"):
        find_leaks(x, pd.Series(labels[1:]), rng=rng)
    with pytest.raises(ImprintError, match="expected a rate"):
        find_leaks(x, labels, alpha=2.0, rng=rng)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_short_numbers_leak_as_the_same_numbers_in_float32_do(kind: torch.dtype) -> None:
    rng = np.random.default_rng(12)
    rows, number = torch.tensor(rng.normal(size=(N, 8))).to(kind), torch.tensor(rng.normal(size=N)).to(kind)
    number[7], rows[7] = number[3], rows[3]
    rows[:, 5] = number
    groups = (torch.arange(N) // 4).to(kind)
    short = find_leaks(rows, number, groups=groups, rng=np.random.default_rng(3))
    same = rows.float().numpy(), number.float().numpy()
    long = find_leaks(*same, groups=np.arange(N) // 4, rng=np.random.default_rng(3))
    assert kinds(short) == ["duplicates", "unit is label"]
    assert [(a.kind, a.why, a.p_value) for a in short] == [(b.kind, b.why, b.p_value) for b in long]
