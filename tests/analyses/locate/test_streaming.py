"""A stream of batches says the same as the arrays, and a stream that changes is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

import imprint
from imprint.models.errors import ImprintError


def case(n: int = 900) -> tuple[dict[str, np.ndarray], pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    concepts = pd.DataFrame(
        {"here": rng.random(n) < 0.5, "kind": pd.Categorical(rng.choice(list("abc"), n)), "size": rng.normal(size=n)}
    )
    x = rng.normal(size=(n, 8)).astype(np.float32)
    x[:, 0] += 2.0 * concepts["here"]
    x[:, 1] += concepts["kind"].cat.codes
    x[:, 2] += concepts["size"]
    return {"a": x, "b": rng.normal(size=(n, 5)).astype(np.float32)}, concepts, rng.integers(0, 60, n)


class Batches:
    def __init__(self, arrays: dict[str, np.ndarray], size: int = 128) -> None:
        self.arrays, self.size, self.passes = arrays, size, 0

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        self.passes += 1
        for start in range(0, len(self.arrays["a"]), self.size):
            yield {site: torch.from_numpy(a[start : start + self.size]) for site, a in self.arrays.items()}


@pytest.mark.parametrize("readout", ["ridge", "linear_discriminant", "mean_difference"])
def test_a_stream_says_what_the_arrays_say(readout: str) -> None:
    arrays, concepts, groups = case()
    twin = {site: np.random.default_rng(1).normal(size=a.shape).astype(np.float32) for site, a in arrays.items()}
    inputs = arrays["b"]
    whole = imprint.locate(arrays, concepts, groups=groups, untrained=twin, inputs=inputs, readout=readout)
    batches = Batches(arrays)
    streamed = imprint.locate(
        batches, concepts, groups=groups, untrained=[Batches(twin)], inputs=inputs, readout=readout
    )
    whole, streamed = (table.drop(columns=["place", "why"]) for table in (whole, streamed))  # a stream has no places
    pd.testing.assert_frame_equal(whole, streamed, check_exact=False, rtol=2e-2, atol=5e-3)
    assert batches.passes <= 7  # two for each stage of shuffles


def test_a_readout_of_classes_leaves_numbers_unmeasured_and_says_so() -> None:
    arrays, concepts, groups = case()
    table = imprint.locate(arrays, concepts, groups=groups, readout="mean_difference").set_index(["concept", "site"])
    assert table.loc[("size", "a"), "verdict"] == "not measurable"
    assert "reads classes only" in table.loc[("size", "a"), "why"]
    assert table.loc[("here", "a"), "verdict"] == "present"


def test_rates_stand_beside_the_score() -> None:
    arrays, concepts, groups = case()
    table = imprint.locate(arrays, concepts, groups=groups)
    rates = table.attrs["rates"].set_index(["concept", "site", "class"])
    row = rates.loc[("here", "a", "True")]
    score = table.set_index(["concept", "site"]).loc[("here", "a"), "score"]
    assert (row["true_positive_rate"] + 1 - row["false_positive_rate"]) / 2 == pytest.approx(score, abs=1e-6)
    assert row["auc"] > score
    assert rates.loc[("here", "b", "True"), "auc"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, c: (iter(Batches(a)), c), "can be read only once"),
        (lambda a, c: (Batches(a), c[:500]), "more rows than concepts"),
        (lambda a, c: (Batches({"a": a["a"], "b": a["b"][:300]}), c), "expected the same rows"),
    ],
)
def test_streams_that_cannot_be_meant_are_refused(spoil: object, message: str) -> None:
    arrays, concepts, _ = case()
    stream, labels = spoil(arrays, concepts)  # type: ignore[operator]
    with pytest.raises(ImprintError, match=message):
        imprint.locate(stream, labels)
