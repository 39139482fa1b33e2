"""A feature stands for a concept only where it does, and returns in another seed only where it does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import Tensor

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.discovery.base import unit_rows
from imprint.probes.discovery.independent_components import IndependentComponents
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder
from imprint.probes.scoring.feature_matching import (
    Features,
    match_activations,
    match_concepts,
    match_directions,
    stability,
)

N, WIDTH = 1200, 8


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def world() -> tuple[Tensor, pd.DataFrame]:
    """Independent sources mixed into rotated units; three of them are concepts, one concept is nowhere."""
    sources = torch.rand(N, WIDTH, generator=rng(), dtype=torch.float64) - 0.5
    sources[:, 0] = (sources[:, 0] > 0).double() - 0.5 + 0.1 * torch.randn(N, generator=rng(5)).double()
    colour = torch.randint(0, 3, (N,), generator=rng(6))
    sources[:, 1] = colour.double() - 1 + 0.1 * torch.randn(N, generator=rng(7)).double()
    rotation = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng(1), dtype=torch.float64)).Q
    concepts = pd.DataFrame(
        {
            "lit": (sources[:, 0] > 0).numpy(),
            "colour": pd.Categorical.from_codes(colour.numpy(), ["blue", "green", "red"]),
            "speed": sources[:, 2].numpy(),
            "nowhere": torch.rand(N, generator=rng(8)).numpy() > 0.5,
        }
    )
    return sources @ rotation, concepts


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    x, concepts = world()
    found = IndependentComponents().fit(x, rng=rng())
    return match_concepts(found, x, concepts, rng=draw()).set_index(["concept", "value"])


def test_a_concept_with_a_feature_of_its_own_is_matched(table: pd.DataFrame) -> None:
    for key, metric in ((("lit", "True"), "auc"), (("colour", "blue"), "auc"), (("speed", ""), "correlation")):
        row = table.loc[key]
        assert row["metric"] == metric and row["score"] > 0.97 and row["chosen_twice"] and row["q_value"] <= 0.01
        assert row["score"] > row["random"] + 0.02
    assert (table["score"] > table["units"] + 0.03)[["lit", "speed"]].sum() == 1  # one unit happens to read the lamp


def test_all_classes_of_a_concept_are_asked(table: pd.DataFrame) -> None:
    assert list(table.loc["colour"].index) == ["blue", "green", "red"]
    assert table.loc[("colour", "blue"), "feature"] == table.loc[("colour", "red"), "feature"]
    assert table.loc[("colour", "green"), "score"] < 0.6  # in the middle of the axis: no single feature stands for it


def test_a_concept_that_is_nowhere_is_not_matched(table: pd.DataFrame) -> None:
    row = table.loc[("nowhere", "True")]
    assert row["p_value"] > 0.05 and abs(row["score"] - 0.5) < 0.06 and abs(row["null"] - 0.5) < 0.02


def test_looking_at_many_features_is_paid_for() -> None:
    p = []
    for seed in range(40):
        x = torch.randn(120, 40, generator=rng(seed), dtype=torch.float64)
        labels = pd.DataFrame({"coin": draw(seed).random(120) > 0.5, "number": draw(seed + 100).normal(size=120)})
        found = PrincipalComponents(held_out=0.0).fit(x, rng=rng())
        p += match_concepts(found, x, labels, shuffles=39, random_draws=1, rng=draw(seed))["p_value"].tolist()
    assert np.mean(np.array(p) <= 0.05) < 0.13 and 0.35 < np.mean(p) < 0.65


def test_groups_are_kept_together_and_shuffled_as_groups() -> None:
    groups = np.repeat(np.arange(20), 30)
    offset = torch.randn(20, 30, generator=rng(), dtype=torch.float64)[groups] * 3
    x = offset + 0.1 * torch.randn(600, 30, generator=rng(1), dtype=torch.float64)
    label = pd.DataFrame({"constant": (draw(2).permutation(20) < 10)[groups]})  # of the group, and in no unit
    found = PrincipalComponents(held_out=0.0).fit(x, rng=rng())
    honest = match_concepts(found, x, label, groups=groups, rng=draw()).iloc[0]
    naive = match_concepts(found, x, label, rng=draw()).iloc[0]
    assert honest["p_value"] > 0.05 and honest["groups"] == 20
    assert naive["p_value"] <= 0.01 and naive["score"] > 0.6


def test_scores_are_those_of_the_textbook() -> None:
    x, concepts = world()
    found = PrincipalComponents(held_out=0.0).fit(x, rng=rng())
    codes = (found.encode(x) * 4).round().numpy()  # with ties
    features = Features(codes, [np.arange(0, N // 2), np.arange(N // 2, N)])
    lit, speed = concepts["lit"].to_numpy().astype(float), concepts["speed"].to_numpy()
    for j in range(WIDTH):
        auc = roc_auc_score(lit, codes[:, j])
        assert features.strength(2, lit[:, None], False)[j, 0] == pytest.approx(2 * auc - 1)
        assert features.strength(2, speed[:, None], True)[j, 0] == pytest.approx(stats.pearsonr(codes[:, j], speed)[0])


def test_what_cannot_be_measured_says_why() -> None:
    x, _ = world()
    found = PrincipalComponents().fit(x, rng=rng())
    labels = pd.DataFrame({"same": np.ones(N, bool), "gap": np.where(np.arange(N) == 3, np.nan, 1.5 * np.arange(N))})
    table = match_concepts(found, x, labels, rng=draw())
    assert table["score"].isna().all() and table["q_value"].isna().all()
    assert "never varies" in table["why"][0] and "1 of 1200 labels are missing" in table["why"][1]
    with pytest.raises(ImprintError, match="concepts have 5 rows"):
        match_concepts(found, x, labels.head(5), rng=draw())


def test_a_shuffled_dictionary_is_matched_back() -> None:
    first = unit_rows(torch.randn(20, 12, generator=rng()))
    order = torch.randperm(20, generator=rng(1))
    for match, signed in ((match_directions, True), (match_directions, False)):
        found = match(first, first[order] * (-1 if signed else 1), signed=signed, rng=draw())
        assert (order.numpy()[found.partner] == np.arange(20)).all()
        assert found.mean == pytest.approx(1.0) and found.p_value == pytest.approx(1 / 21)
    assert match_directions(first, -first[order], signed=False, rng=draw()).mean < 0.7


def test_unrelated_dictionaries_match_no_better_than_rotated_ones() -> None:
    first, second = torch.randn(30, 10, generator=rng()), torch.randn(30, 10, generator=rng(1))
    found = match_directions(first, second, rng=draw())
    assert found.p_value > 0.05 and 0.5 < found.mean < 0.85  # large, and meaningless
    codes, others = torch.randn(400, 10, generator=rng(2)), torch.randn(400, 10, generator=rng(3))
    assert match_activations(codes, others, rng=draw()).mean < 0.2


def test_the_same_space_in_another_basis_is_not_the_same_features() -> None:
    codes = torch.randn(500, 10, generator=rng(), dtype=torch.float64)
    turns = [torch.linalg.qr(torch.randn(10, 10, generator=rng(s), dtype=torch.float64)).Q for s in range(1, 9)]
    p = [match_activations(codes, codes @ turn, rng=draw()).p_value for turn in turns]
    assert 0.25 < np.mean(p) < 0.75
    copy = match_activations(codes, -3 * codes[:, torch.randperm(10, generator=rng(2))] + 7, rng=draw())
    assert copy.mean == pytest.approx(1.0) and copy.p_value == pytest.approx(1 / 21)


def test_codes_of_networks_with_other_units_are_matched_by_what_they_do() -> None:
    x, _ = world()
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=rng(9), dtype=torch.float64)).Q
    a = IndependentComponents().fit(x, rng=rng())
    b = IndependentComponents().fit(x @ turn, rng=rng(1))
    assert match_activations(a.encode(x), b.encode(x @ turn), rng=draw()).mean > 0.95
    assert match_directions(a.directions, b.directions, rng=draw()).mean < 0.8


def test_dead_and_left_over_features_have_no_partner() -> None:
    first, second = torch.eye(4), torch.eye(4)[1:3].clone()
    first[0] = 0.0
    found = match_directions(first, second, rng=draw())
    assert np.isnan(found.similarity[0]) and found.partner[0] == -1
    assert found.similarity[1:].round(9).tolist() == [1.0, 1.0, 0.0] and found.partner[1:].tolist() == [0, 1, -1]
    assert found.mean == pytest.approx(2 / 3)
    with pytest.raises(NotMeasurableError, match="every feature of a dictionary is dead"):
        match_directions(torch.zeros(3, 4), second, rng=draw())


def test_features_of_a_sparse_world_return_and_those_of_noise_do_not() -> None:
    directions = unit_rows(torch.randn(24, 12, generator=rng(1)))
    awake = torch.rand(2500, 24, generator=rng(2)).topk(2, dim=1).indices
    sparse = torch.zeros(2500, 24).scatter(1, awake, 1.0) @ directions
    tables = []
    for x in (sparse, torch.randn(2500, 12, generator=rng(3))):
        seeds = [
            SparseAutoencoder(features=24, active=2, steps=700, rows=128).fit(x, rng=rng(s)).directions
            for s in range(2)
        ]
        tables.append(stability(seeds, by="directions", signed=False, rng=draw()))
    real, noise = tables
    assert real["similarity"].median() > 0.9 and (real["p_value"] <= 0.05).all()
    assert noise["similarity"].median() < 0.75 and set(real["seed"]) == {0, 1} and len(real) == 48
    assert real["similarity"].mean() - real["null"].mean() > 2 * (noise["similarity"].mean() - noise["null"].mean())


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ImprintError, match="matched by their activations"):
        match_directions(torch.eye(3), torch.eye(4), rng=draw())
    with pytest.raises(ImprintError, match="the same rows"):
        match_activations(torch.eye(3), torch.eye(4), rng=draw())
    with pytest.raises(ImprintError, match="two or more"):
        stability([torch.eye(3)], by="directions", rng=draw())
    with pytest.raises(ImprintError, match="by is 'name'"):
        stability([torch.eye(3)] * 2, by="name", rng=draw())
