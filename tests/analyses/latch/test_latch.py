"""The latch: unbiased shares, exact effects, erasure where the concept is, a rule that says no more than it may."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from imprint.analyses.findings import COLUMNS
from imprint.analyses.latch.decision import decide
from imprint.analyses.latch.latch import Latch, latch, latch_from_arrays, pool_effects, pool_shares
from imprint.analyses.latch.shares import shares_only
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.setup.learner import Decision
from imprint.models.worlds.base import Batch, World
from imprint.probes.subjects.subject import Subject
from tests.known.learners import known

NAMES = ["a", "b", "(interaction)", "(residual)"]


def table(n: int, rng: np.random.Generator, *, together: float = 0.5) -> pd.DataFrame:
    """Two binary concepts that agree with probability ``together``."""
    a = rng.random(n) < 0.5
    return pd.DataFrame({"a": a, "b": np.where(rng.random(n) < together, a, ~a)})


def value(concepts: pd.DataFrame, rng: np.random.Generator, a: float, b: float, both: float = 0.0) -> np.ndarray:
    """Unit noise, and effects of two concepts coded -1 and 1."""
    x, y = (2.0 * concepts[c].to_numpy(dtype=float) - 1 for c in ("a", "b"))
    return a * x + b * y + both * x * y + rng.standard_normal(len(x))


def found(one: pd.DataFrame) -> dict[str, float]:
    return dict(zip(one["concept"], one["share"], strict=True))


# -- shares ----------------------------------------------------------------------------------------------------------


def test_shares_are_unbiased_in_small_cells() -> None:
    rng = np.random.default_rng(0)
    draws = []
    concepts = pd.DataFrame({"a": np.arange(60) % 2 == 0, "b": np.arange(60) // 2 % 2 == 0})
    for _ in range(400):
        shares = shares_only(value(concepts, rng, 1.0, 0.0, 0.5), concepts, intended="a", proxies=["b"], resamples=100)
        draws.append(list(found(shares.table).values()))
    mean, error = np.mean(draws, 0), np.std(draws, 0) / 20
    # True parts: 1, 0, 0.25 and 1 of 2.25. A ratio of unbiased variances is itself off by order 1 / n, so 0.01 more.
    assert np.all(np.abs(mean - np.array([1, 0, 0.25, 1]) / 2.25) < 4 * error + 0.01)
    assert abs(mean[1]) < 0.005


def test_intervals_cover_what_is_there_and_what_is_not() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for i in range(100):
        concepts = table(400, rng)
        values = value(concepts, rng, 0.5, 0.0)
        shares = shares_only(values, concepts, intended="a", proxies=["b"], seed=i, resamples=300).table
        truth = np.array([0.2, 0.0])
        covered.append((shares["low"][:2] <= truth) & (truth <= shares["high"][:2]))
    # 95 % intended; below 87 of 100 has probability 0.001. Intervals next to 0 may be too wide, never too narrow.
    assert np.sum(covered, 0).min() >= 87


def test_chance_correlation_does_not_leak() -> None:
    rng = np.random.default_rng(2)
    concepts = table(4000, rng, together=0.8)
    values = value(concepts, rng, 2.0, 0.0)
    design = shares_only(values, concepts, intended="a", proxies=["b"]).table
    assert found(design)["a"] == pytest.approx(0.8, abs=0.03)
    assert abs(found(design)["b"]) < 0.01
    naive = np.corrcoef(values, concepts["b"])[0, 1] ** 2
    assert naive > 0.2


def test_groups_that_move_together_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    concepts = table(1000, rng)
    group = np.repeat(np.arange(20), 50)
    sway = rng.standard_normal(20)[group] * concepts["a"].to_numpy()
    values = value(concepts, rng, 0.6, 0.0) + 2 * sway
    width = {}
    for name, groups in (("rows", None), ("groups", group)):
        row = shares_only(values, concepts, groups, intended="a", proxies=["b"]).table.iloc[0]
        width[name] = row["high"] - row["low"]
    assert width["groups"] > 1.5 * width["rows"]


def test_more_than_two_levels() -> None:
    rng = np.random.default_rng(4)
    concepts = pd.DataFrame({"a": np.arange(3000) % 3, "b": rng.random(3000) < 0.5})
    values = np.array([-1.0, 0.0, 1.0])[concepts["a"]] + rng.standard_normal(3000)
    assert found(shares_only(values, concepts, intended="a", proxies=["b"]).table)["a"] == pytest.approx(0.4, abs=0.04)


# -- the rule --------------------------------------------------------------------------------------------------------


def shares_table(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [(n, *r) for n, r in zip(NAMES, rows, strict=True)], columns=["concept", "share", "low", "high"]
    )


HIGH, MID, LOW, NIL = (0.6, 0.5, 0.7), (0.15, 0.1, 0.2), (0.03, 0.0, 0.06), (0.0, -0.01, 0.01)
GONE = (float("nan"),) * 3


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((HIGH, NIL, NIL, NIL), "intended"),
        ((HIGH, MID, NIL, NIL), "intended"),
        ((MID, HIGH, NIL, NIL), "proxy:b"),
        ((NIL, MID, NIL, HIGH), "proxy:b"),
        ((MID, MID, NIL, NIL), "mixed"),
        ((NIL, NIL, NIL, HIGH), "none"),
        ((LOW, LOW, NIL, HIGH), "undetermined"),
        ((NIL, NIL, HIGH, NIL), "undetermined"),
        ((HIGH, GONE, NIL, NIL), "undetermined"),
        ((NIL, NIL, GONE, NIL), "undetermined"),
    ],
)
def test_rule(rows: tuple[tuple[float, float, float], ...], verdict: str) -> None:
    nothing = pd.DataFrame(columns=["concept", "effect", "low", "high"])
    said = decide(shares_table(*rows), nothing, Decision(), intended="a")
    assert said.verdict == verdict
    assert said.why.endswith(".") and len(said.why) > 20


def test_a_share_without_an_effect_is_not_carried() -> None:
    effects = pd.DataFrame(
        {"concept": ["a", "b"], "effect": [0.0, np.nan], "low": [-0.1, np.nan], "high": [0.1, np.nan]}
    )
    assert decide(shares_table(HIGH, NIL, NIL, NIL), effects, Decision(), intended="a").verdict == "undetermined"
    assert decide(shares_table(HIGH, MID, NIL, NIL), effects, Decision(), intended="a").verdict == "proxy:b"


def test_the_rule_follows_its_settings() -> None:
    nothing = pd.DataFrame(columns=["concept", "effect", "low", "high"])
    strict = Decision(dominates=0.9)
    assert decide(shares_table(HIGH, MID, NIL, NIL), nothing, strict, intended="a").verdict == "mixed"


# -- tables of a user's own ------------------------------------------------------------------------------------------


def test_arrays_are_weighed_to_the_balanced_design() -> None:
    rng = np.random.default_rng(5)
    concepts = table(3000, rng, together=0.9)
    one = latch_from_arrays(value(concepts, rng, 0.0, 1.0), concepts, intended="a", proxies=["b"])
    assert one.verdict == "proxy:b"
    assert found(one.shares)["b"] == pytest.approx(0.5, abs=0.05)
    assert one.effects.empty and one.mediation.empty


@pytest.mark.parametrize(("spoil", "verdict", "why"), [
    ("cell", "undetermined", "a = False, b = True has 0 rows"),
    ("class", "undetermined", "takes 1 values"),
    ("numbers", "undetermined", "bin it"),
    ("missing", "undetermined", "missing in 1 rows"),
    ("nan", "undetermined", "1 of 300 values are NaN"),
    ("constant", "none", "constant"),
    ("group", "undetermined", "in one group"),
])  # fmt: skip
def test_what_cannot_be_measured_says_why(spoil: str, verdict: str, why: str) -> None:
    rng = np.random.default_rng(6)
    concepts = table(300, rng)
    values, groups = value(concepts, rng, 1.0, 0.0), np.arange(300)
    if spoil == "cell":
        concepts["b"] &= concepts["a"]
    elif spoil == "class":
        concepts["b"] = True
    elif spoil == "numbers":
        concepts["b"] = rng.standard_normal(300)
    elif spoil == "missing":
        concepts["b"] = concepts["b"].astype(object).mask(concepts.index == 0, None)
    elif spoil == "nan":
        values[0] = np.nan
    elif spoil == "constant":
        values[:] = 0.1
    else:
        groups[:] = 0
    one = latch_from_arrays(values, concepts, intended="a", proxies=["b"], groups=groups)
    assert one.verdict == verdict and why in one.why
    assert one.shares["low"].isna().all()
    assert set(one.findings.columns) == set(COLUMNS)


def test_slips() -> None:
    rng = np.random.default_rng(7)
    concepts = table(100, rng)
    values = value(concepts, rng, 1.0, 0.0)
    with pytest.raises(UnknownNameError, match="Did you mean 'a'"):
        latch_from_arrays(values, concepts, intended="aa", proxies=["b"])
    with pytest.raises(ImprintError, match="same number of rows"):
        latch_from_arrays(values[:-1], concepts, intended="a", proxies=["b"])
    with pytest.raises(ImprintError, match="twice"):
        latch_from_arrays(values, concepts, intended="a", proxies=["a"])
    with pytest.raises(ImprintError, match="proxies is empty"):
        latch_from_arrays(values, concepts, intended="a", proxies=[])
    with pytest.raises(ImprintError, match="expected a list"):
        latch_from_arrays(values, concepts, intended="a", proxies="b")
    subject, world = known("concept")
    with pytest.raises(UnknownNameError, match="Did you mean 'proxy'"):
        latch(subject, world, intended="concept", proxies=["proxi"], n=100)
    with pytest.raises(UnknownNameError, match="Did you mean 'middle'"):
        latch(subject, world, intended="concept", proxies=["proxy"], n=100, sites=["midle"])


# -- models ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wired() -> Latch:
    """The latch of a learner whose value is wired to the concept."""
    subject, world = known("concept")
    return latch(subject, world, intended="concept", proxies=["proxy"], n=1200)


def test_effects_are_exact(wired: Latch) -> None:
    effects = wired.effects.set_index("concept")
    assert effects["low"]["concept"] > 1.5
    assert effects.loc["proxy", ["effect", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    share = found(wired.shares)["concept"]
    assert effects["effect"]["concept"] == pytest.approx(2 * np.sqrt(share), rel=0.03)


def test_erasure_loses_the_share_where_the_concept_is(wired: Latch) -> None:
    share = found(wired.shares)["concept"]
    rows = wired.mediation.set_index(["site", "concept"])
    for site in ("middle", "late"):
        assert rows.loc[(site, "concept"), "loss"] == pytest.approx(share, abs=0.03)
        assert rows.loc[(site, "concept"), "placebo"] < share / 3
        assert abs(rows.loc[(site, "proxy"), "loss"]) < 0.01
    assert rows.loc[("early", "concept"), "rank"] == 0
    assert "nothing to erase" in rows.loc[("early", "concept"), "why"]


def test_findings_hold_every_number(wired: Latch) -> None:
    rows = wired.findings
    assert list(rows.columns) == list(COLUMNS)
    counts = rows["metric"].value_counts().to_dict()
    assert counts == {"latch": 1, "share": 4, "effect": 2, "erasure_loss": 12}
    assert rows.loc[rows["metric"] == "latch", "verdict"].tolist() == ["intended"]
    assert rows["n"].notna().all()
    assert wired.interaction == found(wired.shares)["(interaction)"]
    assert wired.residual == found(wired.shares)["(residual)"]


def test_same_seed_same_latch(wired: Latch) -> None:
    subject, world = known("concept")
    again = latch(subject, world, intended="concept", proxies=["proxy"], n=1200)
    pd.testing.assert_frame_equal(again.findings, wired.findings)


def test_sites_beyond_the_value_and_too_wide_ones() -> None:
    subject, world = known("concept")
    wide = Subject(subject.model, value=lambda x: subject.model(x), sites=["early", "middle"])
    few = latch(wide, world, intended="concept", proxies=["proxy"], n=40, sites=["middle"])
    assert few.mediation["loss"].isna().all() and "give more rows" in few.mediation["why"].iloc[0]
    alone = Subject(subject.model, value=lambda x: x[:, 0], sites=["early"])
    assert latch(alone, world, intended="concept", proxies=["proxy"], n=100).mediation.empty


class Shown(World):
    """Two numbers in a picture of four; one of the concepts is abstract and cannot be set."""

    factors = {"left": (False, True), "up": (False, True), "size": (0, 1, 2)}

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"around": torch.randn(n, 4, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        shown = 0.5 * noise["around"]
        shown[:, 0] += torch.tensor(concepts["left"].to_numpy(dtype="float32"))
        shown[:, 1] += torch.tensor(concepts["size"].to_numpy(dtype="float32"))
        return shown

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        return concepts.assign(odd=concepts["up"].astype(bool) ^ concepts["left"].astype(bool))

    def masks(self, batch: Batch) -> Mapping[str, Tensor]:
        where = torch.zeros(2, len(batch), 4, dtype=torch.bool)
        where[0, :, 0] = where[1, :, 1] = True
        return {"left": where[0], "size": where[1]}


def test_attribution_and_what_the_world_cannot_change() -> None:
    subject = Subject(nn.Identity(), value=lambda x: x[:, 1], sites=[])
    one = latch(subject, Shown(), intended="size", proxies=["left", "odd"], n=800)
    assert one.attribution.set_index("concept")["mass"].to_dict() == pytest.approx({"left": 0.0, "size": 1.0})
    assert one.attribution["area"].tolist() == [0.25, 0.25]
    effects = one.effects.set_index("concept")
    assert effects["effect"]["size"] == pytest.approx(4 / 3 / np.sqrt(2 / 3 + 0.25), rel=0.05)
    assert np.isnan(effects["effect"]["odd"]) and "set_odd" in effects["why"]["odd"]
    assert one.verdict == "intended"
    assert (one.findings["metric"] == "attribution").sum() == 4


# -- over seeds ------------------------------------------------------------------------------------------------------

CONCEPTS = ("concept", "proxy")


def over_seeds(*latches: Latch) -> pd.DataFrame:
    """Pooled shares, as a run pools those of its seeds."""
    sums = [one.group_sums for one in latches if one.group_sums is not None and not one.group_sums.constant]
    return pool_shares(sums, CONCEPTS, rng=np.random.default_rng(0))


def test_pooling_counts_seeds_and_their_spread(wired: Latch) -> None:
    subject, world = known("both", seed=1)
    other = latch(subject, world, intended="concept", proxies=["proxy"], n=1200, sites=[])
    same, mixed = over_seeds(wired, wired, wired).iloc[0], over_seeds(wired, other, wired).iloc[0]
    alone = wired.shares.iloc[0]
    assert same["share"] == pytest.approx(alone["share"])
    assert same["high"] - same["low"] < alone["high"] - alone["low"]
    assert mixed["high"] - mixed["low"] > 3 * (alone["high"] - alone["low"])
    assert (mixed["n"], mixed["seeds"]) == (3600, 3)
    sums = {concept: [wired.effect_sums[concept], other.effect_sums[concept]] for concept in CONCEPTS}
    effects = pool_effects(sums, rng=np.random.default_rng(0)).set_index("concept")
    assert effects["low"]["concept"] < effects["effect"]["concept"] < effects["high"]["concept"]
    assert effects["seeds"].tolist() == [2, 2]


def test_pooling_leaves_out_what_was_not_measured(wired: Latch) -> None:
    _, world = known("concept")
    still = Subject(nn.Identity(), value=lambda x: 0 * x[:, 0])
    constant = latch(still, world, intended="concept", proxies=["proxy"], n=200)
    assert constant.verdict == "none" and constant.shares["share"].isna().all()
    assert over_seeds(wired, constant)["seeds"].tolist() == [1] * 4
    nothing = over_seeds(constant)
    assert nothing["share"].isna().all() and nothing["seeds"].tolist() == [0] * 4
