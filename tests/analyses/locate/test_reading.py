"""Cells that a few shuffles do not decide get more, read by the same probes; cells that are decided do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.locate.plan.target import target_of
from imprint.analyses.locate.reading import read
from imprint.probes.readouts.ridge import Ridge


@pytest.mark.parametrize(("rows", "width", "shift"), [(400, 24, 0.5), (160, 220, 2.0)])  # from moments, from rows
def test_further_shuffles_are_read_as_if_they_were_the_first(rows: int, width: int, shift: float) -> None:
    rng = np.random.default_rng(3)
    kind, flag = rng.integers(0, 3, rows), rng.random(rows) < 0.5
    x = rng.normal(size=(rows, width)).astype(np.float32)
    x[:, :3] += 6 * np.eye(3)[kind]
    x[:, 3] += shift * flag
    groups, fold = np.arange(rows), np.arange(rows) % 5
    columns = {"kind": pd.Series(pd.Categorical(kind)), "flag": pd.Series(flag)}
    targets = [target_of(name, column, groups, nulls=20, rng=rng) for name, column in columns.items()]

    def readings(*some: int, nulls: int = 20, enough: float | None = None) -> list[np.ndarray]:
        chosen = [targets[i] if nulls == 20 else targets[i].shuffled_anew(nulls) for i in some]
        found = read(torch.from_numpy(x), chosen, Ridge(), fold=fold, groups=groups, enough=enough)
        return [reading.nulls for reading in found]

    decided, more = readings(0, 1, enough=1e-5)
    assert len(decided) == 20 and len(more) in (200, 400)
    np.testing.assert_allclose(more[:20], readings(1)[0], atol=1e-12)
    np.testing.assert_allclose(more[20:200], readings(1, nulls=180)[0], atol=1e-12)
