"""Probe quality on activations whose types, directions and noise are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.analyses.locate.plan.power import Design, expected_score
from imprint.analyses.locate.probe_quality import control_task, label_efficiency, seed_stability
from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.readouts.base import Fitted, ReadsClasses
from imprint.probes.readouts.linear_discriminant import LinearDiscriminant
from imprint.probes.readouts.mean_difference import MeanDifference

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def tokens(types: int, seed: int, *, n: int = 6000, d: int = 64, concept: bool = True) -> Arrays:
    """Rows that are a type's embedding and noise; the concept is on which side of a plane the embedding lies."""
    rng = np.random.default_rng(seed)
    embedding, direction = rng.normal(size=(types, d)), rng.normal(size=d)
    of = rng.integers(0, types, n)
    labels = (embedding @ direction > 0).astype(np.int64)[of] if concept else rng.integers(0, 2, n)
    return embedding[of] + 0.5 * rng.normal(size=(n, d)), labels, of


def planted(delta: float, seed: int, *, n: int = 1000, d: int = 16) -> Arrays:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, d)) + (y[:, None] - 0.5) * delta * np.eye(d)[0], y, np.arange(n) // 10


class ByRows(ReadsClasses):
    """A discriminant that is fitted on rows: on all of them, or on a part chosen by its seed."""

    def __init__(self, part: float = 1.0) -> None:
        self.part = part

    def fit_rows(self, x: Tensor, y: Tensor, classes: int, *, groups: NDArray[np.int64] | None, seed: int) -> Fitted:
        use = torch.rand(len(x), generator=torch.Generator().manual_seed(seed)) <= self.part
        return LinearDiscriminant().fit_rows(x[use], y[use], classes, groups=None, seed=seed)


@pytest.mark.parametrize(
    ("types", "task", "control", "held_out"),
    [(50, 0.978, 0.940, 0.67), (200, 0.873, 0.715, 0.74), (1000, 0.850, 0.554, 0.84)],
)
def test_selectivity_depends_on_types_per_unit_as_measured_before(
    types: int, task: float, control: float, held_out: float
) -> None:
    """Reference numbers of an independent implementation (logistic probe); ours are means over four embeddings."""
    found = [control_task(*tokens(types, seed), resamples=50, rng=np.random.default_rng(seed)) for seed in range(4)]
    assert np.mean([f.shared.task.value for f in found]) == pytest.approx(task, abs=0.02)
    assert np.mean([f.shared.control.value for f in found]) == pytest.approx(control, abs=0.045)
    assert np.mean([f.held_out.task.value for f in found]) == pytest.approx(held_out, abs=0.045)
    assert np.mean([f.held_out.control.value for f in found]) == pytest.approx(0.49, abs=0.04)
    assert all(f.types == pytest.approx(types, rel=0.01) and f.rows_per_type == 6000 / f.types for f in found)


def test_without_a_concept_nothing_is_selective() -> None:
    found = control_task(*tokens(200, 0, concept=False), rng=np.random.default_rng(0))
    for design in (found.shared, found.held_out):
        assert design.task.value == pytest.approx(0.5, abs=0.02)
    assert found.shared.selectivity.value < -0.1  # random labels of types are easier than random labels of rows
    assert found.held_out.selectivity.low < 0 < found.held_out.selectivity.high


def test_control_tasks_of_numbers_are_r2() -> None:
    rng = np.random.default_rng(1)
    x, _, of = tokens(300, 1, n=3000, d=16)
    found = control_task(x, x[:, 0] + 0.1 * rng.normal(size=3000), of, rng=rng)
    assert found.shared.task.value > 0.95
    assert found.held_out.task.value > 0.95
    assert found.held_out.control.value < 0.05


def test_intervals_of_selectivity_cover_what_other_types_would_give() -> None:
    found = [
        control_task(*tokens(100, s, n=800, d=16), draws=8, resamples=200, rng=np.random.default_rng(s))
        for s in range(60)
    ]
    for name in ("shared", "held_out"):
        each = [getattr(f, name).selectivity for f in found]
        truth = np.mean([e.value for e in each])
        assert np.mean([e.low <= truth <= e.high for e in each]) >= 0.85


def test_raw_inputs_serve_as_types() -> None:
    x, y, of = tokens(60, 2, n=600, d=8)
    boards = np.random.default_rng(0).integers(0, 2, (60, 3, 4))[of]
    one = control_task(x, y, of, resamples=50, rng=np.random.default_rng(5))
    other = control_task(x, y, boards, resamples=50, rng=np.random.default_rng(5))
    assert other.types == len(np.unique(boards, axis=0)) <= one.types == 60


def test_control_tasks_that_cannot_answer_are_refused() -> None:
    x, y, of = tokens(60, 3, n=600, d=8)
    rng = np.random.default_rng(0)
    with pytest.raises(NotMeasurableError, match="one group only"):
        control_task(x, (of == 0).astype(int), of, rng=rng)
    with pytest.raises(ImprintError, match="at least 2 control tasks"):
        control_task(x, y, of, draws=1, rng=rng)
    with pytest.raises(ImprintError, match="599 types for 600 rows"):
        control_task(x, y, of[1:], rng=rng)


def test_label_efficiency_follows_the_expected_score_of_a_probe() -> None:
    x, y, groups = planted(1.5, 0, n=4000)
    curve = label_efficiency(x, y, groups, [4, 16, 64, 256], readout=MeanDifference(), rng=np.random.default_rng(0))
    for point in curve:
        assert point.rows == 10 * point.groups
        expected = expected_score(Design(rows=point.groups * 10, width=16, folds=None), 1.5)
        assert point.score.value == pytest.approx(expected, abs=0.03)
        assert point.score.low < point.score.value < point.score.high
    assert [p.score.value for p in curve] == sorted(p.score.value for p in curve)
    few, many = curve[0].score, curve[-1].score
    assert few.high - few.low > 2 * (many.high - many.low)


def test_without_a_concept_more_labels_do_not_help() -> None:
    x, y, groups = planted(0.0, 1, n=2000)
    for point in label_efficiency(x, y, groups, [10, 80], draws=30, rng=np.random.default_rng(1)):
        assert point.score.low < 0.5 < point.score.high
        assert point.score.value == pytest.approx(0.5, abs=0.03)


def test_the_interval_holds_another_labelled_set_about_as_often_as_it_says() -> None:
    x, y, groups = planted(1.0, 2, n=2000)
    (one,) = label_efficiency(x, y, groups, [20], draws=100, rng=np.random.default_rng(2))
    inside = 0
    for seed in range(100):
        (other,) = label_efficiency(x, y, groups, [20], draws=1, rng=np.random.default_rng(100 + seed))
        inside += one.score.low <= other.score.value <= one.score.high
    assert inside >= 85


def test_sizes_that_lack_a_class_are_missing_not_zero() -> None:
    x, y, _ = planted(1.0, 3, n=200)
    (few, _) = label_efficiency(x, y, None, [1, 100], rng=np.random.default_rng(3))
    assert np.isnan([few.score.value, few.score.low, few.score.high]).all()
    with pytest.raises(ImprintError, match="1 to 160 groups"):
        label_efficiency(x, y, None, [161], rng=np.random.default_rng(3))


@pytest.mark.parametrize("delta", [0.0, 1.0, 3.0])
def test_directions_of_disjoint_halves_agree_as_much_as_the_concept_allows(delta: float) -> None:
    """Mean differences of n/2 rows are delta u plus noise of variance 8/n per unit, independent between halves."""
    found = [seed_stability(*planted(delta, s), range(4), readout=MeanDifference()) for s in range(8)]
    expected = delta**2 / (delta**2 + 16 * 4 / 500)
    assert np.mean([f.cosine.value for f in found]) == pytest.approx(expected, abs=0.1 if delta == 0 else 0.03)
    accuracy = expected_score(Design(rows=500, width=16, folds=None), delta)
    assert np.mean([f.score.value for f in found]) == pytest.approx(accuracy, abs=0.02)


def test_agreement_looks_past_units_that_say_the_same() -> None:
    """Two units that are equal up to a little noise: weights are traded between them, readings are not."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 600)
    shown = 3.0 * y + rng.normal(size=600)
    x = np.stack([shown, shown + 0.03 * rng.normal(size=600)], axis=1)
    found = seed_stability(x, y, None, range(20), readout=LinearDiscriminant(shrinkage=0.0))
    assert found.agreement.value > 0.99
    assert found.cosine.low < 0.9


def test_fitting_from_moments_equals_fitting_on_rows() -> None:
    x, y, groups = planted(1.0, 5)
    moments = seed_stability(x, y, groups, range(5), readout=LinearDiscriminant())
    rows = seed_stability(x, y, groups, range(5), readout=ByRows())
    for name in ("cosine", "agreement", "score"):
        assert getattr(moments, name).value == pytest.approx(getattr(rows, name).value, abs=2e-3)
    assert moments.cosine.n == rows.cosine.n == 5


def test_what_the_probe_s_own_seed_changes_is_told_apart() -> None:
    x, y, groups = planted(1.0, 6)
    calm = seed_stability(x, y, groups, range(5), readout=ByRows())
    shaky = seed_stability(x, y, groups, range(5), readout=ByRows(part=0.1))
    assert calm.seed_cosine == pytest.approx(1.0)
    assert calm.seed_score_spread == 0.0
    assert shaky.seed_cosine < 0.8
    assert shaky.seed_score_spread > 0.0


@pytest.mark.parametrize("kind", ["four classes", "number"])
def test_classes_and_numbers_are_stable_where_they_are_shown(kind: str) -> None:
    rng = np.random.default_rng(7)
    labels: Any = rng.integers(0, 4, 800) if kind == "four classes" else rng.normal(size=800)
    x = rng.normal(size=(800, 12))
    x[:, :4] += 4 * np.eye(4)[labels] if kind == "four classes" else 2 * labels[:, None]
    found = seed_stability(x, labels, None, range(4))
    assert found.cosine.value > 0.9
    assert found.score.value > 0.9
    nothing = seed_stability(x, rng.permutation(labels), None, range(4))
    assert abs(nothing.cosine.value) < 0.5
    assert nothing.score.value < 0.35


def test_stability_that_cannot_be_judged_is_refused() -> None:
    x, y, _ = planted(1.0, 8)
    with pytest.raises(NotMeasurableError, match="expected at least 4"):
        seed_stability(x, y, np.arange(1000) % 3, range(3))
    with pytest.raises(ImprintError, match="at least two"):
        seed_stability(x, y, None, [1])
