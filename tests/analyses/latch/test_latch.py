"""The latch of tables and of models: exact effects, erasure where the concept is, reasons for what has no answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from imprint.analyses.findings import COLUMNS
from imprint.analyses.latch.latch import Latch, latch, latch_from_arrays
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.worlds.base import Batch, World
from imprint.probes.subjects.subject import Subject
from tests.known.latched import table, value
from tests.known.learners import known


def found(one: pd.DataFrame) -> dict[str, float]:
    return dict(zip(one["concept"], one["share"], strict=True))


# -- tables of a user's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spoil", "verdict", "why"), [
    ("cell", "undetermined", "a = False, b = True has 0 rows"),
    ("class", "undetermined", "takes one value"),
    ("numbers", "undetermined", "bin it"),
    ("missing", "undetermined", "missing in 1 rows"),
    ("nan", "undetermined", "1 of 300 values are NaN"),
    ("constant", "none", "constant"),
    ("group", "undetermined", "in one group"),
])  # fmt: skip
def test_what_cannot_be_measured_says_why(spoil: str, verdict: str, why: str) -> None:
    rng = np.random.default_rng(6)
    concepts = table(300, rng)
    values, groups = value(concepts, rng, 1.0), np.arange(300)
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
    values = value(concepts, rng, 1.0)
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
    said = len(wired.probabilities)
    assert counts == {
        **{"latch": 1, "probability": said, "leads": 1, "ruled_out": 1, "dominance": 3, "carries": 3},
        **{"share": 4, "effect": 2, "residual": len(wired.residual), "erasure_loss": 16},
    }
    assert rows.loc[rows["metric"] == "latch", "verdict"].tolist() == ["intended"]
    assert rows["n"].notna().all()
    assert wired.interaction == found(wired.shares)["(interaction)"]


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
    assert abs(effects["effect"]["odd"]) < 0.2 and "set_odd" in effects["why"]["odd"]
    assert one.verdict == "intended"
    assert (one.findings["metric"] == "attribution").sum() == 4


class Confounded(World):
    """A number that shows ``key``; ``door`` follows it in three of four cases and shows nothing by itself."""

    factors = {"key": (False, True), "light": (False, True), "follows": (0, 1, 2, 3)}

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"around": torch.randn(n, 2, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        shown = noise["around"].clone()
        shown[:, 0] += 2 * torch.tensor(concepts["key"].to_numpy(dtype="float32"))
        return shown

    def derive(self, concepts: pd.DataFrame) -> pd.DataFrame:
        follows = concepts["follows"].astype(int) > 0
        return concepts.assign(door=np.where(follows, concepts["key"].astype(bool), concepts["light"].astype(bool)))

    def set_door(self, factors: pd.DataFrame, value: object) -> pd.DataFrame:
        return factors.assign(follows=0, light=value)


def test_a_concept_that_shares_variance_but_moves_nothing_does_not_carry() -> None:
    subject = Subject(nn.Identity(), value=lambda x: x[:, 0], sites=[])
    one = latch(subject, Confounded(), intended="light", proxies=["door"], n=1500)
    carries = one.dominance.set_index("concept")["carries"]
    assert found(one.shares)["door"] > 0.1 and carries["door"] < 0.05
    assert one.verdict == "undetermined"


def test_a_latch_of_a_model_equals_that_of_its_values() -> None:
    subject, world = known("both")
    one = latch(subject, world, intended="concept", proxies=["proxy"], n=1000, sites=[])
    batch = world.sample(1000, rng=torch.Generator().manual_seed(0), design="balanced")
    values = subject.values(batch.observation).double().numpy()
    names = {"intended": "concept", "proxies": ["proxy"]}
    same = latch_from_arrays(values, batch.concepts, **names, groups=batch.groups)
    pd.testing.assert_frame_equal(one.shares, same.shares)
    assert one.verdict == same.verdict == "mixed"


@pytest.mark.parametrize("units", ["rectified", "cosine"])
def test_untrained_networks_get_no_word(units: str) -> None:
    """Random networks against other random ones: with 12 twins at most 3 of 20 get a word (p = .02 at .05 each)."""
    _, world = known("concept")
    batch = world.sample(800, rng=torch.Generator().manual_seed(1), design="balanced")
    words = []
    for seed in range(20):
        rng = torch.Generator().manual_seed(100 + seed)
        values = []
        for _ in range(13):
            width = batch.observation.shape[1]
            first = torch.randn(width, 64, generator=rng) / width**0.5
            hidden = (
                torch.relu(batch.observation @ first)
                if units == "rectified"
                else torch.cos(3 * batch.observation @ first)
            )
            values.append((hidden @ torch.randn(64, generator=rng)).double().numpy())
        own, *twins = values
        one = latch_from_arrays(
            own,
            batch.concepts,
            intended="concept",
            proxies=["proxy"],
            untrained=twins,
            groups=batch.groups,
            resamples=300,
        )
        words.append(one.verdict)
    assert sum(word not in ("none", "undetermined") for word in words) <= 3
