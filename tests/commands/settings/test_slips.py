from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imprint.commands.settings import slips
from imprint.commands.settings.slips import check_setup
from imprint.models import registry
from imprint.models.errors import ImprintError
from imprint.models.setup.load import load_setup


@pytest.mark.parametrize("name", registry.setups())
def test_nothing_that_ships_is_refused(name: str) -> None:
    check_setup(name)
    check_setup(name, {"schedule.ages": 3, "scorecard": {}})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("nursery", {"schedul.seeds": 3}),
        ("nursery", {"schedule.sedes": 3}),
        ("nursery", {"schedule.batch": "many"}),
        ("nursery", {"schedule.batch": 2.5}),
        ("nursery", {"schedule.learning_rate": 0}),
        ("nursery", {"schedule.first_seed": 2**31}),
        ("nursery", {"schedule.shared_birth": -1}),
        ("nursery", {"world.kind": "nurser"}),
        ("nursery", {"world.colour_que": 0.5}),
        ("nursery", {"world.colour_cue": 1.5}),
        ("nursery", {"world.pixel_noise": float("inf")}),
        ("nursery", {"world.her_colour": "pink"}),
        ("nursery", {"world.originals": "others"}),
        ("nursery", {"world.strangers": [0, "five"]}),
        ("nursery", {"rule.kind": "backprob"}),
        ("nursery", {"steering.0.miss": 2}),
        ("nursery", {"steering.0.mis": 0.1}),
        ("nursery", {"steering.7.miss": 0.1}),
        ("nursery", {"decision.edition": 3, "evaluation.weights": "even"}),
        ("nursery", {"concepts": ["lamp", 3]}),
        ("coin", {"environment.vareid": 0.5}),
        ("coin", {"learning.epochs": 0}),
        ("coin", {"agent.kind": "actor"}),
        ("nursery", {"schedule": 3}),  # no mapping where there should be one
    ],
)
def test_it_says_of_a_slip_what_loading_the_setup_says(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ImprintError) as whole:
        load_setup(name, changes=changes)
    with pytest.raises(ImprintError) as early:
        check_setup(name, changes)
    assert sorted(str(early.value).splitlines()) == sorted(str(whole.value).splitlines())


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule.ages": 0},  # one of several types
        {"world.kind": None},
        {"intended": "her"},  # which only the world knows
        {"rule": None},
        {"learner": {"kind": "foreign", "wide": 3}},
    ],
)
def test_what_only_the_whole_setup_can_tell_is_left_to_loading_it(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict(slips.families())
    names = (*known["learners"].names(), "foreign")  # a learner of another package, which the schema does not have
    monkeypatch.setattr(slips, "families", lambda: known | {"learners": SimpleNamespace(require=names.index)})
    check_setup("nursery", changes)


def test_all_slips_of_a_file_are_named_each_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: nursery\nname: own\nschedule:\n  sedes: 3\nworld:\n  colour_cue: 2\n", encoding="utf-8")
    with pytest.raises(ImprintError, match="Did you mean 'seeds'") as early:
        check_setup(str(own))
    assert [line.partition(" ")[0] for line in str(early.value).splitlines()] == [f"{own},"] * 2
    assert "line 6: world.colour_cue: Input should be less than or equal to 1 (came: 2)." in str(early.value)


def test_the_parts_of_a_scorecard_are_looked_at_one_by_one() -> None:
    column = {"kind": "valence", "signal": "warmth", "lgg": 1}
    with pytest.raises(ImprintError, match=r"^scorecard\.own\.lgg: unknown key\. Did you mean 'lag'\?"):
        check_setup("nursery", {"scorecard": {"own": column}})


def test_a_description_of_a_study_is_left_to_loading(tmp_path: Path) -> None:
    own = tmp_path / "study.yaml"
    own.write_text("name: mine\nstudy: {unit: steps}\n", encoding="utf-8")
    check_setup(str(own))
