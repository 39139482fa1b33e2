"""Arrays and counts of a user lose nothing as they enter, and whatever they are, only our errors are raised."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.latch.latch import latch_from_arrays
from imprint.analyses.locate.locate import locate
from imprint.models.errors import ImprintError
from imprint.probes.door.arrays import count_of, real_array

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3))
LABELS = pd.DataFrame({"c": np.arange(ROWS) % 2, "d": np.arange(ROWS) // 2 % 2})
MASKED = np.ma.array(X, mask=np.zeros_like(X, dtype=bool))
MASKED.mask[3, 1] = True


def test_what_cannot_be_converted_without_loss_is_refused() -> None:
    with pytest.raises(ImprintError, match="masked array in which 1 of 180 entries are masked"):
        locate({"s": MASKED}, LABELS)
    with pytest.raises(ImprintError, match="complex numbers"):
        locate({"s": X * 1j}, LABELS)
    with pytest.raises(ImprintError, match="values is a masked array"):
        latch_from_arrays(MASKED[:, 1], LABELS, intended="c", proxies=["d"])
    whole = np.ma.array(X, mask=False)
    assert real_array("x", whole) is not None and not np.ma.isMaskedArray(real_array("x", whole))
    assert real_array("x", torch.tensor(X)).dtype == np.float64
    assert real_array("x", torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.parametrize("given", [3.5, "5", True, 1, None, np.float64(3.0), -1])
def test_counts_are_whole_numbers(given: Any) -> None:
    with pytest.raises(ImprintError, match=r"folds is .*; expected a whole number of at least 2"):
        count_of("folds", given, least=2)
    assert count_of("folds", np.int64(3), least=2) == 3


ODD: dict[str, Any] = {
    "masked": MASKED,
    "complex": X + 1j,
    "ragged": [[1.0], [1.0, 2.0]] * 30,
    "text": X.astype(str),
    "object": X.astype(object),
    "none": None,
    "number": 3.0,
    "list": X.tolist(),
    "empty": np.zeros((0, 3)),
    "no columns": np.zeros((ROWS, 0)),
    "one axis": X[:, 0],
    "three axes": X[:, :, None],
    "short": X[:-1],
    "frame": pd.DataFrame(X),
    "nan": np.full_like(X, np.nan),
    "infinite": np.where(X > 2, np.inf, X),
    "huge": X * 1e300,
    "tiny": X * 1e-300,
    "dates": X.astype("datetime64[s]"),
    "records": np.zeros(ROWS, dtype=[("a", float)]),
    "sparse": torch.tensor(X).to_sparse(),
    "meta": torch.ones(ROWS, 3, device="meta"),
    "half": torch.tensor(X).half(),
    "brain": torch.tensor(X).bfloat16(),
    "graph": torch.tensor(X, requires_grad=True),
    "whole": np.arange(3 * ROWS).reshape(-1, 3),
    "truth": X > 0,
    "conjugate": torch.tensor(X + 1j).conj(),
    "big-endian": X.astype(">f8"),
    "strided": np.asfortranarray(X)[::-1],
    "constant": np.ones_like(X),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # both are announced as prototypes or on their way out
    ODD["nested"] = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(3, 3)])
    ODD["quantised"] = torch.quantize_per_tensor(torch.tensor(X).float(), 0.1, 0, torch.qint8)


@pytest.mark.parametrize("where", ["activations", "untrained", "inputs"])
def test_whatever_an_array_is_there_is_an_answer_or_our_error(where: str) -> None:
    for odd in ODD.values():
        arguments: dict[str, Any] = {"activations": {"s": X}, where: odd if where == "inputs" else {"s": odd}}
        try:
            table = locate(concepts=LABELS[["c"]], nulls=5, resamples=20, **arguments)
        except ImprintError:
            continue
        assert len(table) == 1
