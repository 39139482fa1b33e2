"""The words of locate on cases where the truth is known: what looks like presence and is not, and what is.

Small versions of ``python -m benchmarks.verdicts``, which has the rates.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import imprint
from imprint.analyses.locate.floors import Floor, Spread
from imprint.analyses.locate.strata import companions
from imprint.analyses.locate.twins import USUAL, moderated
from imprint.analyses.statistics import tail_p
from imprint.models.errors import ImprintError, UnknownNameError


def table(rng: np.random.Generator, n: int = 2000, agree: float = 0.9) -> pd.DataFrame:
    """Coin ``a``, and ``b`` that equals it in some of the rows."""
    a = rng.random(n) < 0.5
    return pd.DataFrame({"a": a, "b": np.where(rng.random(n) < agree, a, ~a)})


def test_labels_that_switch_once_and_walks_that_ignore_them_are_not_present() -> None:
    """Within groups alone, half of these labels would be; p among whole sequences is nearly uniform."""
    rng = np.random.default_rng(0)
    groups, p, false = np.repeat(np.arange(20), 40), [], 0
    for seed in range(5):
        x = rng.normal(size=(20, 40, 16)).cumsum(1).reshape(800, 16)
        on = rng.integers(1, 40, size=(20, 1, 12))
        labels = pd.DataFrame((np.arange(40)[None, :, None] >= on).reshape(800, 12)).add_prefix("c")
        found = imprint.locate({"s": x}, labels, groups=groups, resamples=50, seed=seed)
        p += list(found["p_value"])
        false += int(found["verdict"].str.startswith("present").sum())
    assert false <= 2  # of 60; the rule without sequences calls about 30 of them present
    assert np.mean(np.array(p) < 0.05) <= 0.17  # 60 cells at .05: above .17 has probability .0003


def test_what_follows_one_another_and_is_there_is_present_and_says_so() -> None:
    rng = np.random.default_rng(1)
    label = (np.arange(40)[None, :] >= rng.integers(1, 40, size=(30, 1))).reshape(1200)
    x = rng.normal(size=(30, 40, 8)).cumsum(1).reshape(1200, 8) * 0.2
    x[:, 0] += 3 * label
    row = imprint.locate({"s": x}, pd.DataFrame({"c": label}), groups=np.repeat(np.arange(30), 40)).iloc[0]
    assert row["verdict"] == "present"
    assert "follow one another" in row["why"]


@pytest.mark.parametrize(("positives", "word"), [(9, "undetermined"), (40, "present")])
def test_no_class_of_fewer_than_ten_rows_is_present(positives: int, word: str) -> None:
    rng = np.random.default_rng(2)
    label = rng.permutation(400) < positives
    x = rng.normal(size=(400, 6))
    x[:, 0] += 6 * label
    row = imprint.locate({"s": x}, pd.DataFrame({"c": label})).iloc[0]
    assert row["verdict"] == word
    assert word == "present" or "9 rows of the rarest class" in row["why"]


@pytest.mark.parametrize("size", [20, 200, 400])
def test_the_extrapolated_p_of_normal_shuffles_is_not_too_small(size: int) -> None:
    """One more draw is below a level as seldom as it says; at the fifth of 200 it is the rank."""
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(4000, size + 1))
    p = np.array([tail_p(float(row[0]), row[1:]) for row in draws])
    for level in (0.05, 0.01, 0.001):
        assert stats.binom.sf((p <= level).sum() - 1, len(p), level) > 1e-4
    nulls = rng.normal(size=size)
    assert tail_p(float(np.sort(nulls)[-11]) + 1e-9, nulls) == pytest.approx(11 / (size + 1))
    assert tail_p(10.0, nulls) < (1e-4 if size > 20 else 1e-2)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_what_twins_do_not_reach_is_present_with_any_number_of_them(count: int) -> None:
    """20 groups that hold one label each, a perfect score, twins near chance; in four sites."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(20), 30)
    label = (np.arange(20) % 2 == 0)[groups]
    made = [{f"s{i}": rng.normal(size=(20, 8))[groups] + rng.normal(size=(600, 8)) for i in range(4)} for _ in range(9)]
    for x in made[0].values():
        x[:, 0] += 8 * label
    twins = {site: [twin[site] for twin in made[1 : 1 + count]] for site in made[0]}
    found = imprint.locate(made[0], pd.DataFrame({"c": label}), groups=groups, untrained=twins)
    assert set(found["verdict"]) == {"present"}
    assert (found["selectivity"] <= 0.5 + 1e-9).all()  # a floor below chance does not raise it


def test_a_floor_that_is_neither_beaten_nor_as_good_leaves_it_open_and_says_how_many_twins_would_do() -> None:
    rng = np.random.default_rng(5)
    y = rng.random(1500) < 0.5
    nets = [rng.normal(size=(1500, 6)) for _ in range(4)]
    for x, effect in zip(nets, (1.6, 1.4, 1.15, 0.6), strict=True):
        x[:, 0] += effect * y
    row = imprint.locate({"s": nets[0]}, pd.DataFrame({"c": y}), untrained={"s": nets[1:]}).iloc[0]
    assert row["verdict"] == "undetermined"
    assert "3 twins are too few" in row["why"] or "more twins alone would not tell" in row["why"]
    floor = Floor(0.6, np.zeros(1), np.zeros(1), 1e-4, 30, twins=3, among=Spread(4e-3, 6.0))
    needed = floor.twins_needed(0.73, level=0.05)
    assert needed is not None and floor.p_above(0.73) > 0.05 > floor.p_above(0.73, needed)
    assert not floor.reaches(0.73, margin=0.05) and floor.reaches(0.61, margin=0.05)


def test_the_spread_of_twins_is_borrowed_from_the_grid() -> None:
    rng = np.random.default_rng(6)
    true = 0.02**2
    raw = true * rng.chisquare(2, size=200) / 2
    fitted, freedom = moderated(raw, 3)
    assert np.mean((np.log(fitted) - np.log(true)) ** 2) < 0.3 * np.mean((np.log(raw) - np.log(true)) ** 2)
    assert freedom > 2
    alone, few = moderated(np.array([np.nan]), 1)
    assert alone[0] == pytest.approx(USUAL**2) and few == 4


def test_a_concept_read_from_its_companion_is_given_by_it() -> None:
    rng = np.random.default_rng(7)
    labels = table(rng)
    x = rng.normal(size=(2000, 8))
    x[:, 0] += 2.6 * labels["b"]
    found = imprint.locate({"s": x}, labels).set_index("concept")
    assert found.loc["a", "verdict"] == "given b" and found.loc["b", "verdict"] == "present"
    assert "goes with b (association 0." in found.loc["a", "why"]
    asked = imprint.locate({"s": x}, labels, given="b").set_index("concept")
    assert asked.loc["a", "verdict"] == "given b" and asked.loc["a", "score"] < 0.56 < 0.8 < found.loc["a", "score"]
    assert asked.loc["b", "verdict"] == "not measurable" and "itself given" in asked.loc["b", "why"]
    x[:, 1] += 2 * labels["a"]
    for honest in (imprint.locate({"s": x}, labels), imprint.locate({"s": x}, labels, given=["b"])):
        assert honest.set_index("concept").loc["a", "verdict"] == "present"
    with pytest.raises(UnknownNameError, match="Did you mean 'b'"):
        imprint.locate({"s": x}, labels, given="bb")


def test_association_is_cramers_v_and_correlation() -> None:
    rng = np.random.default_rng(8)
    labels = table(rng).assign(size=rng.normal(size=2000))
    labels["weight"] = labels["size"] + 0.5 * rng.normal(size=2000)
    found = companions(labels)
    counts = pd.crosstab(labels["a"], labels["b"])
    assert found["a"] == ("b", pytest.approx(stats.contingency.association(counts, method="cramer")))
    assert found["size"] == ("weight", pytest.approx(labels["size"].corr(labels["weight"])))


def test_given_a_number_a_number_is_read_within_its_quarters() -> None:
    rng = np.random.default_rng(9)
    size = rng.normal(size=1500)
    labels = pd.DataFrame({"size": size, "speed": size + 0.4 * rng.normal(size=1500)})
    x = rng.normal(size=(1500, 5))
    x[:, 0] += 3 * labels["size"]
    row = imprint.locate({"s": x}, labels, given="size").iloc[1]
    assert row["concept"] == "speed" and row["score"] < 0.45
    assert "without regard to them 0.7" in row["why"]


def test_forms_of_presence() -> None:
    rng = np.random.default_rng(10)
    y = rng.random((1000, 2)) < 0.5
    unit, spread = rng.normal(size=(1000, 12)), rng.normal(size=(1000, 12))
    unit[:, 5] += 4 * y[:, 0]
    spread += 0.9 * y[:, :1]
    value = y[:, 1] + rng.normal(size=1000)
    found = imprint.locate({"unit": unit, "spread": spread}, pd.DataFrame({"c": y[:, 0]}), value=value)
    assert list(found["place"]) == ["at unit 5", "distributed"]
    assert set(found["verdict"]) == {"present, not used"}
    used = imprint.locate({"unit": unit}, pd.DataFrame({"c": y[:, 0]}), value=value + y[:, 0])
    assert set(used["verdict"]) == {"present"}
    with pytest.raises(ImprintError, match="expected one per row"):
        imprint.locate({"unit": unit}, pd.DataFrame({"c": y[:, 0]}), value=value[:5])


def test_what_only_a_network_reads_is_present_and_not_linear() -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(500, 4))
    labels = pd.DataFrame({"both": (x[:, 0] > 0) ^ (x[:, 1] > 0), "one": x[:, 2] > 0})
    found = imprint.locate({"s": x}, labels, readout="mlp", nulls=5, folds=2, resamples=50).set_index("concept")
    assert found.loc["both", "verdict"] == "present, not linear"
    assert found.loc["one", "verdict"] == "present"


def test_rows_without_a_label_are_left_out_of_their_concept_alone_and_counted() -> None:
    rng = np.random.default_rng(12)
    labels = table(rng, 900, agree=0.5).astype(object)
    x = rng.normal(size=(900, 6)).astype(np.float32)
    x[:, 0] += 2 * labels["a"].to_numpy(dtype=bool)
    x[:, 1] += 2 * labels["b"].to_numpy(dtype=bool)
    labels.loc[100:399, "a"] = None
    x[100:400, 0] += 50  # what these rows hold does not matter to a
    whole = imprint.locate({"s": x}, labels).set_index("concept")
    assert list(whole["n"]) == [600, 900] and list(whole["missing"]) == [300, 0]
    assert "300 of 900 rows without a label left out" in whole.loc["a", "why"]
    assert whole.loc["a", "verdict"] == "present" and whole.loc["a", "score"] > 0.8
    batches = [{"s": torch.from_numpy(x[start : start + 250])} for start in range(0, 900, 250)]
    streamed = imprint.locate(batches, labels).set_index("concept")
    assert streamed["score"].to_numpy() == pytest.approx(whole["score"].to_numpy(), abs=0.01)


def test_equal_rows_are_kept_together_and_veto_only_what_that_changes() -> None:
    rng = np.random.default_rng(13)
    y = rng.random(2000) < 0.5
    x = rng.normal(size=(2000, 16))
    x[:, 0] += 3 * y
    x[1] = x[0]
    pair = imprint.locate({"s": x}, pd.DataFrame({"c": y})).iloc[0]
    assert pair["verdict"] == "present" and "with equal rows kept together" in pair["why"]
    x[rng.random(2000) < 0.2] = 0.0  # as units that are silent
    grouped = imprint.locate({"s": x}, pd.DataFrame({"c": y}), groups=np.arange(2000) // 20).iloc[0]
    assert grouped["verdict"] == "present"
    twice = np.repeat(rng.normal(size=(150, 40)), 4, axis=0)
    copied = imprint.locate({"s": twice}, pd.DataFrame({"c": np.repeat(rng.random(150) < 0.5, 4)})).iloc[0]
    assert copied["verdict"] == "undetermined" and copied["why"].startswith("duplicates")
