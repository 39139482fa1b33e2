"""What is predicted before a run is what locate then finds on simulated activations."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.neighbors import NearestCentroid

from imprint.analyses.locate.material import Plan
from imprint.analyses.locate.plan.power import Design, expected_score, minimum_detectable, power_of, rows_needed
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.readouts.ridge import Ridge


class Simulated(NamedTuple):
    """What ``locate`` made of repeated data sets."""

    score: float
    """Mean score."""
    power: float
    """Part of the data sets in which the effect was called present."""


def simulate(design: Design, effect: float, *, repeats: int, rng: np.random.Generator) -> Simulated:
    """Read as ``locate`` does on spherical Gaussian activations with the effect planted in a random direction."""
    scores, p = np.zeros(repeats), np.zeros(repeats)
    for i in range(repeats):
        x, labels, groups = draw(design, effect, rng)
        plan = Plan(groups.astype(np.int64), Ridge(), nulls=20, folds=5, alpha=design.alpha, resamples=20)
        targets = plan.targets(pd.DataFrame({"concept": labels}), rng, cells=design.cells)
        reading = targets.read(torch.from_numpy(x.astype(np.float32)))["concept"]
        scores[i], p[i] = reading.score, reading.p_null
    return Simulated(float(scores.mean()), float((p < design.alpha / design.cells).mean()))


def draw(design: Design, effect: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations ``[n, D]``, labels ``[n]`` and groups ``[n]``."""
    n, d, count = design.rows, design.width, design.groups or design.rows
    groups = np.arange(n) * count // n
    noise = np.sqrt(1 - design.within) * rng.normal(size=(n, d))
    noise += np.sqrt(design.within) * rng.normal(size=(count, d))[groups]
    if not design.classes:
        direction = rng.normal(size=d)
        shown = noise @ direction / np.linalg.norm(direction)
        return noise, np.sqrt(effect) * shown + np.sqrt(1 - effect) * rng.normal(size=n), groups
    share = np.array(design.classes)
    dealt = np.searchsorted(np.cumsum(share), (np.arange(count) + 0.5) / count).clip(max=len(share) - 1)
    labels = rng.permutation(dealt)[groups]
    corners = np.linalg.qr(rng.normal(size=(d, len(share)))).Q.T * effect / np.sqrt(2)
    return noise + corners[labels], labels, groups


def test_with_endless_rows_the_score_is_bayes_optimal() -> None:
    endless = Design(rows=10**8, width=10)
    assert expected_score(endless, 2.0) == pytest.approx(stats.norm.cdf(1.0), abs=1e-5)
    assert expected_score(endless, 0.0) == 0.5
    for classes in (3, 6):
        even = replace(endless, classes=(1 / classes,) * classes)
        assert expected_score(even, 0.0) == pytest.approx(1 / classes)
        draws = np.random.default_rng(0).normal(size=(200_000, classes))
        draws[:, 0] += 2.0 / np.sqrt(2)
        assert expected_score(even, 2.0) == pytest.approx((draws.argmax(1) == 0).mean(), abs=0.005)
    assert expected_score(replace(endless, classes=()), 0.4) == pytest.approx(0.4, abs=1e-5)


@pytest.mark.parametrize(("n", "d", "delta"), [(100, 20, 1.0), (200, 60, 2.0), (400, 20, 0.5)])
@pytest.mark.parametrize("rare", [0.5, 0.2])
@pytest.mark.parametrize("estimated", [False, True])
def test_the_expected_score_is_that_of_scikit_learn_probes(
    n: int, d: int, delta: float, rare: float, estimated: bool
) -> None:
    """Nearest means when the covariance is known, the discriminant when it is estimated; mean of 60 fits."""
    rng, found = np.random.default_rng(0), []
    counts = [round(n * (1 - rare)), round(n * rare)]
    for _ in range(60):
        y, held = np.repeat([0, 1], counts), np.repeat([0, 1], 1000)
        shift = delta * np.eye(d)[0]
        model = LinearDiscriminantAnalysis(priors=[0.5, 0.5]) if estimated else NearestCentroid()
        model.fit(rng.normal(size=(n, d)) + y[:, None] * shift, y)
        found.append(balanced_accuracy_score(held, model.predict(rng.normal(size=(2000, d)) + held[:, None] * shift)))
    design = Design(n, d, classes=(1 - rare, rare), folds=None, covariance_estimated=estimated)
    assert expected_score(design, delta) == pytest.approx(np.mean(found), abs=0.012)


def test_expected_r2_of_least_squares_is_that_of_scikit_learn() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        x, new = rng.normal(size=(100, 30)), rng.normal(size=(1000, 30))
        y, truth = (np.sqrt(0.5) * (a[:, 0] + rng.normal(size=len(a))) for a in (x, new))
        found.append(r2_score(truth, LinearRegression().fit(x, y).predict(new)))
    design = Design(100, 30, classes=(), folds=None, covariance_estimated=True)
    assert expected_score(design, 0.5) == pytest.approx(np.mean(found), abs=0.012)


@pytest.mark.parametrize(
    "design",
    [
        Design(rows=300, width=16),
        Design(rows=400, width=24, classes=(0.8, 0.2), cells=20),
        Design(rows=400, width=16, classes=(0.5, 0.3, 0.2)),
        Design(rows=400, width=12, groups=80, within=0.3),
    ],
    ids=["even", "rare and corrected", "three classes", "groups"],
)
def test_locate_finds_the_minimum_detectable_effect_as_often_as_promised(design: Design) -> None:
    least = minimum_detectable(design)
    found = simulate(design, least.effect, repeats=80, rng=np.random.default_rng(2))
    assert found.score == pytest.approx(least.score, abs=0.02)
    assert 0.66 <= found.power <= 0.95  # 0.80 promised, standard error 0.045


def test_numbers_are_found_at_least_as_often_as_promised() -> None:
    design = Design(rows=300, width=16, classes=())
    least = minimum_detectable(design)
    found = simulate(design, least.effect, repeats=60, rng=np.random.default_rng(3))
    assert found.score == pytest.approx(least.score, abs=0.03)
    assert found.power >= 0.7


@pytest.mark.parametrize("classes", [(0.5, 0.5), ()])
def test_where_there_is_nothing_it_is_called_present_at_most_alpha_often(classes: tuple[float, ...]) -> None:
    design = Design(rows=200, width=12, classes=classes)
    assert power_of(design, 0.0) == pytest.approx(0.05, abs=0.005)
    found = simulate(design, 0.0, repeats=100, rng=np.random.default_rng(4))
    assert found.power <= 0.11
    assert found.score == pytest.approx(design.chance, abs=0.02)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(60, 5000), st.integers(1, 300), st.sampled_from([(0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.3), ()]),
    st.integers(1, 200),
)  # fmt: skip
def test_power_grows_with_the_effect_and_with_rows_and_falls_with_cells(
    rows: int, width: int, classes: tuple[float, ...], cells: int
) -> None:
    design = Design(rows, width, classes=classes, cells=cells)
    effects = np.linspace(0.1, 4.0, 8) if classes else np.linspace(0.05, 0.95, 8)
    powers = [power_of(design, float(e)) for e in effects]
    assert (np.diff(powers) >= -1e-9).all()
    middle = float(effects[3])
    assert power_of(replace(design, rows=2 * rows), middle) >= powers[3] - 1e-9
    assert power_of(replace(design, cells=10 * cells), middle) <= powers[3] + 1e-9


@pytest.mark.parametrize("classes", [(0.5, 0.5), (0.7, 0.2, 0.1), ()])
def test_rows_needed_is_the_inverse_of_the_minimum_detectable_effect(classes: tuple[float, ...]) -> None:
    design = Design(rows=700, width=40, classes=classes, cells=30)
    assert rows_needed(design, minimum_detectable(design).effect + 1e-5) == pytest.approx(700, abs=2)
    effect = 0.8 if classes else 0.2
    n = rows_needed(design, effect)
    assert power_of(replace(design, rows=n), effect) >= 0.8 > power_of(replace(design, rows=n - 1), effect)


def test_rows_of_a_group_that_share_everything_count_as_one() -> None:
    grouped = Design(rows=1000, width=8, groups=100, within=1.0)
    assert minimum_detectable(grouped) == minimum_detectable(Design(rows=100, width=8))
    assert minimum_detectable(replace(grouped, within=0.0)) == minimum_detectable(Design(rows=1000, width=8))
    needed = [rows_needed(replace(grouped, within=w), 1.0) for w in (0.0, 1.0)]
    assert needed[1] == pytest.approx(10 * needed[0], rel=0.05)


def test_a_floor_must_be_beaten_too() -> None:
    design = Design(rows=1000, width=16)
    free, floored = minimum_detectable(design), minimum_detectable(replace(design, floor=0.7))
    assert floored.effect > free.effect
    assert floored.score > 0.7


def test_designs_that_cannot_find_anything_say_so() -> None:
    with pytest.raises(NotMeasurableError, match="no effect would be called present"):
        minimum_detectable(Design(rows=12, width=2000, cells=10_000))
    with pytest.raises(NotMeasurableError, match="without regularisation"):
        minimum_detectable(Design(rows=100, width=100, covariance_estimated=True))


def test_designs_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ImprintError, match="sum to 1"):
        Design(100, 4, classes=(0.5, 0.6))
    with pytest.raises(ImprintError, match="alpha < power"):
        Design(100, 4, power=0.01)
    with pytest.raises(ImprintError, match="groups is 200"):
        Design(100, 4, groups=200)
    with pytest.raises(ImprintError, match="rows is 2"):
        Design(2, 4)
    with pytest.raises(ImprintError, match="effect is -1"):
        expected_score(Design(100, 4), -1.0)
