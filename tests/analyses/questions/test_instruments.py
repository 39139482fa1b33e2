"""Scores of causal tests and attributions on planted networks: what is right scores well, what misleads is named."""

from __future__ import annotations

import pandas as pd
import pytest

from imprint.analyses.questions.instruments import attributions as attribution_quality
from imprint.analyses.questions.instruments import causal as causal_scores
from imprint.analyses.questions.instruments.causal import SiteResult
from imprint.analyses.questions.instruments.networks import PLANS
from imprint.models.errors import UnknownNameError
from imprint.probes.causal.alignment_search import Budget

CELLS = ((300, 0.5),)


def quiet(done: int, total: int, note: str) -> None:
    assert 0 < done <= total and note


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal_scores, "GRID", CELLS)
    monkeypatch.setattr(causal_scores, "BUDGET", Budget(steps=40, batch=64, rate=0.1))
    monkeypatch.setattr(causal_scores, "ROWS", 10_000)


def causal(test: str, *networks: str, samples: int = 4) -> pd.DataFrame:
    found = causal_scores.score(test, samples=samples, seed=0, say=quiet, networks=networks)
    return found.set_index(["test", "network"])


def attribution(method: str, *networks: str, samples: int = 3) -> pd.DataFrame:
    found = attribution_quality.score(method, samples=samples, seed=0, say=quiet, networks=networks)
    return found.set_index("network")


# -- causal tests ----------------------------------------------------------------------------------------------------


def test_ablation_finds_the_site_that_is_needed_and_zeros_are_misled_by_a_constant() -> None:
    found = causal("ablation", "used", "constant")
    for how in ("zero", "mean", "resample"):
        row = found.loc[(f"ablation, {how}", "used")]
        assert row["power_zero"] == 1 and row["false_positive_zero"] == 0 and row["located"] == 1
        assert row["bias"] == pytest.approx(0, abs=0.15)
    assert found.loc[("ablation, zero", "constant"), "false_positive_zero"] == 1
    assert found.loc[("ablation, zero", "constant"), "note"].startswith("misleads")
    assert found.loc[("ablation, mean", "constant"), "false_positive_zero"] == 0


def test_one_of_two_copies_looks_free_and_the_note_says_to_test_together() -> None:
    found = causal("ablation", "redundant").droplevel(1)
    alone, together = found.loc["ablation, mean"], found.loc["ablation, mean, together"]
    assert alone["estimate"] < 0.15 * together["estimate"] and together["truth"] > 0.5
    assert "test together" in alone["note"] and together["note"] == ""


def test_erasure_tells_used_from_present_and_is_misled_by_a_proxy_and_a_product() -> None:
    found = causal("erasure", "used", "unused", "proxy", "xor")
    assert found.loc[("erasure", "used"), ["power", "located"]].eq(1).all()
    assert found.loc[("erasure", "unused"), "false_positive"] == 0
    assert pd.isna(found.loc[("erasure", "unused"), "power"]) and found.loc[("erasure", "unused"), "used"] == 0
    proxy, xor = found.loc[("erasure", "proxy")], found.loc[("erasure", "xor")]
    assert proxy["truth"] == pytest.approx(0, abs=1e-3) and proxy["limit"] > 0.5 and proxy["bias"] > 0.3
    assert proxy["false_positive"] == pytest.approx(1 / 3) and proxy["covered"] == 0 < proxy["intervals"]
    assert xor["power"] == 0 and xor["truth"] > 1 and xor["note"].startswith("misleads")


def test_patching_restores_what_each_copy_carries_and_says_when_it_cannot_be_measured() -> None:
    found = causal("patching", "used", "redundant", "unused")
    assert found.loc[("patching", "used"), "estimate"] == pytest.approx(1, abs=1e-4)
    assert found.loc[("patching", "used"), "covered"] == found.loc[("patching", "used"), "intervals"] == 3
    assert found.loc[("patching", "unused"), "note"].startswith("not measurable")
    assert found.loc[("patching", "redundant"), "estimate"] == pytest.approx(0.5, abs=0.05)
    assert found.loc[("patching", "unused"), "not_measurable"] == 1
    assert found.loc[("patching", "unused"), "intervals"] == 0


def test_dose_and_response_has_power_and_knows_no_direction_of_a_product() -> None:
    found = causal("dose-response", "used", "proxy", "xor").droplevel(0)
    assert found.loc["used", "power"] == 1 and found.loc["used", "bias"] == pytest.approx(0, abs=0.1)
    assert found.loc["proxy", "bias"] > 0.5
    assert found.loc["xor", "power"] < 1 and pd.isna(found.loc["xor", "truth"])


def test_interchange_aligns_also_a_product_and_does_not_boast_where_nothing_changes() -> None:
    found = causal("interchange", "xor", "unused").droplevel(0)
    assert found.loc["xor", ["power", "located"]].eq(1).all()
    assert found.loc["xor", "estimate"] == pytest.approx(1, abs=0.05)
    assert found.loc["unused", "estimate"] > 0.95 and found.loc["unused", "false_positive"] == 0


def test_of_an_untrained_network_nothing_is_claimed_to_be_known_by_design() -> None:
    row = causal("patching", "untrained").iloc[0]
    assert row[["used", "power", "false_positive", "located"]].isna().all() and row["negatives"] == 0
    assert row["truth"] == pytest.approx(row["estimate"], abs=0.1) and row["intervals"] == row["samples"]


def test_used_is_said_on_the_right_side_only() -> None:
    assert SiteResult("left", 0.5, 0.3, 0.7, 0.2).used()
    assert not SiteResult("left", 0.5, 0.3, 0.7, 0.4).used()
    assert not SiteResult("left", 0.9, 0.8, 1.0, 0.2, nothing=0.95).used()
    down = SiteResult("left", -0.5, -0.7, -0.3, 0.2)
    assert not down.used(alone=True) and down.size == -0.5
    both = SiteResult("left", -0.5, -0.7, -0.3, 0.2, signed=True)
    assert both.used() and both.size == 0.5
    assert not SiteResult("left", 1e-8, 1e-8, 1e-8, 0.0).used(alone=True)
    nothing = SiteResult("left", *[float("nan")] * 4)
    assert not nothing.used(alone=True) and not nothing.used()


# -- attributions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradient_times_input", "occlusion", "layer_integrated_gradients"])
def test_a_linear_value_is_attributed_exactly_and_the_top_element_is_one_that_is_read(method: str) -> None:
    found = attribution(method, "faint", samples=2).loc["faint"]
    assert found["exactness"] < 1e-3 and found["completeness"] < 1e-3
    assert found["power"] == 1 and found["mass"] > found["area"]


def test_checks_stand_beside_what_knows_no_model() -> None:
    found = attribution("gradient_times_input", "used").loc["used"]
    assert found["checked"] == 1
    assert found[["mass", "pointing", "power"]].to_numpy(dtype=float) == pytest.approx(1, abs=1e-4)
    assert found["deletion"] < found["deletion_random"] < found["insertion"]
    assert found["deletion"] < found["deletion_variance"] and found["infidelity"] == pytest.approx(0, abs=1e-6)
    assert found["depends_on_weights"] == 1 and abs(found["randomised"]) < 0.5


def test_a_gradient_misses_what_saturates_and_the_decoy_gets_nothing() -> None:
    slope = attribution("gradient_times_input", "redundant", "proxy")
    assert slope.loc["redundant", "completeness"] > 0.5 and slope.loc["redundant", "note"].startswith("misleads")
    assert pd.isna(slope.loc["redundant", "exactness"])
    assert slope.loc["proxy", "decoy"] < 1e-4 < slope.loc["proxy", "decoy_area"]
    whole = attribution("deep_lift", "redundant", samples=2)
    assert whole.loc["redundant", "completeness"] < 1e-3


def test_untrained_networks_count_as_false_positives_and_not_as_power() -> None:
    found = attribution("gradient_times_input", "untrained", samples=5).loc["untrained"]
    assert pd.isna(found["power"]) and 0 <= found["false_positive"] <= 1 and "rows share" in found["note"]
    assert found["mass"] == pytest.approx(found["area"], abs=0.12)


def test_concept_vectors_find_what_is_used_and_not_what_is_only_there() -> None:
    found = attribution("tcav", "used", "unused", "xor", samples=5)
    assert found.loc["used", ["power", "located"]].eq(1).all()
    assert pd.isna(found.loc["unused", "power"]) and found.loc["unused", "false_positive"] < 0.5
    assert found.loc["xor", "power"] < 1 and found.loc["xor", "note"].startswith("misleads")


def test_a_sum_that_saturates_in_all_rows_leaves_concept_vectors_no_gradient() -> None:
    found = attribution("tcav", "redundant", samples=15).loc["redundant"]
    assert 0 < found["not_measurable"] < 1 and found["power"] < 1 and "no gradient" in found["note"]


# -- both ------------------------------------------------------------------------------------------------------------


def test_same_seed_same_table_and_a_network_scores_the_same_in_any_company() -> None:
    one, two = causal("patching", "weak", samples=2), causal("patching", "dead", "weak", samples=2)
    pd.testing.assert_frame_equal(one, two[two.index.get_level_values(1) == "weak"], check_exact=True)
    first, again = (attribution("tcav", "weak", "unused", samples=2) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_every_member_of_the_family_is_asked_and_notes_name_what_exists() -> None:
    assert set(attribution_quality.METHODS) == {*attribution_quality.ATTRIBUTIONS.names(), "tcav"}
    assert {name for _, name in causal_scores.NOTES} <= set(PLANS)
    assert all(method in attribution_quality.METHODS and name in PLANS for method, name in attribution_quality.NOTES)
    with pytest.raises(UnknownNameError, match="Did you mean 'erasure'"):
        causal_scores.score("erasur", samples=2, seed=0, say=quiet)
    with pytest.raises(UnknownNameError, match="Did you mean 'occlusion'"):
        attribution_quality.score("oclusion", samples=2, seed=0, say=quiet)
