"""Every readout: a scikit-learn estimator that finds what is there, not what is not, and freezes what it found."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.utils.estimator_checks import check_estimator
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError, NotMeasurableError
from imprint.probes.fitting.moments import Moments
from imprint.probes.readouts.base import (
    READOUTS,
    Columns,
    Fitted,
    FittedReadout,
    FromMoments,
    ReadsClasses,
    ReadsNumbers,
)

ALL = {name: READOUTS.load(name) for name in READOUTS.names()}
CLASSES = [name for name, member in ALL.items() if issubclass(member, ReadsClasses)]
NUMBERS = [name for name, member in ALL.items() if issubclass(member, ReadsNumbers)]
MOMENTS = [name for name, member in ALL.items() if issubclass(member, FromMoments)]
LINEAR = [name for name in ALL if name != "mlp"]
BRIEF: dict[str, dict[str, Any]] = {"mlp": {"passes": 10}, "logistic": {"penalties": (1e-2,)}}
"""Settings with which the many fits of scikit-learn's checks, which are about the interface, take less time."""
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def planted(
    n: int, width: int, effect: float, *, seed: int, share: float = 0.5
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Unit noise with two class means ``effect`` apart along a random unit direction, which comes third."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=width)
    direction /= np.linalg.norm(direction)
    y = (rng.random(n) < share).astype(np.int64)
    return rng.normal(size=(n, width)) + (y - 0.5)[:, None] * effect * direction, y, direction


def halves(
    name: str, effect: float = 4.0, *, train: int = 1000, width: int = 20, seed: int = 0
) -> tuple[Any, Any, Any]:
    """The member fitted on the first ``train`` rows, and 4,000 other rows with their labels."""
    x, y, _ = planted(train + 4000, width, effect, seed=seed)
    fitted = ALL[name]().fit(x[:train], y[:train] if name in CLASSES else x[:train, 0] - x[:train, 1])
    return fitted, x[train:], y[train:]


@pytest.fixture(scope="module")
def fitted() -> dict[str, tuple[Any, Any, Any]]:
    return {name: halves(name) for name in ALL}


def test_the_family_is_whole() -> None:
    assert set(CLASSES) >= {"ridge", "logistic", "linear_discriminant", "mean_difference", "k_sparse"}
    assert set(CLASSES) >= {"mlp", "online_code", "bilinear"} and "regression" in NUMBERS
    assert set(CLASSES) | set(NUMBERS) == ALL.keys()


@pytest.mark.parametrize("name", ALL)
def test_scikit_learn_accepts_it_as_an_estimator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # scikit-learn hands nonsense to the constructor, which must take it; our tests' type checker would not.
    monkeypatch.setattr(ALL[name], "__init__", inspect.unwrap(ALL[name].__init__))
    results = check_estimator(ALL[name](**BRIEF.get(name, {})), on_fail=None, on_skip=None)
    failed = {result["check_name"]: repr(result["exception"]) for result in results if result["status"] == "failed"}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert failed == {} and len(results) > 40
    assert skipped <= {"check_array_api_input"}  # which needs another library


@pytest.mark.parametrize("name", CLASSES)
def test_a_planted_direction_is_found(name: str, fitted: dict[str, Any]) -> None:
    readout, x, y = fitted[name]
    assert readout.score(x, y) > 0.9
    assert readout.fitted_.score(torch.from_numpy(x), torch.from_numpy(y)) == readout.score(x, y)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_short_numbers_are_read_as_the_same_numbers_in_float32(name: str, kind: torch.dtype) -> None:
    x, y, _ = planted(90, 4, 4.0, seed=4)
    rows = torch.tensor(x).to(kind)
    labels = torch.tensor(y) if name in CLASSES else rows[:, 0] - rows[:, 1]
    groups = torch.arange(90).div(3, rounding_mode="floor").to(kind)
    long = rows.float().numpy(), (labels if name in CLASSES else labels.float()).numpy()
    expected = ALL[name]().fit(*long, groups=np.arange(90) // 3)
    short = ALL[name]().fit(rows, labels, groups=groups)
    assert np.array_equal(short.predict(rows), expected.predict(long[0]))
    assert short.score(rows, labels) == expected.score(*long)
    assert short.fitted_.score(rows, labels) == expected.fitted_.score(*map(torch.from_numpy, long))
    if kind == torch.float16:
        assert ALL[name]().fit(rows.numpy(), long[1], groups=np.arange(90) // 3).score(*long) == expected.score(*long)


def test_rows_come_through_the_door() -> None:
    x, y, _ = planted(90, 4, 4.0, seed=4)
    expected = ALL["ridge"]().fit(x, y).score(x, y)
    packed = [
        torch.tensor(x, requires_grad=True),
        torch.tensor(x).to_sparse(),
        sparse.csr_array(x),
        list(torch.tensor(x)),
    ]
    for rows in packed:
        assert ALL["ridge"]().fit(rows, list(torch.tensor(y))).score(rows, torch.tensor(y)) == expected
    with pytest.raises(ImprintError, match="X is a masked array in which 4 of 360 entries"):
        ALL["ridge"]().fit(np.ma.masked_array(x, mask=np.eye(90, 4)), y)
    with pytest.raises(ImprintError, match="y is a masked array in which 1 of 90"):
        ALL["ridge"]().fit(x, np.ma.masked_array(y, mask=np.arange(90) == 2))


@pytest.mark.parametrize("name", CLASSES)
def test_shuffled_labels_are_not_found(name: str) -> None:
    x, y, _ = planted(5000, 20, 4.0, seed=1)
    shuffled = np.random.default_rng(2).permutation(y)
    assert ALL[name]().fit(x[:1000], shuffled[:1000]).score(x[1000:], shuffled[1000:]) < 0.6


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_predicted_and_a_shuffled_one_is_not(name: str) -> None:
    x, _, direction = planted(5000, 20, 0.0, seed=0)
    rng = np.random.default_rng(1)
    number = x @ direction + 0.5 * rng.normal(size=5000)
    assert ALL[name]().fit(x[:1000], number[:1000]).score(x[1000:], number[1000:]) == pytest.approx(0.8, abs=0.03)
    shuffled = rng.permutation(number)
    assert ALL[name]().fit(x[:1000], shuffled[:1000]).score(x[1000:], shuffled[1000:]) < 0.05


@pytest.mark.parametrize(
    ("name", "expected"), [("logistic", 0.823), ("mean_difference", 0.831), ("linear_discriminant", 0.824)]
)
def test_accuracy_is_that_of_the_reference_table(name: str, expected: float) -> None:
    scores = []
    for seed in range(4):
        readout, x, y = halves(name, 2.0, width=64, seed=seed)
        scores.append(readout.score(x, y))
    assert np.mean(scores) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("name", CLASSES)
def test_several_classes_are_told_apart(name: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 3000)
    x = rng.normal(size=(3000, 12)) + 4 * np.eye(12)[y]
    names = np.array(["ash", "birch", "cedar", "elm"])[y]
    readout = ALL[name]().fit(x[:1000], names[:1000])
    assert readout.decision_function(x[1000:]).shape == (2000, 4)
    assert readout.score(x[1000:], names[1000:]) > 0.9


@pytest.mark.parametrize("name", CLASSES)
def test_rare_classes_count_as_much_as_frequent_ones(name: str) -> None:
    x, y, _ = planted(8400, 20, 2.5, seed=3, share=1 / 21)
    readout = ALL[name]().fit(x[:4200], y[:4200])
    guess = readout.predict(x[4200:])
    recall = [float((guess[y[4200:] == c] == c).mean()) for c in (0, 1)]
    assert min(recall) > 0.75 and abs(recall[0] - recall[1]) < 0.12


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_without_training_rows_is_never_read(name: str) -> None:
    x, y, _ = planted(600, 10, 4.0, seed=0)
    probe = ALL[name]().fit_rows(torch.from_numpy(x), torch.from_numpy(2 * y), 3, groups=None, seed=0)
    reading = probe(torch.from_numpy(x))
    assert reading.shape == (600, 3) and not bool(reading.isnan().any())
    assert float((reading.argmax(1).numpy() == 2 * y).mean()) > 0.9


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_bytes(name: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    again, *_ = halves(name)
    again.fitted_.save(tmp_path / "again")
    fitted[name][0].fitted_.save(tmp_path / "first")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


@pytest.mark.parametrize("name", ALL)
def test_nothing_global_is_drawn_or_changed(name: str) -> None:
    x, y, _ = planted(200, 5, 2.0, seed=0)
    kept, torch_state, numpy_state = x.copy(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    ALL[name]().fit(x, y)
    assert (x == kept).all() and torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@pytest.mark.parametrize("name", ALL)
def test_saved_and_loaded_it_reads_the_same(name: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    readout, x, _ = fitted[name]
    frozen: Fitted = readout.fitted_
    frozen.save(tmp_path / "probe")
    loaded = type(frozen).load(tmp_path / "probe")
    assert torch.equal(loaded(torch.from_numpy(x)), frozen(torch.from_numpy(x)))
    assert loaded.tensors().keys() == frozen.tensors().keys()
    assert all(torch.equal(value, loaded.tensors()[key]) for key, value in frozen.tensors().items())
    with pytest.raises(AttributeError):
        frozen.bias = torch.zeros(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ALL)
def test_a_damaged_or_foreign_file_is_refused(name: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    class Other(FittedReadout):
        pass

    fitted[name][0].fitted_.save(tmp_path / "probe")
    with pytest.raises(ImprintError, match="expected 'Other'"):
        Other.load(tmp_path / "probe")
    whole = (tmp_path / "probe").read_bytes()
    (tmp_path / "probe").write_bytes(whole[:-8] + bytes(8))
    with pytest.raises(DamagedFileError):
        type(fitted[name][0].fitted_).load(tmp_path / "probe")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ALL)
def test_rows_of_other_types_and_devices_are_read(name: str, device: str, fitted: dict[str, Any]) -> None:
    probe, x = fitted[name][0].fitted_, torch.from_numpy(fitted[name][1])
    expected = probe(x)
    for kind, error in ((torch.float32, 1e-4), (torch.float16, 0.1)):
        got = probe(x.to(device, kind))
        assert got.device.type == device
        torch.testing.assert_close(got.cpu().double(), expected, atol=error, rtol=error)


@pytest.mark.parametrize("name", ALL)
def test_readings_have_a_gradient_in_the_activations(name: str, fitted: dict[str, Any]) -> None:
    probe = fitted[name][0].fitted_
    x = torch.from_numpy(fitted[name][1][:50]).float().requires_grad_()
    probe(x).sum().backward()
    assert x.grad is not None and bool((x.grad != 0).any(1).all())
    assert not any(part.requires_grad for part in probe.tensors().values())


@pytest.mark.parametrize("name", LINEAR)
def test_directions_have_unit_length_and_point_at_what_was_planted(name: str, fitted: dict[str, Any]) -> None:
    direction = fitted[name][0].direction
    assert direction.shape == (20, 1) and float(direction.norm()) == pytest.approx(1.0)
    if name in CLASSES:
        _, _, true = planted(1, 20, 4.0, seed=0)
        assert float(direction[:, 0] @ torch.from_numpy(true)) > 0.8


@pytest.mark.parametrize("name", sorted(set(ALL) - set(LINEAR)))
def test_what_is_not_linear_has_no_direction(name: str, fitted: dict[str, Any]) -> None:
    with pytest.raises(NotMeasurableError, match="not linear"):
        _ = fitted[name][0].direction


def stacked(folds: int = 3) -> tuple[Tensor, Tensor, Tensor, Columns]:
    """Rows, two concepts and a shuffle of the second as target columns, folds, and the layout of the columns."""
    rng = np.random.default_rng(0)
    three, two = rng.integers(0, 3, 300), rng.integers(0, 2, 300)
    x = rng.normal(size=(300, 8)) + 2 * np.eye(8)[three] + np.outer(two, np.linspace(-1, 1, 8))
    y = np.column_stack([np.eye(3)[three], two, rng.permutation(two)])
    layout = Columns.joined([Columns.single(3, classes=True), Columns.single(1, classes=True).repeated(2)])
    return torch.from_numpy(x), torch.from_numpy(y), torch.arange(300) % folds, layout


@pytest.mark.parametrize("name", MOMENTS)
def test_a_held_out_fold_is_as_if_it_had_never_been_seen(name: str) -> None:
    x, y, fold, layout = stacked()
    probes = ALL[name]().solve(Moments.of([(x, y, fold)], 3), layout, [0, 1, 2, None])
    for k in range(3):
        rest = fold != k
        (alone,) = ALL[name]().solve(Moments.of([(x[rest], y[rest], fold[rest])], 3), layout, [None])
        torch.testing.assert_close(probes[k](x), alone(x), atol=1e-8, rtol=1e-8)
    assert not torch.allclose(probes[0](x), probes[3](x))


@pytest.mark.parametrize("name", MOMENTS)
def test_concepts_and_shuffles_solved_together_do_not_disturb_one_another(name: str) -> None:
    x, y, fold, layout = stacked()
    (together,) = ALL[name]().solve(Moments.of([(x, y, fold)], 3), layout, [None])
    for columns in ([0, 1, 2], [3]):
        moments = Moments.of([(x, y[:, columns], fold)], 3)
        (alone,) = ALL[name]().solve(moments, Columns.single(len(columns), classes=True), [None])
        torch.testing.assert_close(together(x)[:, columns], alone(x), atol=1e-8, rtol=1e-8)
