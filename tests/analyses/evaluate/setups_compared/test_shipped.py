from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from imprint.analyses.evaluate.setups_compared.contrasts import choice, differing, extends
from imprint.analyses.evaluate.setups_compared.shipped import compare_setups, compare_shipped, shipped
from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup
from imprint.reports.pages.compared import render_compared, size_of
from tests.analyses.evaluate.setups_compared.made_up import run_of

BASE = [0.8, 0.9, 0.7, 0.85]
LAGLESS = [0.2, 0.35, 0.1, 0.3]


def test_at_least_twelve_setups_ship_and_many_differ_from_another_in_one_setting_alone() -> None:
    setups = [setup.resolved() for setup in shipped()]
    assert len(setups) >= 12
    one = {
        frozenset((a["name"], b["name"])): next(iter(apart))
        for i, a in enumerate(setups)
        for b in setups[i + 1 :]
        if len(apart := differing(a, b)) == 1
    }
    assert one[frozenset(("nursery", "nursery-lagless"))] == "assessor.lag"
    assert one[frozenset(("nursery", "nursery-crude"))] == "steering.0.miss"
    assert one[frozenset(("nursery", "nursery-lamp"))] == "world.lamp_cue"
    assert one[frozenset(("meadow-apart", "meadow-hunger"))] == "environment.food_at_mother"
    assert frozenset(("nursery", "nursery-decorrelated")) not in one and len(one) >= 7


def test_the_effect_of_a_design_choice_is_paired_by_seed(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, name, d) for name, d in (("nursery", BASE), ("nursery-lagless", LAGLESS))]
    (row,) = compare_setups(runs).contrasts.to_dict("records")
    apart = np.array(LAGLESS) - np.array(BASE)
    assert (row["setting"], row["from_value"], row["to_value"], row["pairs"]) == ("assessor.lag", "1", "0", 4)
    assert row["difference"] == pytest.approx(apart.mean())
    assert row["p_value"] == pytest.approx(stats.ttest_rel(LAGLESS, BASE).pvalue)
    half = stats.t.ppf(0.975, 3) * apart.std(ddof=1) / 2
    assert row["high"] - row["low"] == pytest.approx(2 * half)


def test_the_largest_choices_stand_first_and_other_questions_make_no_contrast(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, "nursery", BASE), run_of(tmp_path, "nursery-crude", [x - 0.1 for x in BASE])]
    runs += [run_of(tmp_path, "nursery-lagless", LAGLESS), run_of(tmp_path, "nursery-lamp", BASE)]
    runs += [run_of(tmp_path, "nursery-decorrelated", BASE), run_of(tmp_path, "doorkey", LAGLESS)]
    compared = compare_setups(runs)
    whole = "world: colour_cue, side_cue, lamp_cue"  # several settings, but one choice: the setup extends nursery
    assert list(compared.contrasts["setting"]) == ["assessor.lag", "steering.0.miss", "world.lamp_cue", whole]
    assert compared.table["question"].nunique() == 2 and len(compared.table) == 6
    page = render_compared(compared)
    top = page[page.index('<section id="answer">') : page.index('<section id="exhibit-')]
    places = [top.index(f"<strong>{name}</strong>") for name in ("assessor.lag", "steering.0.miss", "world.lamp_cue")]
    assert places == sorted(places) and "paired over 4 training seeds" in top


def test_a_design_choice_of_several_settings_is_named_by_what_it_is(tmp_path: Path) -> None:
    def of(first: str, second: str) -> tuple[str, str, str]:
        return choice(differing(*(load_setup(name).resolved() for name in (first, second))), (first, second))

    assert of("nursery", "nursery-imprinting") == ("assessor.kind", "valence", "imprinting")
    cues = of("nursery", "nursery-decorrelated")
    assert cues == ("world: colour_cue, side_cue, lamp_cue", "0.8, 0.6, 0.7", "0.0, 0.5, 0.5")
    assert of("nursery", "nursery-belief") == ("steering and scorecard", "nursery", "nursery-belief")
    runs = [run_of(tmp_path, name, BASE) for name in ("meadow-apart", "meadow-hunger")]
    (row,) = compare_setups(runs).contrasts.to_dict("records")  # the one that is extended comes first
    assert (row["versus"], row["from_value"], row["to_value"]) == ("meadow-hunger", "1.0", "0.5")
    assert extends("nursery-belief") == "nursery" and extends("nursery") == "" and extends("my own") == ""


def test_numbers_of_a_run_are_those_that_were_written(tmp_path: Path) -> None:
    row = compare_setups([run_of(tmp_path, "nursery", BASE)]).table.iloc[0]
    assert row["probability"] == 0.97 and row["dominance"] == pytest.approx(0.8125)
    assert row["latch_age"] == 6400 and row["lead"] == 4800  # readable from 1,600 on
    assert row["drift"] == pytest.approx(-0.2) and row["cost"] == 45.0
    assert row["inner"] != row["inner"] and 0.2 < row["outer"] < 0.5  # no shares were made up; misses, false alarms
    assert pd.isna(row["wanting"]) and pd.isna(row["capability"])  # learners do not act
    open_ = [{"none": 1.0}, {"intended": 1.0}, {"mixed": 0.6, "none": 0.4}]
    row = compare_setups([run_of(tmp_path, "nursery-late", BASE, words=open_)]).table.iloc[0]
    assert row["probability"] == 0.0 and row["latch_age"] == 51200


def test_what_is_missing_is_named_with_its_command(tmp_path: Path) -> None:
    compared = compare_shipped(out=tmp_path, seeds=2, changes={"schedule.ages": 2})
    commands = {one.setup.name: one.command for one in compared.missing}
    assert commands["coin"] == f"imprint run coin --seeds 2 --set schedule.ages=2 --out {tmp_path}"
    assert all(one.seconds > 0 for one in compared.missing) and compared.table.empty
    with pytest.raises(ImprintError, match="nothing to compare"):
        render_compared(compared)
    with pytest.raises(ImprintError, match="sedes"):
        compare_shipped(out=tmp_path, changes={"schedule.sedes": 2})
    with pytest.raises(ImprintError, match="two runs are of the setup"):
        compare_setups([run_of(tmp_path, "nursery", BASE)] * 2)


def test_setups_can_live_a_part_of_their_lifetimes(tmp_path: Path) -> None:
    compared = compare_shipped(out=tmp_path, seeds=2, scale=0.25)
    setups = {one.setup.name: one.setup for one in compared.missing}
    assert setups["nursery"].schedule.experiences == 12_800 and setups["coin"].schedule.experiences == 375_000
    assert setups["nursery-late"].assessor["opens_at"] == 9_600  # three quarters of the life, as before
    late = next(one.command for one in compared.missing if one.setup.name == "nursery-late")
    assert "--set schedule.experiences=12800 --set assessor.opens_at=9600" in late
    whole = compare_setups([run_of(tmp_path, "nursery", BASE)])
    assert size_of(whole) == ""
    said = size_of(replace(whole, scale=0.25)).replace("\u00a0", " ")
    assert "lived 25 % of its lifetime, with 4 training seeds" in said
    with pytest.raises(ImprintError, match="above 0 and at most 1"):
        compare_shipped(out=tmp_path, scale=2.0)


def test_a_setting_that_only_one_setup_has_is_a_difference() -> None:
    late, base = load_setup("nursery-late").resolved(), load_setup("nursery").resolved()
    assert list(differing(base, late)) == ["assessor.opens_at"]
    assert differing({"a": {"b": 1}}, {"a": {"b": 1, "c": [1, 2]}}) == {"a.c": ("(absent)", [1, 2])}


def test_only_the_setups_that_are_named_are_compared(tmp_path: Path) -> None:
    compared = compare_shipped(out=tmp_path, seeds=2, names=["coin", "nursery", "coin"])
    assert [one.setup.name for one in compared.missing] == ["coin", "nursery"]
    with pytest.raises(ImprintError, match=r"nurserie.*nursery"):
        compare_shipped(out=tmp_path, names=["nurserie"])
