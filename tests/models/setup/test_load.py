"""Setups are validated whole; every mistake names the field, what came, what is allowed and the near miss."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.models.registry import setups
from imprint.models.setup.learner import Schedule
from imprint.models.setup.load import load_setup


@pytest.mark.parametrize("name", sorted(setups()))
def test_shipped_setups_load_and_survive_a_round_trip(name: str) -> None:
    setup = load_setup(name)
    assert setup.name == name
    assert setup.description and setup.question
    again = load_setup(yaml.safe_load(yaml.safe_dump(setup.resolved())))
    assert again == setup and again.digest == setup.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world.kind": "nursary"}, "Did you mean 'nursery'"),
        ({"world.colour_que": 0.5}, "world.colour_que: unknown key. Did you mean 'colour_cue'"),
        ({"schedule.sedes": 3}, "schedule.sedes: unknown key. Did you mean 'seeds'"),
        ({"schedule.seeds": 0}, "greater than or equal to 1"),
        ({"schedule.seeds": "many"}, r"came: 'many'"),
        ({"schedule.ages": [64, 128]}, "start with birth"),
        ({"intended": "caregver"}, "Did you mean 'caregiver'"),
        ({"proxies": ["red", "red"]}, "name something twice"),
        ({"proxies": []}, "proxies is empty"),
        ({"assessor.signal": "comfrot"}, "Did you mean 'comfort'"),
        ({"assessor.closes_at": 0}, "not after opens_at"),
        ({"steering.0.miss": 1.5}, "less than or equal to 1"),
        ({"learner.kind": None}, "unknown learners kind"),
        ({"name": "../elsewhere"}, "pattern"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImprintError, match=message.replace("[", r"\[") if "came" not in message else message):
        load_setup("nursery", changes=changes).make_world(0)


def test_unknown_setup_suggests_the_near_miss() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'nursery-late'"):
        load_setup("nursery-lat")


def test_not_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ImprintError, match="expected a mapping"):
        load_setup(path)
    path.write_text("a: [1\n")
    with pytest.raises(ImprintError, match="not readable YAML"):
        load_setup(path)


def test_the_digest_knows_what_matters() -> None:
    base = load_setup("nursery")
    assert load_setup("nursery", changes={"description": "other words"}).digest == base.digest
    assert load_setup("nursery", changes={"world.colour_cue": 0.81}).digest != base.digest
    assert load_setup("nursery", changes={"world.colour_cue": 0.8}).digest == base.digest


def test_a_shared_birth_is_another_experiment_and_none_is_the_one_it_was() -> None:
    base = load_setup("nursery", changes={"schedule.worlds": 1})
    assert load_setup(base, changes={"schedule.shared_birth": 0}).digest != base.digest
    content = {k: v for k, v in base.resolved().items() if k not in ("description", "question")}
    assert content["schedule"].pop("shared_birth") is None and content["schedule"].pop("worlds") == 1
    assert hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8] == base.digest


def test_extends_merges_and_a_new_kind_replaces() -> None:
    late = load_setup("nursery-late")
    assert late.assessor["opens_at"] > 0 and late.world == load_setup("nursery").world
    swapped = load_setup({"extends": "nursery", "name": "other", "learner": {"kind": "recurrent"}})
    assert swapped.learner["kind"] == "recurrent" and "temperature" not in swapped.learner


def test_ages_are_whole_batches_from_birth_to_the_end() -> None:
    ages = Schedule(experiences=1000, batch=64, ages=6).whole(64)
    assert ages[0] == 0 and ages[-1] == 1024 and all(age % 64 == 0 for age in ages)
    assert list(ages) == sorted(set(ages))
    assert Schedule(batch=64, ages=(0, 64, 6400)).whole(64) == (0, 64, 6400)
