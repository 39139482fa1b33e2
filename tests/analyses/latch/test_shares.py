"""Shares are unbiased, do not mix what went together, and weigh every combination of concepts alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.shares import measure
from tests.known.latched import NAMES, table, value


def test_shares_are_unbiased_in_small_cells() -> None:
    rng = np.random.default_rng(0)
    concepts = pd.DataFrame({"a": np.arange(60) % 2 == 0, "b": np.arange(60) // 2 % 2 == 0})
    draws = [measure(value(concepts, rng, 1.0, both=0.5), concepts, None, NAMES).shares for _ in range(400)]
    mean, error = np.mean(draws, 0), np.std(draws, 0) / 20
    # True parts: 1, 0, 0.25 and 1 of 2.25. A ratio of unbiased variances is itself off by order 1 / n, so 0.01 more.
    assert np.all(np.abs(mean - np.array([1, 0, 0.25, 1]) / 2.25) < 4 * error + 0.01)
    assert abs(mean[1]) < 0.005


def test_what_went_together_does_not_leak() -> None:
    rng = np.random.default_rng(2)
    concepts = table(4000, rng, together=0.8)
    values = value(concepts, rng, 2.0)
    a, b, *_ = measure(values, concepts, None, NAMES).shares
    assert a == pytest.approx(0.8, abs=0.03) and abs(b) < 0.01
    assert np.corrcoef(values, concepts["b"])[0, 1] ** 2 > 0.2


def test_prevalence_drops_out() -> None:
    rng = np.random.default_rng(3)
    rare = pd.DataFrame({"a": rng.random(8000) < 0.1, "b": rng.random(8000) < 0.5})
    values = value(rare, rng, 1.0, 1.0)
    equal = measure(values, rare, None, NAMES).shares
    weighed = measure(values, rare, None, NAMES, equal=False).shares
    assert equal[0] == pytest.approx(equal[1], abs=0.04)
    assert weighed[0] < 0.5 * weighed[1]


def test_more_than_two_levels() -> None:
    rng = np.random.default_rng(4)
    concepts = pd.DataFrame({"a": np.arange(3000) % 3, "b": rng.random(3000) < 0.5})
    values = np.array([-1.0, 0.0, 1.0])[concepts["a"]] + rng.standard_normal(3000)
    assert measure(values, concepts, None, NAMES).shares[0] == pytest.approx(0.4, abs=0.04)
