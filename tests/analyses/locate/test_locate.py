"""locate finds what is there, says absent where it is not, and never flatters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score

import imprint
from imprint.models.errors import ImprintError, UnknownNameError
from imprint.probes.samples.controls import compact_groups, folds_of

COLUMNS = [
    "concept",
    "site",
    "score",
    "low",
    "high",
    "null",
    "untrained",
    "inputs",
    "selectivity",
    "p_value",
    "q_value",
    "verdict",
]


@pytest.fixture(scope="module")
def data() -> tuple[dict[str, np.ndarray], pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    n, groups = 1200, rng.integers(0, 30, 1200)
    concepts = pd.DataFrame(
        {"flag": rng.random(n) < 0.3, "kind": rng.choice(list("abc"), n), "size": rng.normal(size=n)}
    )
    early, late = rng.normal(size=(n, 16)), rng.normal(size=(n, 16))
    late[:, 0] += 2.5 * concepts["flag"]
    late[:, 1:4] += 2.5 * (concepts["kind"].to_numpy()[:, None] == np.array(list("abc")))
    late[:, 5] += concepts["size"]
    return {"early": early, "late": late}, concepts, groups


def test_finds_the_planted_site_and_calls_the_other_absent(data) -> None:
    x, concepts, groups = data
    table = imprint.locate(x, concepts, groups=groups)
    assert list(table.columns)[:12] == COLUMNS
    late, early = table[table["site"] == "late"], table[table["site"] == "early"]
    assert list(late["verdict"]) == ["present"] * 3
    assert "present" not in set(early["verdict"])
    assert (late["selectivity"] > 0.2).all()
    assert {c: b["site"] for c, b in table.attrs["best"].items()} == dict.fromkeys(concepts.columns, "late")


def test_score_equals_scikit_learn_on_the_same_folds(data) -> None:
    """Same folds, same penalty family.

    Balanced accuracy within a percent of RidgeClassifier(class_weight='balanced').
    """
    x, concepts, groups = data
    table = imprint.locate({"late": x["late"]}, concepts[["flag"]], groups=groups)
    compact = compact_groups(groups, len(groups))
    fold = folds_of(compact, 5, np.random.default_rng(0))
    guess = np.empty(len(groups), dtype=bool)
    for k in range(5):
        model = RidgeClassifier(alpha=1.0, class_weight="balanced").fit(
            x["late"][fold != k], concepts["flag"][fold != k]
        )
        guess[fold == k] = model.predict(x["late"][fold == k])
    assert table["score"][0] == pytest.approx(balanced_accuracy_score(concepts["flag"], guess), abs=0.01)


def test_floors_turn_present_into_given(data) -> None:
    x, concepts, groups = data
    site = {"late": x["late"]}
    rng = np.random.default_rng(1)
    mixed = x["late"] @ rng.normal(size=(16, 16))
    by_twin = imprint.locate(site, concepts[["flag"]], groups=groups, untrained={"late": [mixed, mixed + 0.01]})
    by_input = imprint.locate(site, concepts[["flag"]], groups=groups, inputs=mixed)
    beaten = imprint.locate(site, concepts[["flag"]], groups=groups, untrained={"late": x["early"]}, inputs=x["early"])
    assert by_twin["verdict"][0] == "given untrained"
    assert by_input["verdict"][0] == "given by input"
    assert beaten["verdict"][0] == "present"


def test_group_offsets_without_a_concept_are_not_found() -> None:
    """40 groups x 25 rows, label constant per group, an offset per group (naive splits read this at .95)."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    label = (np.arange(40) % 2 == 0)[groups]
    x = rng.normal(size=(40, 64))[groups] * 2 + rng.normal(size=(1000, 64))
    table = imprint.locate({"site": x}, pd.DataFrame({"label": label}), groups=groups)
    naive = imprint.locate({"site": x}, pd.DataFrame({"label": label}))
    assert table["verdict"][0] != "present"
    assert naive["score"][0] > 0.9  # what a split that tears groups apart would have believed
    assert naive["verdict"][0] == "undetermined"
    assert "dependent rows" in naive["why"][0]
    assert naive.attrs["leaks"]["kind"].tolist() == ["dependent rows"]


def test_pure_noise_is_rarely_present() -> None:
    rng = np.random.default_rng(3)
    concepts = pd.DataFrame(rng.random((300, 60)) < 0.5, columns=[f"c{i}" for i in range(60)])
    sites = {f"s{i}": rng.normal(size=(300, 12)) for i in range(10)}
    table = imprint.locate(sites, concepts, resamples=200)
    assert (table["verdict"] == "present").mean() <= 0.05


def test_same_seed_same_table_and_other_seed_other_table(data) -> None:
    x, concepts, groups = data
    one, two = (imprint.locate(x, concepts, groups=groups, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert not one["null"].equals(imprint.locate(x, concepts, groups=groups, seed=5)["null"])


def test_what_cannot_be_measured_says_why(data) -> None:
    x, concepts, groups = data
    broken = {**x, "nan": np.where(np.arange(16) == 3, np.nan, x["late"]), "dead": np.ones((1200, 4))}
    odd = concepts.assign(one=True, gap=concepts["size"].where(concepts["size"] > 9), flat=1.5)
    table = imprint.locate(broken, odd, groups=groups).set_index(["concept", "site"])
    assert len(table) == 6 * 4
    reasons = {("flag", "nan"): "NaN or infinite", ("flag", "dead"): "constant", ("one", "late"): "it is True",
               ("gap", "late"): "none of the 1200 rows has a label", ("flat", "late"): "never varies"}  # fmt: skip
    for cell, reason in reasons.items():
        assert table.loc[cell, "verdict"] == "not measurable"
        assert reason in table.loc[cell, "why"]
        assert np.isnan(table.loc[cell, "score"])
    alone = imprint.locate(x, concepts, groups=np.zeros(1200))
    assert set(alone["verdict"]) == {"not measurable"} and "fewer than two groups" in alone["why"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activations": {"late": np.ones((5, 2))}}, "5 rows but concepts has 1200"),
        ({"activations": {"late": np.ones(1200)}}, r"expected two axes"),
        ({"activations": {"late": np.array([["x"]] * 1200)}}, "expected numbers"),
        ({"activations": {}}, "nothing to locate"),
        ({"nulls": 2}, "from 5 to"),
        ({"alpha": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_arguments(data, change, message) -> None:
    x, concepts, groups = data
    with pytest.raises(ImprintError, match=message):
        imprint.locate(**{"activations": x, "concepts": concepts, "groups": groups, **change})


def test_unknown_names_suggest_the_near_miss(data) -> None:
    x, concepts, _ = data
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        imprint.locate(x, concepts, readout="rigde")
    with pytest.raises(UnknownNameError, match="Did you mean 'late'"):
        imprint.locate(x, concepts, untrained={"lat": x["late"]})


def test_another_random_network_is_rarely_called_learned() -> None:
    """One more random initialisation against five twins: what the twins can do, it can do, and no more."""
    rng = np.random.default_rng(5)
    n, called = 600, 0
    concept = pd.DataFrame({"c": rng.random(n) < 0.5})
    hidden = rng.normal(size=(n, 20))
    hidden[:, 0] += 1.2 * concept["c"]
    for _ in range(40):
        nets = [np.maximum(hidden @ rng.normal(size=(20, 6)), 0) for _ in range(6)]
        table = imprint.locate({"s": nets[0]}, concept, untrained={"s": nets[1:]}, resamples=200)
        called += table["verdict"][0] == "present"
    assert called <= 6  # 40 trials at .05: more than 6 has probability .01


def test_a_label_that_hardly_varies_within_groups_is_never_called_absent() -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(40), 10)
    label = (np.arange(40) % 2 == 0)[groups]
    label[3] = ~label[3]
    x = rng.normal(size=(400, 8))
    x[:, 0] += 3 * label
    table = imprint.locate({"s": x}, pd.DataFrame({"c": label}), groups=groups)
    assert table["null"][0] > 0.8  # shuffled within groups, the labels are nearly what they were
    assert table["verdict"][0] in ("present", "undetermined")
    noise = imprint.locate({"s": x[:, 1:]}, pd.DataFrame({"c": label}), groups=groups)
    assert noise["verdict"][0] in ("absent", "undetermined")


def test_half_of_the_groups_does_not_make_p_smaller() -> None:
    """Best sites are scored on half of the rows; on noise their p-values must stay uniform."""
    rng = np.random.default_rng(7)
    p = []
    for seed in range(60):
        table = imprint.locate(
            {"s": rng.normal(size=(200, 6))}, pd.DataFrame({"c": rng.random(200) < 0.5}), resamples=50, seed=seed
        )
        p.append(table.attrs["best"]["c"]["p_value"])
    assert np.mean(np.array(p) < 0.05) <= 0.13  # 60 trials at .05: above .13 has probability .01


@pytest.mark.parametrize(
    ("change", "message"),
    [({"folds": 1}, "folds is 1"), ({"seed": -1}, "seed is -1"), ({"resamples": 0}, "resamples is 0")],
)
def test_numbers_out_of_range(data, change, message) -> None:
    x, concepts, _ = data
    with pytest.raises(ImprintError, match=message):
        imprint.locate(x, concepts, **change)
    with pytest.raises(ImprintError, match="two columns called 'flag'"):
        imprint.locate(x, pd.concat([concepts, concepts["flag"]], axis=1))
