"""What else a value varies with: the factors that move it, and what the subject takes the concept to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from imprint.analyses.latch.residual import BELIEF, GROUPS, belief_of, residual_split
from imprint.models.worlds.base import Batch


def batch(n: int, rng: np.random.Generator) -> Batch:
    concepts = pd.DataFrame({name: rng.random(n) < 0.5 for name in ("a", "b", "light", "lamp")})
    return Batch(torch.zeros(n, 1), concepts, np.arange(n) % 40, {})


def test_a_factor_that_moves_the_value_is_found_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(0)
    one = batch(4000, rng)
    offset = rng.standard_normal(40)[one.groups]
    values = 2.0 * one.concepts["a"] + 1.0 * one.concepts["light"] + offset + rng.standard_normal(4000)
    shares = residual_split(values.to_numpy(), one, ["a", "b"]).set_index("factor")["share"]
    # Variances: a 1, light .25, groups about 1, noise 1.
    total = 2.25 + offset.var()
    assert shares["light"] == pytest.approx(0.25 / total, abs=0.02)
    assert shares[GROUPS] == pytest.approx(offset.var() / total, abs=0.02)
    assert abs(shares["lamp"]) < 0.01 and "a" not in shares.index


def test_a_value_of_whom_it_takes_for_the_caregiver_goes_with_its_belief() -> None:
    rng = np.random.default_rng(1)
    one = batch(2000, rng)
    truth = one.concepts["a"].to_numpy()
    taken = np.where(rng.random(2000) < 0.85, truth, ~truth).astype(float)
    activations = torch.tensor(np.column_stack([taken + 0.1 * rng.standard_normal(2000), rng.standard_normal((2000, 5))]))
    values = taken + 0.3 * rng.standard_normal(2000)
    belief = belief_of(activations, one.concepts["a"], one.groups)
    assert belief is not None
    with_belief = residual_split(values, one, ["a", "b"], belief=belief).set_index("factor")["share"]
    noise = residual_split(values, one, ["a", "b"], belief=rng.standard_normal(2000)).set_index("factor")["share"]
    assert with_belief[BELIEF] > 0.3 and abs(noise[BELIEF]) < 0.01


def test_no_belief_about_three_levels_or_in_few_groups() -> None:
    three = pd.Series(np.arange(60) % 3)
    assert belief_of(torch.zeros(60, 2), three, np.arange(60)) is None
    assert belief_of(torch.zeros(60, 2), three > 0, np.arange(60) % 3) is None
