"""Whatever holds the activations, labels, groups and masks, ``locate`` gives the answer of plain arrays, or a sentence.

Every test compares with the same numbers passed plainly, or names the words of the refusal.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse

import imprint
from imprint.models.errors import ImprintError
from imprint.probes.subjects import stored

N = 240
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, N)
Z = RNG.normal(size=(N, 8))
Z[:, 0] += 3 * Y
X = Z.astype(np.float32)
D = pd.DataFrame({"c": Y})
FAST: dict[str, Any] = {"nulls": 5, "resamples": 50}


def locate(activations: Any, concepts: Any = D, **options: Any) -> pd.DataFrame:
    return imprint.locate(activations, concepts, **FAST, **options)


PLAIN = locate({"s": X})


def same(frame: pd.DataFrame, *, within: float = 1e-6) -> None:
    assert list(frame["verdict"]) == list(PLAIN["verdict"]), frame["why"].tolist()
    np.testing.assert_allclose(frame["score"], PLAIN["score"], atol=within)


def masked(array: np.ndarray) -> Any:
    return np.ma.masked_array(array, mask=np.zeros(array.shape, dtype=bool))


def quantised(array: np.ndarray) -> torch.Tensor:
    return torch.quantize_per_tensor(torch.from_numpy(array), 0.05, 0, torch.qint32)


CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "lists": lambda x: x.tolist(),
    "tensor": torch.from_numpy,
    "grad": lambda x: torch.from_numpy(x).requires_grad_(),
    "half": lambda x: torch.from_numpy(x).half(),
    "bfloat16": lambda x: torch.from_numpy(x).bfloat16(),
    "sparse": lambda x: torch.from_numpy(x).to_sparse(),
    "csr": lambda x: torch.from_numpy(x).to_sparse_csr(),
    "quantised": quantised,
    "scipy": sparse.csr_matrix,
    "frame": pd.DataFrame,
    "nullable": lambda x: pd.DataFrame(x).astype("Float32"),
    "arrow frame": lambda x: pd.DataFrame(x).astype("float[pyarrow]"),
    "arrow table": lambda x: pa.table({str(i): x[:, i] for i in range(x.shape[1])}),
    "objects": lambda x: x.astype(object),
    "masked": masked,
    "fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1][::-1],
    "list of tensors": lambda x: list(torch.from_numpy(x)),
}


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.filterwarnings("ignore")  # some layouts of torch are prototypes
def test_every_container_of_activations_gives_the_same(kind: str) -> None:
    given = CONTAINERS[kind](X)
    coarse = {"bfloat16": 0.03, "half": 0.01, "quantised": 0.02}.get(kind, 1e-6)
    unrelated = CONTAINERS[kind](np.random.default_rng(1).normal(size=(N, 8)).astype(np.float32))
    same(locate({"s": given}, inputs=unrelated), within=coarse)


def test_activations_without_a_name_and_from_stores(tmp_path: Path) -> None:
    for given in (X, torch.from_numpy(X), pd.DataFrame(X), {0: X}):
        same(locate(given))
    store = stored.write(tmp_path / "store", [{"s": torch.from_numpy(X[:100])}, {"s": torch.from_numpy(X[100:])}])
    for given in (store, [{"s": X[:100]}, {"s": X[100:]}], tmp_path / "store"):
        frame = locate(given)
        assert frame["verdict"].iloc[0] == "present"
        assert frame["score"].iloc[0] == pytest.approx(PLAIN["score"].iloc[0], abs=1e-6)
    np.save(tmp_path / "s.npy", X)
    same(locate(tmp_path / "s.npy"))
    same(locate(str(tmp_path / "s.npy")))


def ragged() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype
        return torch.nested.as_nested_tensor([torch.ones(2), torch.ones(3)])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("activations", "words"),
    [
        ([X, X], "list of 2 arrays; expected a name for each"),
        ((b for b in [{"s": X}]), "generator"),
        ({}, "no site"),
        (3, "activations is a int"),
        ({"s": torch.empty(N, 8, device="meta")}, "meta, without data"),
        ({"s": ragged()}, "nested"),
        ({"s": [[1.0, 2.0], [3.0]]}, "equal lengths"),
        ({"s": X + 1j}, "complex"),
        ({"s": X.astype(str)}, "expected numbers"),
        ({"s": np.empty((0, 8))}, "no rows"),
        ({"s": X[:-1]}, "239 rows but concepts has 240"),
        ({"s": X[:, 0]}, "expected two axes"),
        ({"s": np.ma.masked_array(X, mask=X > 2)}, "masked"),
        ([{"s": X[:100]}, {"s": [[1.0, 2.0], [3.0]]}], "equal lengths"),
        ("nowhere.npy", "there is no file nowhere.npy"),
    ],
)
def test_activations_that_cannot_be_meant_are_refused_in_a_sentence(activations: Any, words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        locate(activations)


@pytest.mark.parametrize("offset", [1e3, 1e6, -1e9])
@pytest.mark.parametrize("columns", [slice(None), slice(0, 1), slice(7, 8)])
def test_a_large_mean_changes_nothing(offset: float, columns: slice) -> None:
    moved = Z.copy()
    moved[:, columns] += offset
    same(locate({"s": moved}, untrained={"s": Z[::-1].copy() + offset}), within=1e-5)


def test_a_large_mean_in_single_precision_and_in_streams() -> None:
    same(locate({"s": (Z + 1e5).astype(np.float32)}), within=0.02)
    streamed = locate([{"s": Z[:120] + 1e6}, {"s": Z[120:] + 1e6}])
    assert streamed["verdict"].iloc[0] == "present"
    assert streamed["score"].iloc[0] == pytest.approx(PLAIN["score"].iloc[0], abs=1e-5)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-30, 1e-12, 1e12, 1e30, 1e200, 1e300])
def test_neither_small_nor_large_numbers_change_anything(scale: float) -> None:
    same(locate({"s": Z * scale}), within=1e-5)
    mixed = Z.copy()
    mixed[:, 3] *= scale
    same(locate({"s": mixed}), within=1e-5)


def test_constant_columns_are_said_and_nothing_but_constants_is_not_measurable() -> None:
    some = Z.copy()
    some[:, 4] = 7e5
    some[:, 5] = np.where(np.arange(N) % 2, 0.3, 0.1 + 0.2)  # the same but for rounding
    frame = locate({"s": some})
    assert frame["verdict"].iloc[0] == "present"
    assert "s: 2 of 8 columns are constant, 1 of them but for rounding, and were left out" in frame.attrs["caveats"]
    assert "but for rounding" in frame["why"].iloc[0]
    for flat in (np.full((N, 8), 1e6), some[:, 4:6], some[:, 5:6]):
        frame = locate({"s": flat})
        assert frame["verdict"].iloc[0] == "not measurable" and "constant" in frame["why"].iloc[0]


@pytest.mark.parametrize(("scale", "offset"), [(1e-12, 0.0), (1e-200, 0.0), (1e200, 0.0), (1.0, 1e9), (1e-6, 1.0)])
def test_labels_that_are_numbers_may_be_small_large_or_far_from_zero(scale: float, offset: float) -> None:
    number = Z[:, 0] * scale + offset
    frame = locate({"s": X}, pd.DataFrame({"c": number}))
    assert frame["verdict"].iloc[0] == "present" and frame["score"].iloc[0] > 0.99
    flat = pd.DataFrame({"c": np.where(Y, 0.3, 0.1 + 0.2)})
    assert locate({"s": X}, flat)["why"].iloc[0] == "the label never varies"


def test_ignored_labels_are_no_class_and_a_lone_negative_class_is_a_warning() -> None:
    coin = RNG.integers(0, 2, N)
    padded = np.arange(N) % 3 == 0
    labels = pd.DataFrame({"c": np.where(padded, -100, coin)})
    x = Z.copy()
    x[:, 2] += 5 * padded
    with pytest.warns(UserWarning, match=r"c: -100 is its only negative class .* pass ignore=-100"):
        frame = locate({"s": x}, labels)
    assert any("-100" in caveat for caveat in frame.attrs["caveats"]) and "ignore=-100" in frame["why"].iloc[0]
    expected = locate({"s": x[~padded]}, labels[~padded])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ignore in (-100, [-100, 7], {"c": -100}):
            frame = locate({"s": x}, labels, ignore=ignore)
            assert frame["verdict"].iloc[0] != "present" and frame["missing"].iloc[0] == padded.sum()
        masked_out = locate({"s": x}, labels, mask=~padded)
        assert masked_out["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])
        assert "80 of 240 rows are masked and were left out" in masked_out.attrs["caveats"]
        by_name = locate({"s": x}, labels.assign(real=~padded), mask="real")
        assert list(by_name["concept"]) == ["c"]
        assert by_name["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])
        locate({"s": X}, pd.DataFrame({"c": np.where(Y, 1, -1)}))  # a coding of two classes
    with pytest.raises(ImprintError, match="Did you mean 'c'"):
        locate({"s": X}, ignore={"cc": -100})


def test_rows_that_a_masked_array_hides_are_left_out() -> None:
    x = Z.copy()
    hidden = np.arange(N) % 4 == 0
    x[hidden] = 1e9
    frame = locate({"s": np.ma.masked_array(x, mask=np.repeat(hidden[:, None], 8, 1))})
    expected = locate({"s": Z[~hidden]}, D[~hidden])
    assert frame["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])
    assert "60 of 240 rows are masked" in frame.attrs["caveats"][0]


@pytest.mark.parametrize(
    ("mask", "words"),
    [(np.ones(N - 1), "shape"), (np.full(N, 2), "besides 0 and 1"), (np.zeros(N), "no row"), ("nom", "unknown column")],
)
def test_masks_that_cannot_be_meant_are_refused(mask: Any, words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        locate({"s": X}, mask=mask)


GROUPS = np.arange(N) // 6
SHAPED: dict[str, Any] = {
    "list": GROUPS.tolist(),
    "tensor": torch.from_numpy(GROUPS),
    "text": pd.Series(GROUPS).astype(str),
    "category": pd.Series(GROUPS).astype("category"),
    "nullable": pd.Series(GROUPS).astype("Int64"),
    "arrow": pd.Series(GROUPS).astype("int64[pyarrow]"),
    "objects": [f"g{g}" if g % 2 else g for g in GROUPS.tolist()],
    "column": GROUPS[:, None],
    "dates": pd.to_datetime(GROUPS, unit="D"),
}


@pytest.mark.parametrize("kind", SHAPED)
def test_groups_of_any_kind_are_the_same_groups(kind: str) -> None:
    expected = locate({"s": X}, groups=GROUPS)
    assert locate({"s": X}, groups=SHAPED[kind])["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])
    by_name = locate({"s": X}, D.assign(episode=GROUPS), groups="episode")
    assert list(by_name["concept"]) == ["c"]
    assert by_name["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ("episod", "unknown column for groups"),
        (GROUPS[:-1], "groups has 239 labels but concepts has 240 rows"),
        (np.zeros((N, 2)), "one label per row"),
        ([None, *GROUPS[1:].tolist()], "missing in 1 row"),
        ([[g] for g in GROUPS.tolist()], "cannot be told apart"),
        (7, "groups is 7"),
    ],
)
def test_groups_that_cannot_be_meant_are_refused(groups: Any, words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        locate({"s": X}, groups=groups)


def test_sequences_are_rows_of_one_group_each() -> None:
    sequences, mask = X.reshape(40, 6, 8), np.arange(6) < RNG.integers(1, 7, 40)[:, None]
    expected = locate({"s": X[mask.ravel()]}, D[mask.ravel()], groups=GROUPS[mask.ravel()])
    for groups in (None, np.arange(40), GROUPS.reshape(40, 6)):
        frame = locate({"s": torch.from_numpy(sequences)}, mask=torch.from_numpy(mask), groups=groups)
        assert frame["score"].iloc[0] == pytest.approx(expected["score"].iloc[0])


LABELS: dict[str, tuple[Any, str]] = {
    "truth values": (Y.astype(bool), "present"),
    "nullable truth values": (pd.array(Y.astype(bool), dtype="boolean"), "present"),
    "arrow truth values": (pd.array(Y.astype(bool), dtype="bool[pyarrow]"), "present"),
    "nullable integers": (pd.array(Y, dtype="Int8"), "present"),
    "arrow text": (pd.array(np.where(Y, "a", "b"), dtype="string[pyarrow]"), "present"),
    "categories": (pd.Categorical(np.where(Y, "a", "b"), categories=["a", "b", "never"]), "present"),
    "objects": ([("a", 1) if y else ("b", 2) for y in Y], "present"),
    "mixed types": ([1 if y else "one" for y in Y], "present"),
    "none among text": ([None if i % 5 == 0 else "ab"[y] for i, y in enumerate(Y)], "present"),
    "same text": ([1 if y else "1" for y in Y], "present"),
    "dates": ([date(2020, 1, 1 + y) for y in Y], "present"),
    "bytes": ([b"a" if y else b"b" for y in Y], "present"),
    "tensors": ([torch.tensor(y) for y in Y], "present"),
    "decimals": ([Decimal(int(y)) / 3 for y in Y], "present"),
    "floats among objects": ([float(v) if i else None for i, v in enumerate(Z[:, 0])], "present"),
    "tensor": (torch.from_numpy(Y), "present"),
    "arrow numbers": (pd.array(Z[:, 0], dtype="double[pyarrow]"), "present"),
    "nullable numbers": (pd.array(Z[:, 0], dtype="Float64"), "present"),
    "half": (Z[:, 0].astype(np.float16), "present"),
    "lists": ([[1] if y else [2] for y in Y], "not measurable"),
    "dicts": ([{} for _ in Y], "not measurable"),
    "arrays": ([np.zeros(2) for _ in Y], "not measurable"),
    "complex": (Y + 1j, "not measurable"),
    "missing": ([None] * N, "not measurable"),
    "infinite": (np.where(Y, np.inf, 0.0), "not measurable"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_a_column_of_anything_is_answered_and_takes_no_other_with_it(kind: str) -> None:
    given, word = LABELS[kind]
    column = np.fromiter(given, dtype=object, count=N) if isinstance(given, list) else given
    for concepts in ({"good": Y, "odd": given}, pd.DataFrame({"good": Y}).assign(odd=pd.Series(column))):
        frame = locate({"s": X}, concepts).set_index("concept")
        assert frame.loc["good", "verdict"].startswith(("present", "given odd"))
        assert frame.loc["odd", "verdict"].startswith((word, "given good")), frame.loc["odd", "why"]


def test_concepts_of_other_kinds() -> None:
    for concepts in (D["c"], {"c": Y}, pa.table({"c": Y}), D.set_axis(range(5, 5 + N))):
        same(locate({"s": X}, concepts))
    for bad, words in (
        (Y, "concepts is a ndarray"),
        (pd.Series(Y), "without a name"),
        (D[:0], "no rows"),
        ({"c": Y, "d": Y[1:]}, "differ in rows"),
        (pd.DataFrame({"e": GROUPS}), "no column besides"),
    ):
        with pytest.raises(ImprintError, match=words):
            locate({"s": X}, bad, groups="e" if "besides" in words else None)


def test_twins_of_any_shape() -> None:
    twins = [np.random.default_rng(i).normal(size=(N, 8)) for i in range(3)]
    expected = locate({"s": X}, untrained={"s": twins})
    for given in (
        twins,
        np.stack(twins),
        {"s": np.stack(twins)},
        [{"s": t} for t in twins],
        torch.tensor(np.stack(twins)),
    ):
        frame = locate({"s": X}, untrained=given)
        assert frame["untrained"].iloc[0] == pytest.approx(expected["untrained"].iloc[0])
    one = locate({"s": X}, untrained=twins[0])
    assert one["untrained"].iloc[0] == pytest.approx(locate({"s": X}, untrained={"s": twins[0]})["untrained"].iloc[0])
    with pytest.raises(ImprintError, match="there are 2 sites"):
        locate({"s": X, "t": X}, untrained=twins)


@pytest.mark.parametrize(
    "options",
    [
        *({"nulls": v} for v in (5.5, "x", None, True, 4, 10**9)),
        *({"seed": v} for v in (1.5, -1, "x", 2**70)),
        *({"folds": v} for v in (3.5, 1, 10**9)),
        *({"resamples": v} for v in (1e3, 5, 10**12)),
        *({"alpha": v} for v in ("x", 0, 1.0, None, float("nan"))),
        *({"readout": v} for v in (3, "rigde", None)),
        *({"given": v} for v in (3, "d", ["d"])),
        *({"value": v} for v in ("x", X[:, 0][:5], np.ones(N) * 1j)),
    ],
)
def test_options_of_another_kind_are_refused_in_a_sentence(options: dict[str, Any]) -> None:
    with pytest.raises(ImprintError):
        imprint.locate({"s": X}, D, **{**FAST, **options})
