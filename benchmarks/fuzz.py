"""Arrays and setups at random: no exception but ours, and no answer that differs from that of an oracle.

``python -m benchmarks.fuzz`` tries 5,000 of each and prints a table.

    arrays   the same 48 rows, packed, typed, shifted, scaled, masked, grouped and mislabelled in every way that
             hypothesis finds. The oracle is the answer for plain float64 arrays in which the rows that count were
             picked with numpy alone, and labels that do not count are missing. A sentence of ours is right only where
             something cannot be meant.
    setups   a setup that ships, with some values replaced by others. Either it is refused, or it holds exactly what was
             put in, loads again from what is stored, and every number in it is finite and below 10^13.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from scipy import sparse

import imprint
from imprint.models.errors import ImprintError
from imprint.models.files import parse_yaml
from imprint.models.setup.load import load_setup

ROWS, WIDTH = 48, 3
FAST: dict[str, Any] = {"nulls": 5, "resamples": 20}
LARGEST = 1e13
"""No setting may be larger."""


# -- arrays ------------------------------------------------------------------------------------------------------


def base(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[n, d]`` and a coin ``[n]`` that the first column shows in every second case."""
    rng = np.random.default_rng(number)
    y, x = rng.permutation(np.arange(ROWS) % 2), rng.normal(size=(ROWS, WIDTH))
    x[:, 0] += 4 * y * (number % 2)
    return x, y


PACK: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda x: x,
    "fortran": np.asfortranarray,
    "list": lambda x: x.tolist(),
    "objects": lambda x: x.astype(object),
    "tensor": torch.tensor,
    "gradient": lambda x: torch.tensor(x, requires_grad=True),
    "sparse": lambda x: torch.tensor(x).to_sparse(),
    "csr": lambda x: sparse.csr_array(x.astype(np.float32) if x.dtype == np.float16 else x),
    "frame": pd.DataFrame,
    "nullable": lambda x: pd.DataFrame(x).convert_dtypes(),
    "arrow": lambda x: pa.table({f"u{i}": x[:, i] for i in range(x.shape[1])}),
    "unmasked": lambda x: np.ma.masked_array(x, mask=False),
}
LABELS: dict[str, Callable[[Any], Any]] = {
    "int": lambda y: y,
    "bool": lambda y: y.astype(bool),
    "int8": lambda y: y.astype(np.int8),
    "text": lambda y: np.where(y, "yes", "no"),
    "category": lambda y: pd.Categorical(np.where(y, "b", "a"), categories=["c", "a", "b"]),
    "nullable": lambda y: pd.array(y, dtype="Int64"),
    "arrow": lambda y: pd.array(y, dtype="int64[pyarrow]"),
    "mixed": lambda y: [("one" if v else 0) for v in y.tolist()],
    "tuples": lambda y: [(int(v), "x") for v in y],
    "tensor": torch.tensor,
    "scalars": lambda y: [torch.tensor(v) for v in y.tolist()],
    "bytes": lambda y: [b"1" if v else b"0" for v in y],
}
GROUPS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda g: g,
    "list": lambda g: g.tolist(),
    "text": lambda g: [f"g{v}" for v in g],
    "series": lambda g: pd.Series(g, index=np.arange(len(g)) + 9),
    "column": lambda g: g[:, None],
    "tensor": torch.tensor,
    "half objects": lambda g: [int(v) if v % 2 else str(v) for v in g],
}
SPOILED: dict[str, Callable[[np.ndarray], Any]] = {
    "complex": lambda x: x + 1j,
    "text": lambda x: x.astype(str),
    "one axis": lambda x: x[:, 0],
    "no rows": lambda x: x[:0],
    "no columns": lambda x: x[:, :0],
    "a row short": lambda x: x[1:],
    "ragged": lambda x: [row[: 1 + i % 2] for i, row in enumerate(x.tolist())],
    "meta": lambda x: torch.empty(x.shape, device="meta"),
    "nested": lambda x: torch.nested.as_nested_tensor([torch.tensor(row[: 1 + i % 2]) for i, row in enumerate(x)]),
    "masked": lambda x: np.ma.masked_array(x, mask=np.eye(*x.shape) > 0),
    "none": lambda _x: None,
    "number": lambda _x: 3,
    "date": lambda x: np.arange(x.size).reshape(x.shape).astype("datetime64[s]"),
    "function": lambda _x: len,
    "dicts": lambda x: [{"a": 1}] * len(x),
}
OPTIONS = (
    "nulls",
    "seed",
    "alpha",
    "folds",
    "resamples",
    "groups",
    "mask",
    "ignore",
    "untrained",
    "inputs",
    "given",
    "value",
    "readout",
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.just(ROWS),
)


@st.composite
def array_cases(draw: st.DrawFn) -> dict[str, Any]:
    """One way of passing the same rows."""
    case: dict[str, Any] = {
        "base": draw(st.integers(0, 5)),
        "pack": draw(st.sampled_from(sorted(PACK))),
        "dtype": draw(st.sampled_from(["float64", "float32", "float16", "bfloat16"])),
        "label": draw(st.sampled_from(sorted(LABELS))),
        "offset": draw(st.sampled_from([0.0, 0.0, 1e3, -1e6, 1e9])),
        "scale": draw(st.sampled_from([1.0, 1.0, 1e-30, 1e-6, 1e6, 1e30])),
        "mask": draw(st.sampled_from([None, None, "array", "name", "tensor"])),
        "ignore": draw(st.booleans()),
        "groups": draw(st.sampled_from([None, *sorted(GROUPS), "name"])),
        "dead": draw(st.booleans()),
        "bare": draw(st.booleans()),
        "spoiled": draw(st.sampled_from([None, None, None, *sorted(SPOILED)])),
        "options": draw(
            st.dictionaries(st.sampled_from(OPTIONS), JUNK, max_size=1) if draw(st.integers(0, 3)) == 0 else st.just({})
        ),
    }
    return case


@cache
def plain_answer(number: int, masked: bool, ignored: bool, grouped: bool) -> tuple[str, float]:
    """The oracle's verdict and score; ignored labels are missing ones, as folds are those of all rows."""
    x, y = base(number)
    kept = ~(_some(3) & masked)
    labels = pd.Series(y.astype(bool)).astype(object).where(~(_some(5) & ignored), None)[kept]
    groups = (np.arange(ROWS) // 4)[kept] if grouped else None
    frame = imprint.locate({"s": x[kept]}, pd.DataFrame({"c": labels}), groups=groups, **FAST)
    return str(frame["verdict"].iloc[0]), float(frame["score"].iloc[0])


def _some(every: int) -> np.ndarray:
    return np.arange(ROWS) % every == 1


def array_problem(case: Mapping[str, Any]) -> str:
    """What is wrong with the answer to one case: empty when nothing is."""
    x, y = base(case["base"])
    moved = x * case["scale"] + case["offset"] * case["scale"]
    kind = case["dtype"] if case["scale"] == 1.0 and case["offset"] == 0.0 else "float64"
    if case["dead"]:
        moved = np.column_stack([moved, np.full(ROWS, 7.5)])
    typed: Any = torch.tensor(moved).bfloat16() if kind == "bfloat16" else moved.astype(kind)
    packed = typed if kind == "bfloat16" else PACK[case["pack"]](typed)
    options: dict[str, Any] = {}
    labels = {"c": LABELS[case["label"]](y)}
    if case["ignore"] and case["label"] in ("int", "int8", "nullable"):
        labels = {"c": np.where(_some(5), -100, y)}
        options["ignore"] = -100
    ignored = "ignore" in options
    if case["groups"]:
        groups = np.arange(ROWS) // 4
        options["groups"] = "g" if case["groups"] == "name" else GROUPS[case["groups"]](groups)
        labels |= {"g": groups} if case["groups"] == "name" else {}
    if case["mask"]:
        mask = ~_some(3)
        labels |= {"m": mask} if case["mask"] == "name" else {}
        options["mask"] = {"array": mask, "name": "m", "tensor": torch.tensor(mask)}[case["mask"]]
    if case["spoiled"]:
        packed = SPOILED[case["spoiled"]](moved)
    spoiled = bool(case["spoiled"] or case["options"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = imprint.locate(
                packed if case["bare"] else {"s": packed}, labels, **{**FAST, **options, **case["options"]}
            )
    except ImprintError as error:
        if not spoiled:
            return f"refused: {error}"
        return "" if str(error).strip() else "refused without a word"
    except Exception as error:  # noqa: BLE001, the point of the exercise
        return f"{type(error).__name__}: {error}"
    if case["options"]:
        return "" if len(frame) else "an empty answer"
    row = frame[frame["concept"] == "c"].iloc[0]
    if case["spoiled"]:
        return "" if row["verdict"] == "not measurable" else f"{case['spoiled']} activations were answered"
    verdict, score = plain_answer(case["base"], bool(case["mask"]), ignored, bool(case["groups"]))
    coarse = 0.05 if kind in ("bfloat16", "float16") else 0.025
    if row["verdict"] != verdict or not math.isclose(row["score"], score, abs_tol=coarse):
        return f"{row['verdict']} {row['score']:.3f}, the oracle {verdict} {score:.3f}"
    return ""


# -- setups ------------------------------------------------------------------------------------------------------

SHIPPED = ("nursery", "coin", "doorkey", "keys", "meadow-hunger", "nursery-late")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 300),
    st.floats(),
    st.floats(0, 1),
    st.text(max_size=6),
    st.sampled_from(["²", "٣", "1e400", "nan", "../x", "ridge", "nursery", "1:", "=1+1", "\x00", "💥"]),
    st.sampled_from([10**12, 10**18, 2**63, -(2**63), 10**400, 1e300, -0.0]),
    st.recursive(
        st.integers(0, 3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=6,
    ),
)


@cache
def stored(name: str) -> str:
    """A setup that ships, as JSON."""
    return json.dumps(load_setup(name).resolved())


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested mappings and lists."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def setup_cases() -> st.SearchStrategy[tuple[str, list[tuple[tuple[Any, ...], Any]], bool]]:
    """The name of a setup, what is replaced in it, and whether it passes through text."""
    for name in SHIPPED:  # loading one imports what may draw from ``random``, which strategies must not
        stored(name)
    return _setup_cases()


@st.composite
def _setup_cases(draw: st.DrawFn) -> tuple[str, list[tuple[tuple[Any, ...], Any]], bool]:
    name = draw(st.sampled_from(SHIPPED))
    where = st.sampled_from(places(json.loads(stored(name)))[1:])
    extra = st.tuples(where, st.text(max_size=3)).map(lambda pair: (*pair[0][:-1], pair[1]))
    changes = draw(st.lists(st.tuples(where | extra if draw(st.booleans()) else where, VALUES), min_size=1, max_size=2))
    return name, changes, draw(st.booleans())


def setup_problem(case: tuple[str, list[tuple[tuple[Any, ...], Any]], bool]) -> str:
    """What is wrong with how one changed setup was taken: empty when nothing is."""
    name, changes, text = case
    data, put = json.loads(stored(name)), list[tuple[tuple[Any, ...], Any]]()
    for path, value in changes:
        node = data
        try:
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
        put = [(p, v) for p, v in put if p[: len(path)] != path and path[: len(p)] != p] + [(path, value)]
    try:
        given_ = parse_yaml(json.dumps(data), "a fuzzed setup") if text else data
        setup = load_setup(given_)
    except ImprintError as error:
        return "" if str(error).strip() else "refused without a word"
    except Exception as error:  # noqa: BLE001, the point of the exercise
        return f"{type(error).__name__}: {error}"
    try:
        resolved = setup.resolved()
    except Exception as error:  # noqa: BLE001, what was accepted must be storable
        return f"what was accepted cannot be stored: {type(error).__name__}: {error}"
    try:
        again = load_setup(json.loads(json.dumps(resolved, allow_nan=False)))
    except ValueError as error:
        return f"what is stored cannot be loaded: {error}"
    if again.digest != setup.digest:
        return "what is stored is another setup"
    for place in places(resolved):
        value = at(resolved, place)
        if isinstance(value, int | float) and not (
            (math.isfinite(value) and abs(value) < LARGEST) or "seed" in str(place)
        ):
            return f"{place} is {value}"
    for path, value in put:
        if value is not None and not _alike(at(resolved, path), value):
            return f"{path} was {value!r} and became {at(resolved, path)!r}"
    return ""


def at(data: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a place; a text that says so where there is nothing."""
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return "(nothing)"
    return data


def _alike(stored_: Any, put: Any) -> bool:
    """Whether a value was kept: as it is, or with defaults filled in beside it."""
    if isinstance(put, dict) and isinstance(stored_, dict):
        return all(key in stored_ and _alike(stored_[key], value) for key, value in put.items())
    if isinstance(put, list) and isinstance(stored_, list | tuple):
        return len(put) == len(stored_) and all(map(_alike, stored_, put))
    if isinstance(put, float) and stored_ == json.dumps(put):  # NaN is a number of JSON, and a text of YAML
        return True
    return bool(stored_ == put) or str(stored_) == str(put) or (isinstance(put, str) and put.strip() == str(stored_))


# -- running -----------------------------------------------------------------------------------------------------


def tried(cases: st.SearchStrategy[Any], problem: Callable[[Any], str], count: int, number: int = 0) -> Counter[str]:
    """Problems found in ``count`` cases, with an example of each kind, and how many had none under an empty text."""
    found: Counter[str] = Counter()

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def run(case: Any) -> None:
        said = problem(case)
        found[f"{said}  <- {case}" if said else ""] += 1

    run()
    return found


def main() -> None:
    """Run both and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arrays", type=int, default=5000)
    parser.add_argument("--setups", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for what, cases, problem, count in (
        ("setups", setup_cases(), setup_problem, options.setups),
        ("arrays", array_cases(), array_problem, options.arrays),
    ):
        if not count:
            continue
        found = tried(cases, problem, count, options.seed)
        fine = found.pop("", 0)
        print(f"{what}: {fine + sum(found.values())} tried, {sum(found.values())} wrong", flush=True)
        for said, times in found.most_common(20):
            print(f"  {times} x {said[:600]}", flush=True)


if __name__ == "__main__":
    main()
